/** Images of other tools into the store: OCI layouts as directory or tar, docker archives from a file or a pipe. */
import { createHash } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { BoxError, formatReference, isIndexType, isManifestType, MANIFEST_BYTES_MAX, MEDIA_TYPES, parseImageConfig, parseManifest, parseReference, REF_NAME_ANNOTATION, textOf, type Descriptor, type Manifest } from '@tsc-box/model';
import { streamRange } from '../images/file-range.ts';
import { bytesOf, writeManifest } from './compose.ts';
import { parseJsonBytes, readDocument } from './documents.ts';
import { errnoOf, stateError } from './durable.ts';
import { tryReference } from './find.ts';
import { readIndex } from './index-file.ts';
import { hasBlob } from './leases.ts';
import { blobPath, storePaths } from './paths.ts';
import { memberName, readMembers, type Member } from './tar-members.ts';
import type { ImageStore, Lease } from './types.ts';

export interface LoadedImage {
  /** Undefined where the archive tells none. */
  readonly name: string | undefined;
  readonly digest: string;
}

export interface LoadOptions {
  /** For images whose archive tells no whole name; the tag stays if there is one. */
  readonly name?: string;
}

const CONTAINERD_NAME = 'io.containerd.image.name';
const INDEX_DEPTH_MAX = 4;
const LINKS_MAX = 10;

/** Where blobs come from. */
interface Source {
  readonly label: string;
  document(descriptor: Descriptor): Promise<Uint8Array>;
  has(digest: string): Promise<boolean>;
  /** Into the store. */
  copy(descriptor: Descriptor): Promise<void>;
}

/** `path` is a directory or a file. @throws BoxError ERR_TSCBOX_IMAGE_NOT_FOUND, or where it is not valid: no name is set then. */
export async function loadImages(store: ImageStore, path: string, options: LoadOptions = {}): Promise<LoadedImage[]> {
  const place = resolve(path);
  let isDirectory: boolean;
  try {
    isDirectory = (await lstat(place)).isDirectory();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw stateError(`read "${place}"`, place, error);
    throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', attempted: `load "${place}"`, detail: 'there is no such file or directory', path: place });
  }
  if (!isDirectory) return loadArchive(store, streamRange({ path: place, start: 0 }), basename(place).replace(/(\.oci|\.docker)?(\.tar)?(\.gz|\.zst|\.tgz)?$/, ''), options);
  const lease = await store.lease();
  try {
    const paths = storePaths(place);
    const { entries } = await readIndex(paths);
    const source: Source = {
      label: place, document: (descriptor) => readDocument(paths, descriptor), has: (digest) => hasBlob(paths, digest),
      copy: async (descriptor) => void (await lease.writeBlob(streamRange({ path: blobPath(paths, descriptor.digest), start: 0 }), descriptor)),
    };
    if (entries.length === 0) throw invalid(place, 'its index.json names no image, or there is none');
    return await addLayout(store, source, entries.map(({ descriptor }) => descriptor), basename(place), options, new Map());
  } finally {
    await lease.release();
  }
}

/** `source` may be compressed, and come from a pipe. `label`: what the images are called when they tell no name. */
export async function loadArchive(store: ImageStore, source: AsyncIterable<Uint8Array>, label: string, options: LoadOptions = {}): Promise<LoadedImage[]> {
  const lease = await store.lease();
  try {
    const members = await readMembers(source, lease);
    const manifest = members.has('manifest.json') ? parseDockerManifest(await memberBytes(store, members, 'manifest.json')) : undefined;
    if (members.has('index.json')) {
      const index = parseManifest(parseJsonBytes(await memberBytes(store, members, 'index.json'), 'index.json of the archive'));
      if (index.kind !== 'index') throw invalid(label, 'its index.json is no index');
      const names = new Map((manifest ?? []).map(({ Config, RepoTags }) => [memberDigest(members, Config), RepoTags]));
      return await addLayout(store, archiveSource(store, lease, members, label), index.manifests, label, options, names);
    }
    if (manifest === undefined) throw invalid(label, 'there is no manifest.json and no index.json in it', 'allowed: what docker save writes, or an OCI image layout; to make an image of a root file system use: tsc-box import');
    const found: NamedImage[] = [];
    for (const image of manifest) found.push(await keepDockerImage(store, lease, members, image, label, options));
    return await nameImages(store, found);
  } finally {
    await lease.release();
  }
}

const invalid = (label: string, detail: string, hint?: string): BoxError => new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `load ${JSON.stringify(label)}`, detail, hint });

