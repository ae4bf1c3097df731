/**
 * The image store: an OCI image layout that skopeo and umoci read as it lies, with a directory `.tsc-box` for what is on its way.
 * Readers need no lock: files appear and change by one rename. Writers of index.json, and `gc`, hold a lock between processes.
 */
import { resolve } from 'node:path';
import { BoxError, formatReference, parseReference, type Descriptor } from '@tsc-box/model';
import { streamRange } from '../images/file-range.ts';
import { readDocument } from './documents.ts';
import { configDigest, describeEntry, findEntries, requireBlobs, tryReference } from './find.ts';
import { newEntry, readIndex, writeIndex, type IndexEntry } from './index-file.ts';
import { hasBlob, openLease } from './leases.ts';
import { fileLock, type FileLock } from './lock.ts';
import { blobPath, makeStore, storePaths, type StorePaths } from './paths.ts';
import type { ImageStore, RemovedNames, StoredImage } from './types.ts';

export interface StoreOptions {
  /** A directory, made when something is first written. */
  readonly root: string;
  /** Milliseconds. How long to wait for other processes. Default: two minutes. */
  readonly lockWaitMs?: number;
}

/** Nothing is read or made until it is needed. */
export function openImageStore({ root, lockWaitMs }: StoreOptions): ImageStore {
  const paths = storePaths(resolve(root));
  const lock = fileLock(paths.lock, lockWaitMs === undefined ? {} : { waitMsMax: lockWaitMs });
  let made: Promise<void> | undefined;
  const ready = (): Promise<void> => {
    made ??= makeStore(paths).catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
  return {
    root: paths.root,
    list: () => listImages(paths),
    async resolve(text, { platform } = {}) {
      const [entry] = await findEntries(paths, (await readIndex(paths)).entries, text);
      return describeEntry(paths, entry as IndexEntry, platform);
    },
    async addImage(name, target) {
      await ready();
      await changeIndex(paths, lock, async (entries) => {
        await requireBlobs(paths, target);
        return withName(entries, name, target);
      });
    },
    async tag(source, name) {
      await ready();
      const whole = wholeName(name);
      await changeIndex(paths, lock, async (entries) => {
        const [entry] = await findEntries(paths, entries, source);
        return withName(entries, whole, (entry as IndexEntry).descriptor);
      });
    },
    async remove(text, { force = false } = {}) {
      let removed: RemovedNames = { untagged: [], deleted: [] };
      await changeIndex(paths, lock, async (entries) => {
        const gone = await entriesToRemove(paths, entries, text, force);
        const left = entries.filter((entry) => !gone.includes(entry));
        removed = await describeRemoved(paths, gone, left);
        return left;
      });
      return removed;
    },
    hasBlob: (digest) => hasBlob(paths, digest),
    readBlob: (digest) => streamRange({ path: blobPath(paths, digest), start: 0 }),
    readDocument: (descriptor) => readDocument(paths, descriptor),
    blobPath: (digest) => blobPath(paths, digest),
    async lease() {
      await ready();
      return openLease(paths, lock);
    },
    async gc(options = {}) {
      await ready();
      const { collectGarbage } = await import('./gc.ts');
      return lock.hold(async () => collectGarbage(paths, (await readIndex(paths)).entries, options));
    },
    async fsck(options = {}) {
      const { checkStore } = await import('./fsck.ts');
      try {
        return await checkStore(paths, (await readIndex(paths)).entries, options);
      } catch (error) {
        if (!(error instanceof BoxError) || error.path !== paths.index) throw error;
        return [{ kind: 'index', images: [], detail: error.message, repaired: false }, ...(await checkStore(paths, [], options))];
      }
    },
  };
}

async function listImages(paths: StorePaths): Promise<StoredImage[]> {
  const images: StoredImage[] = [];
  for (const entry of (await readIndex(paths)).entries) {
    try {
      images.push(await describeEntry(paths, entry));
    } catch (error) {
      if (!(error instanceof BoxError)) throw error;
    }
  }
  return images;
}

async function changeIndex(paths: StorePaths, lock: FileLock, change: (entries: readonly IndexEntry[]) => Promise<readonly IndexEntry[]>): Promise<void> {
  await lock.hold(async () => {
    const { entries, rest } = await readIndex(paths);
    await writeIndex(paths, { entries: await change(entries), rest });
  });
}

/** The name goes to the new image. An entry without a name is not needed beside one with a name, nor twice. */
function withName(entries: readonly IndexEntry[], name: string | undefined, target: Descriptor): readonly IndexEntry[] {
  if (name === undefined && entries.some(({ descriptor }) => descriptor.digest === target.digest)) return entries;
  return [...entries.filter((entry) => (entry.name === undefined ? entry.descriptor.digest !== target.digest : entry.name !== name)), newEntry(name, target)];
}

function wholeName(name: string): string {
  const reference = parseReference(name);
  if (reference.digest !== undefined) throw new BoxError({ code: 'ERR_TSCBOX_REFERENCE_INVALID', attempted: `tag an image as ${JSON.stringify(name)}`, detail: 'found a digest, allowed: NAME[:TAG]' });
  return formatReference(reference);
}

async function entriesToRemove(paths: StorePaths, entries: readonly IndexEntry[], text: string, force: boolean): Promise<readonly IndexEntry[]> {
  const found = await findEntries(paths, entries, text);
  if (found.length > 1 && !force) {
    throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `remove image ${JSON.stringify(text)}`, detail: `it has ${String(found.length)} names: ${found.map(({ name }) => name ?? 'none').join(', ')}`, hint: 'remove them by name, or all with --force' });
  }
  return found;
}

async function describeRemoved(paths: StorePaths, gone: readonly IndexEntry[], left: readonly IndexEntry[]): Promise<RemovedNames> {
  const kept = new Set(await Promise.all(left.map((entry) => configDigest(paths, entry))));
  const ids = new Set(await Promise.all(gone.map((entry) => configDigest(paths, entry))));
  return { untagged: gone.map(({ name, descriptor }) => (name === undefined || tryReference(name) === undefined ? (name ?? descriptor.digest) : name)), deleted: [...ids].flatMap((id) => (id === undefined || kept.has(id) ? [] : [id])) };
}
