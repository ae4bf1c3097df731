/** Removes what no image, container or lease needs. */
import { rename, rm, stat } from 'node:fs/promises';
import { BoxError, isConfigType, type Descriptor, type ImageManifest } from '@tsc-box/model';
import { chainIds, tryParseDigest } from '../images/digest.ts';
import { removeTree } from '../containers/remove-tree.ts';
import { errnoOf } from './durable.ts';
import { readConfig, readManifest } from './documents.ts';
import type { IndexEntry } from './index-file.ts';
import { ownerOfIngest } from './ingest.ts';
import { hasBlob, readdirOrNone, readLeases } from './leases.ts';
import { LAYER_LEASE } from './names.ts';
import { formatOwner, isRunning, ownIdentity } from './owner.ts';
import type { StorePaths } from './paths.ts';
import type { GcOptions, GcResult, WrittenBlob } from './types.ts';

interface Reachable {
  readonly blobs: Set<string>;
  readonly layers: Set<string>;
}

/** ORDER: only under the store's lock. @throws BoxError where an image can't be read: what it needs is not known then. */
export async function collectGarbage(paths: StorePaths, entries: readonly IndexEntry[], options: GcOptions): Promise<GcResult> {
  const reachable: Reachable = { blobs: new Set(), layers: new Set(options.layersInUse?.() ?? []) };
  for (const { descriptor, name } of entries) await mark(paths, descriptor, reachable, name ?? descriptor.digest);
  for (const name of await readLeases(paths)) {
    if (name.startsWith(LAYER_LEASE)) reachable.layers.add(name.slice(LAYER_LEASE.length));
    else reachable.blobs.add(name);
  }
  const blobs = await sweepBlobs(paths, reachable.blobs, options);
  const partBytes = await sweepIngests(paths, options);
  const layers = options.layersRoot === undefined ? [] : await sweepLayers(options.layersRoot, reachable.layers, options);
  return { blobs, layers, freedBytes: blobs.reduce((sum, { size }) => sum + size, partBytes) };
}

async function mark(paths: StorePaths, descriptor: Descriptor, reachable: Reachable, name: string): Promise<void> {
  if (reachable.blobs.has(descriptor.digest)) return;
  reachable.blobs.add(descriptor.digest);
  if (!(await hasBlob(paths, descriptor.digest))) return;
  try {
    const manifest = await readManifest(paths, descriptor);
    if (manifest.kind === 'index') for (const child of manifest.manifests) await mark(paths, child, reachable, name);
    else await markManifest(paths, manifest, reachable);
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: 'collect garbage in the image store', detail: `image ${JSON.stringify(name)} can't be read, so what it needs is not known: ${error.message}`, hint: 'remove or pull that image again: tsc-box fsck tells more', cause: error });
  }
}

async function markManifest(paths: StorePaths, manifest: ImageManifest, { blobs, layers }: Reachable): Promise<void> {
  for (const { digest } of [manifest.config, ...manifest.layers]) blobs.add(digest);
  if (!isConfigType(manifest.config.mediaType) || !(await hasBlob(paths, manifest.config.digest))) return;
  const { rootfs } = await readConfig(paths, manifest.config);
  const diffIds = rootfs.diff_ids.map(tryParseDigest);
  if (diffIds.every((id) => id !== undefined)) for (const id of chainIds(diffIds)) layers.add(id);
}

async function sweepBlobs({ blobs }: StorePaths, reachable: ReadonlySet<string>, { dryRun = false, ageMsMin = 0 }: GcOptions): Promise<WrittenBlob[]> {
  const removed: WrittenBlob[] = [];
  for (const algorithm of ['sha256', 'sha512']) {
    for (const hex of await readdirOrNone(`${blobs}/${algorithm}`)) {
      const digest = `${algorithm}:${hex}`;
      const found = reachable.has(digest) ? undefined : await statQuietly(`${blobs}/${algorithm}/${hex}`);
      if (found === undefined || Date.now() - found.mtimeMs < ageMsMin) continue;
      if (!dryRun) await rm(`${blobs}/${algorithm}/${hex}`, { force: true, recursive: true });
      removed.push({ digest, size: found.size });
    }
  }
  return removed;
}

/** Parts that no running process writes. Bytes. */
async function sweepIngests({ ingest }: StorePaths, { dryRun = false }: GcOptions): Promise<number> {
  let bytes = 0;
  for (const name of await readdirOrNone(ingest)) {
    const owner = ownerOfIngest(name);
    // Temporary files of index.json are only written under the lock, which is ours now.
    if (owner !== undefined ? isRunning(owner) !== false : !name.startsWith('write-')) continue;
    bytes += (await statQuietly(`${ingest}/${name}`))?.size ?? 0;
    if (!dryRun) await rm(`${ingest}/${name}`, { force: true });
  }
  return bytes;
}

/** ORDER: a layer is renamed before it is removed, so that a crash leaves no half of one. Layers' own tidying knows the name. */
async function sweepLayers(root: string, reachable: ReadonlySet<string>, { dryRun = false, removeLayer = removeTree }: GcOptions): Promise<string[]> {
  const unused = (await readdirOrNone(root)).filter((name) => /^[0-9a-f]{64,128}$/.test(name) && !reachable.has(name));
  if (dryRun) return unused;
  for (const name of unused) {
    const doomed = `${root}/.unpacking-${formatOwner(ownIdentity())},gc,${name}`;
    await rename(`${root}/${name}`, doomed);
    removeLayer(doomed);
  }
  return unused;
}

async function statQuietly(path: string): Promise<{ readonly size: number; readonly mtimeMs: number } | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