/** All images of a layout, named when all blobs of all are there. */
async function addLayout(store: ImageStore, source: Source, targets: readonly Descriptor[], label: string, options: LoadOptions, names: ReadonlyMap<string, readonly string[]>): Promise<LoadedImage[]> {
  const found: NamedImage[] = [];
  for (const target of targets) {
    const configs = await copyImage(source, target, 0);
    const annotations = Object.fromEntries(Object.entries(target.annotations ?? {}).filter(([key]) => key !== CONTAINERD_NAME && key !== REF_NAME_ANNOTATION));
    found.push({ names: namesOf(target, configs.flatMap((config) => names.get(config) ?? []), label, options), target: { ...target, annotations } });
  }
  return nameImages(store, found);
}

interface NamedImage {
  readonly names: readonly (string | undefined)[];
  readonly target: Descriptor;
}

/** Once all blobs of all images are there. */
async function nameImages(store: ImageStore, found: readonly NamedImage[]): Promise<LoadedImage[]> {
  const loaded: LoadedImage[] = [];
  for (const { names, target } of found) {
    for (const name of names) {
      await store.addImage(name, target);
      loaded.push({ name, digest: target.digest });
    }
  }
  return loaded;
}

/** Names that the archive tells, then what the caller wants, then the name of the directory with the tag. */
function namesOf({ annotations = {} }: Descriptor, tags: readonly string[], label: string, { name }: LoadOptions): readonly (string | undefined)[] {
  const whole = annotations[CONTAINERD_NAME] ?? annotations[REF_NAME_ANNOTATION];
  if (whole !== undefined && /[/:]/.test(whole)) {
    const reference = tryReference(whole);
    if (reference !== undefined) return [formatReference(reference)];
  }
  if (tags.length > 0) return [...new Set(tags.map((tag) => formatReference(parseReference(tag))))];
  const tag = annotations[REF_NAME_ANNOTATION];
  if (name !== undefined) {
    const reference = parseReference(name);
    const hasTag = /:[^/]*$/.test(name);
    return [formatReference({ ...reference, ...(tag !== undefined && !hasTag && /^\w[\w.-]*$/.test(tag) ? { tag } : {}) })];
  }
  if (tag === undefined) return [undefined];
  const reference = tryReference(`localhost/${label.toLowerCase()}:${tag}`);
  return [reference === undefined ? undefined : formatReference(reference)];
}

/** Digests of the configurations. Platforms that an index names and the source lacks are left out. */
async function copyImage(source: Source, descriptor: Descriptor, depth: number): Promise<string[]> {
  if (depth > INDEX_DEPTH_MAX) throw invalid(source.label, `more than ${String(INDEX_DEPTH_MAX)} indexes inside each other`);
  if (!isManifestType(descriptor.mediaType) && !isIndexType(descriptor.mediaType)) throw invalid(source.label, `found a blob of type ${descriptor.mediaType} in its index, allowed: manifests and indexes`);
  const manifest: Manifest = parseManifest(parseJsonBytes(await source.document(descriptor), `manifest ${descriptor.digest}`), descriptor.mediaType);
  const configs: string[] = [];
  if (manifest.kind === 'index') {
    for (const child of manifest.manifests) if (await source.has(child.digest)) configs.push(...(await copyImage(source, child, depth + 1)));
    if (configs.length === 0) throw invalid(source.label, `it has none of the platforms of ${descriptor.digest}`);
  } else {
    for (const part of [manifest.config, ...manifest.layers]) await source.copy(part);
    configs.push(manifest.config.digest);
  }
  await source.copy(descriptor);
  return configs;
}

function findMember(members: ReadonlyMap<string, Member>, name: string): Exclude<Member, { readonly kind: 'link' }> {
  let at = memberName(Buffer.from(name, 'utf8').toString('latin1'));
  for (let links = 0; links < LINKS_MAX; links += 1) {
    const found = members.get(at);
    if (found === undefined) throw invalid(name, `there is no "${textOf(at)}" in the archive`);
    if (found.kind !== 'link') return found;
    at = found.target;
  }
  throw invalid(name, 'it is a loop of links in the archive');
}

const memberDigest = (members: ReadonlyMap<string, Member>, name: string): string => findMember(members, name).digest;

async function memberBytes(store: ImageStore, members: ReadonlyMap<string, Member>, name: string): Promise<Uint8Array> {
  const member = findMember(members, name);
  if (member.kind === 'memory') return member.bytes;
  if (member.size > MANIFEST_BYTES_MAX) throw invalid(name, `it has ${String(member.size)} bytes, allowed: ${String(MANIFEST_BYTES_MAX)}`);
  return store.readDocument(member);
}

/** A member into the store, where it isn't there already. */
async function keepMember(lease: Lease, member: Exclude<Member, { readonly kind: 'link' }>): Promise<{ readonly digest: string; readonly size: number }> {
  return member.kind === 'blob' ? { digest: member.digest, size: member.size } : lease.writeBlob(bytesOf(member.bytes), { digest: member.digest, size: member.bytes.length });
}

