/**
 * Images of the store as one tar, byte for byte the same each time: an OCI image layout (image-spec image-layout.md), and for docker,
 * podman and others that read `docker save` a manifest.json beside it, as docker itself writes since version 25.
 */
import { BoxError, byteStringOf, familiarReference, joinBytes, REF_NAME_ANNOTATION, tarEnd, tarEntry, tarHeader, tarPadding, type Descriptor, type Platform } from '@tsc-box/model';
import { parseManifest } from '@tsc-box/model';
import { parseJsonBytes } from './documents.ts';
import type { ImageStore, StoredImage } from './types.ts';

export interface SaveOptions {
  /** `docker`: with a manifest.json, and one platform of each image. Default. `oci`: the layout alone, with all that the store has. */
  readonly format?: 'docker' | 'oci';
  readonly platform?: Platform;
}

const CONTAINERD_NAME = 'io.containerd.image.name';

interface Chosen {
  readonly image: StoredImage;
  readonly target: Descriptor;
  /** Bytes, by digest. */
  readonly blobs: ReadonlyMap<string, number>;
}

/** @throws BoxError ERR_TSCBOX_IMAGE_NOT_FOUND before the first byte; later only where the store is damaged. */
export async function* saveImages(store: ImageStore, names: readonly string[], { format = 'docker', platform }: SaveOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
  const lease = await store.lease();
  try {
    const chosen: Chosen[] = [];
    for (const name of names) chosen.push(await choose(store, name, format, platform));
    const blobs = new Map(chosen.flatMap((one) => [...one.blobs]));
    await lease.protect([...blobs.keys()]);
    yield* directories(blobs);
    for (const [digest, size] of [...blobs].sort(([a], [b]) => (a < b ? -1 : 1))) yield* blobEntry(store, digest, size);
    yield file('index.json', { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: unique(chosen.map(indexEntry)) });
    if (format === 'docker') yield file('manifest.json', dockerManifest(chosen));
    yield file('oci-layout', { imageLayoutVersion: '1.0.0' });
    yield tarEnd();
  } finally {
    await lease.release();
  }
}

async function choose(store: ImageStore, name: string, format: 'docker' | 'oci', platform: Platform | undefined): Promise<Chosen> {
  const image = await store.resolve(name, platform === undefined ? {} : { platform });
  const one = format === 'docker' || platform !== undefined;
  const { digest, size, mediaType, platform: own } = one ? { ...image.manifestDescriptor, platform: image.platform } : image.target;
  const target: Descriptor = { mediaType, digest, size, ...(own === undefined ? {} : { platform: own }) };
  const blobs = new Map<string, number>();
  await addBlobs(store, target, blobs, true);
  return { image, target, blobs };
}

async function addBlobs(store: ImageStore, descriptor: Descriptor, blobs: Map<string, number>, required: boolean): Promise<void> {
  if (!required && !(await store.hasBlob(descriptor.digest))) return;
  const manifest = parseManifest(parseJsonBytes(await store.readDocument(descriptor), `manifest ${descriptor.digest}`), descriptor.mediaType);
  blobs.set(descriptor.digest, descriptor.size);
  if (manifest.kind === 'index') for (const child of manifest.manifests) await addBlobs(store, child, blobs, false);
  else for (const { digest, size } of [manifest.config, ...manifest.layers]) blobs.set(digest, size);
}

function* directories(blobs: ReadonlyMap<string, number>): Generator<Uint8Array, void, undefined> {
  const algorithms = [...new Set([...blobs.keys()].map((digest) => digest.slice(0, digest.indexOf(':'))))].sort((a, b) => (a < b ? -1 : 1));
  for (const name of ['blobs/', ...algorithms.map((algorithm) => `blobs/${algorithm}/`)]) yield tarHeader({ type: 'directory', name, mode: 0o755 });
}

async function* blobEntry(store: ImageStore, digest: string, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  yield tarHeader({ type: 'file', name: `blobs/${digest.replace(':', '/')}`, mode: 0o644, size });
  let written = 0;
  for await (const chunk of store.readBlob(digest)) {
    written += chunk.length;
    if (written > size) break;
    yield chunk;
  }
  if (written !== size) throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `save blob ${digest}`, detail: `it does not have the ${String(size)} bytes that its descriptor says`, hint: 'the store is damaged: tsc-box fsck tells more' });
  yield tarPadding(size);
}

/** JSON with its keys in the order given: the same each time. */
const file = (name: string, value: unknown): Uint8Array => joinBytes([tarEntry({ type: 'file', name: byteStringOf(name), mode: 0o644 }, Buffer.from(JSON.stringify(value)))]);

function indexEntry({ image, target }: Chosen): object {
  const { name } = image;
  return { ...target, ...(name === undefined ? {} : { annotations: { ...(image.reference === undefined ? {} : { [CONTAINERD_NAME]: name }), [REF_NAME_ANNOTATION]: name } }) };
}

function unique(entries: readonly object[]): readonly object[] {
  return [...new Map(entries.map((entry) => [JSON.stringify(entry), entry])).values()];
}

/** One entry for each image with all its names, as docker has it. */
function dockerManifest(chosen: readonly Chosen[]): readonly object[] {
  const images = new Map<string, { readonly Config: string; readonly RepoTags: string[]; readonly Layers: readonly string[] }>();
  for (const { image, target } of chosen) {
    const path = (digest: string): string => `blobs/${digest.replace(':', '/')}`;
    const entry = images.get(target.digest) ?? { Config: path(image.manifest.config.digest), RepoTags: [], Layers: image.manifest.layers.map(({ digest }) => path(digest)) };
    const { reference } = image;
    const tag = reference?.tag === undefined ? undefined : familiarReference({ registry: reference.registry, repository: reference.repository, tag: reference.tag });
    if (tag !== undefined && !entry.RepoTags.includes(tag)) entry.RepoTags.push(tag);
    images.set(target.digest, entry);
  }
  return [...images.values()];
}
