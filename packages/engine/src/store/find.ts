/** Images of the store by name and id. */
import { BoxError, choosePlatform, familiarReference, formatReference, isConfigType, parseReference, UnsupportedError, type Descriptor, type Platform, type Reference } from '@tsc-box/model';
import { ownPlatform } from '../images/platform.ts';
import { readConfig, readManifest } from './documents.ts';
import type { IndexEntry } from './index-file.ts';
import { hasBlob } from './leases.ts';
import type { StorePaths } from './paths.ts';
import type { StoredImage } from './types.ts';

/** Digest of the index that a pulled manifest was chosen from: the image is found by it too. */
export const SOURCE_DIGEST_ANNOTATION = 'io.tsc-box.source.digest';
const INDEX_DEPTH_MAX = 4;
const ID_DIGITS_MIN = 4;

export function tryReference(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}

/** The manifest of one platform, through indexes. */
export async function chooseManifest(paths: StorePaths, target: Descriptor, platform: Platform | undefined, name: string): Promise<Descriptor> {
  let descriptor = target;
  for (let depth = 0; depth <= INDEX_DEPTH_MAX; depth += 1) {
    const manifest = await readManifest(paths, descriptor);
    if (manifest.kind === 'manifest') return descriptor;
    descriptor = choosePlatform(manifest.manifests, platform ?? ownPlatform(), name);
  }
  throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read image ${JSON.stringify(name)}`, detail: `more than ${String(INDEX_DEPTH_MAX)} indexes inside each other` });
}

export async function describeEntry(paths: StorePaths, { name, descriptor: target }: IndexEntry, platform?: Platform): Promise<StoredImage> {
  const shown = name ?? target.digest;
  const manifestDescriptor = await chooseManifest(paths, target, platform, shown);
  const manifest = await readManifest(paths, manifestDescriptor);
  if (manifest.kind !== 'manifest') throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read image ${JSON.stringify(shown)}`, detail: 'its manifest is an index' });
  if (!isConfigType(manifest.config.mediaType)) throw new UnsupportedError({ attempted: `read image ${JSON.stringify(shown)}`, detail: `found an artifact of type ${manifest.artifactType ?? manifest.config.mediaType}, allowed: an image` });
  const config = await readConfig(paths, manifest.config);
  const { os, architecture, variant } = config;
  const size = manifest.layers.reduce((sum, layer) => sum + layer.size, manifest.config.size + manifestDescriptor.size);
  return { name, reference: name === undefined ? undefined : tryReference(name), target, manifestDescriptor, manifest, config, id: manifest.config.digest, platform: { os, architecture, ...(variant === undefined ? {} : { variant }) }, size };
}

/** Entries by exact name, by reference, by name and digest, or by the beginning of an id; several only for one id. */
export async function findEntries(paths: StorePaths, entries: readonly IndexEntry[], text: string): Promise<readonly IndexEntry[]> {
  const exact = entries.filter(({ name }) => name === text);
  if (exact.length > 0) return exact.slice(-1);
  const reference = tryReference(text);
  if (reference !== undefined) {
    const whole = formatReference(reference);
    const named = entries.filter(({ name }) => name === whole);
    if (named.length > 0) return named.slice(-1);
    const { digest } = reference;
    const same = digest === undefined ? [] : entries.filter((entry) => digestsOf(entry).includes(digest) && isOfRepository(entry, reference));
    if (same[0] !== undefined) return [same[0]];
  }
  const byId = await findById(paths, entries, text);
  if (byId.length > 0) return byId;
  throw notFound(text, reference, entries);
}

const digestsOf = ({ descriptor }: IndexEntry): readonly string[] => [descriptor.digest, descriptor.annotations?.[SOURCE_DIGEST_ANNOTATION] ?? ''];

function isOfRepository({ name }: IndexEntry, wanted: Reference): boolean {
  const reference = name === undefined ? undefined : tryReference(name);
  return reference?.registry === wanted.registry && reference.repository === wanted.repository;
}

async function findById(paths: StorePaths, entries: readonly IndexEntry[], text: string): Promise<readonly IndexEntry[]> {
  const hex = /^(?:sha256:)?([0-9a-f]+)$/.exec(text)?.[1] ?? '';
  if (hex.length < ID_DIGITS_MIN) return [];
  const matches = new Map<string, IndexEntry[]>();
  for (const entry of entries) {
    const ids = [entry.descriptor.digest, await configDigest(paths, entry)];
    if (ids.some((id) => id?.startsWith(`sha256:${hex}`) === true)) {
      const key = ids[1] ?? entry.descriptor.digest;
      matches.set(key, [...(matches.get(key) ?? []), entry]);
    }
  }
  if (matches.size > 1) {
    throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', attempted: `find image ${JSON.stringify(text)}`, detail: `${String(matches.size)} images have ids that start so`, hint: 'write more digits' });
  }
  return [...matches.values()][0] ?? [];
}

/** Undefined where the image can't be read. */
export async function configDigest(paths: StorePaths, { descriptor, name }: IndexEntry): Promise<string | undefined> {
  try {
    const chosen = await chooseManifest(paths, descriptor, undefined, name ?? '');
    const manifest = await readManifest(paths, chosen);
    return manifest.kind === 'manifest' ? manifest.config.digest : undefined;
  } catch {
    return undefined;
  }
}

function notFound(text: string, reference: Reference | undefined, entries: readonly IndexEntry[]): BoxError {
  const names = entries.flatMap(({ name }) => (name === undefined ? [] : [name]));
  const others = reference === undefined ? [] : names.filter((name) => {
    const other = tryReference(name);
    return other !== undefined && other.repository.split('/').at(-1) === reference.repository.split('/').at(-1);
  });
  const shown = others.slice(0, 5).map((name) => {
    const other = tryReference(name);
    return other === undefined ? name : familiarReference(other);
  });
  const hint = shown.length > 0 ? `there is ${shown.join(', ')}` : reference === undefined ? undefined : `fetch it with: tsc-box pull ${text}`;
  return new BoxError({ code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', attempted: `find image ${JSON.stringify(text)}`, detail: 'the store has no such image', hint });
}

/** @throws BoxError where a blob of the image is missing, by name. Children of an index may be: pulls fetch one platform. */
export async function requireBlobs(paths: StorePaths, target: Descriptor): Promise<void> {
  const manifest = await readManifest(paths, target);
  if (manifest.kind === 'index') {
    let found = 0;
    for (const child of manifest.manifests) {
      if (!(await hasBlob(paths, child.digest))) continue;
      await requireBlobs(paths, child);
      found += 1;
    }
    if (found === 0) throw missing(target.digest, 'none of its platforms is in the store');
    return;
  }
  for (const { digest } of [manifest.config, ...manifest.layers]) if (!(await hasBlob(paths, digest))) throw missing(target.digest, `its blob ${digest} is not in the store`);
}

function missing(digest: string, detail: string): BoxError {
  return new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `add image ${digest}`, detail });
}