function archiveSource(store: ImageStore, lease: Lease, members: ReadonlyMap<string, Member>, label: string): Source {
  const nameOf = (digest: string): string => `blobs/${digest.replace(':', '/')}`;
  return {
    label, has: (digest) => Promise.resolve(members.has(nameOf(digest))),
    async document({ digest }) {
      const bytes = await memberBytes(store, members, nameOf(digest));
      checkDigest(digest, `${digest.slice(0, digest.indexOf(':'))}:${createHash(digest.slice(0, digest.indexOf(':'))).update(bytes).digest('hex')}`);
      return bytes;
    },
    async copy({ digest, size }) {
      const member = findMember(members, nameOf(digest));
      if (digest.startsWith('sha256:')) {
        checkDigest(digest, member.digest);
        const kept = await keepMember(lease, member);
        if (kept.size !== size) throw invalid(label, `blob ${digest} has ${String(kept.size)} bytes, its descriptor says ${String(size)}`);
      } else {
        await lease.writeBlob(member.kind === 'memory' ? bytesOf(member.bytes) : store.readBlob(member.digest), { digest, size });
      }
    },
  };
}

function checkDigest(expected: string, found: string): void {
  if (found !== expected) throw new BoxError({ code: 'ERR_TSCBOX_DIGEST_MISMATCH', attempted: `verify ${expected} of the archive`, detail: `found ${found}` });
}

interface DockerImage {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  readonly Layers: readonly string[];
}

function parseDockerManifest(bytes: Uint8Array): readonly DockerImage[] {
  const value = parseJsonBytes(bytes, 'manifest.json of the archive');
  const fail = (detail: string): BoxError => invalid('manifest.json', detail);
  if (!Array.isArray(value)) throw fail('it is no list of images');
  const strings = (list: unknown, field: string): readonly string[] => {
    if (list === null || list === undefined) return [];
    if (!Array.isArray(list) || !list.every((item) => typeof item === 'string')) throw fail(`${field} is no list of names`);
    return list;
  };
  return value.map((image: unknown) => {
    const { Config, RepoTags, Layers } = (typeof image === 'object' && image !== null ? image : {}) as Readonly<Record<string, unknown>>;
    if (typeof Config !== 'string') throw fail('an image has no Config');
    return { Config, RepoTags: strings(RepoTags, 'RepoTags'), Layers: strings(Layers, 'Layers') };
  });
}

async function keepDockerImage(store: ImageStore, lease: Lease, members: ReadonlyMap<string, Member>, image: DockerImage, label: string, { name }: LoadOptions): Promise<NamedImage> {
  const bytes = await memberBytes(store, members, image.Config);
  const config = parseImageConfig(parseJsonBytes(bytes, image.Config));
  const hex = /^(?:blobs\/sha256\/)?([0-9a-f]{64})(?:\.json)?$/.exec(image.Config)?.[1];
  if (hex !== undefined) checkDigest(`sha256:${hex}`, memberDigest(members, image.Config));
  if (image.Layers.length !== config.rootfs.diff_ids.length) throw invalid(label, `its manifest.json has ${String(image.Layers.length)} layers, its configuration ${String(config.rootfs.diff_ids.length)} diff_ids`);
  const layers: Descriptor[] = [];
  for (const [index, layer] of image.Layers.entries()) layers.push(await keepLayer(lease, findMember(members, layer), config.rootfs.diff_ids[index] ?? ''));
  const written = await keepMember(lease, findMember(members, image.Config));
  const target = await writeManifest(lease, { mediaType: MEDIA_TYPES.ociConfig, ...written }, layers, config);
  const names = image.RepoTags.length > 0 ? image.RepoTags : name === undefined ? [undefined] : [name];
  return { names: names.map((tag) => (tag === undefined ? undefined : formatReference(parseReference(tag)))), target };
}

/** What a layer is is told by its first bytes; a plain one is verified at once, a compressed one when it is unpacked. */
async function keepLayer(lease: Lease, member: Exclude<Member, { readonly kind: 'link' }>, diffId: string): Promise<Descriptor> {
  const head = member.kind === 'memory' ? member.bytes : member.head;
  const mediaType = head[0] === 0x1f && head[1] === 0x8b ? MEDIA_TYPES.ociLayerGzip : head[0] === 0x28 && head[1] === 0xb5 ? MEDIA_TYPES.ociLayerZstd : MEDIA_TYPES.ociLayer;
  if (mediaType === MEDIA_TYPES.ociLayer && diffId.startsWith('sha256:')) checkDigest(diffId, member.digest);
  return { mediaType, ...(await keepMember(lease, member)) };
}
