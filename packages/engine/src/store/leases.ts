/**
 * Leases: `leases/OWNER,N`, one name a line. Written under the store's lock, so that `gc`, which holds it while it looks and removes,
 * either sees a lease or is done before the holder of the lease looks for the blob.
 */
import { appendFile, readdir, readFile, rm } from 'node:fs/promises';
import { stat } from 'node:fs/promises';
import { errnoOf, stateError } from './durable.ts';
import { openIngest } from './ingest.ts';
import type { FileLock } from './lock.ts';
import { formatOwner, isRunning, ownIdentity, parseOwner } from './owner.ts';
import { blobPath, type StorePaths } from './paths.ts';
import type { Lease } from './types.ts';

let serial = 0;

export async function hasBlob(paths: StorePaths, digest: string): Promise<boolean> {
  const path = blobPath(paths, digest);
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw stateError(`look for blob ${digest}`, path, error);
  }
}

export function openLease(paths: StorePaths, lock: FileLock): Lease {
  const path = `${paths.leases}/${formatOwner(ownIdentity())},${String((serial += 1))}`;
  const held = new Set<string>();
  const protect = async (names: readonly string[]): Promise<void> => {
    const fresh = names.filter((name) => !held.has(name));
    if (fresh.length === 0) return;
    await lock.hold(async () => {
      try {
        await appendFile(path, `${fresh.join('\n')}\n`, { mode: 0o600 });
      } catch (error) {
        throw stateError('write a lease of the image store', path, error);
      }
    });
    for (const name of fresh) held.add(name);
  };
  const protectOne = (digest: string): Promise<void> => protect([digest]);
  return {
    protect,
    async writeBlob(source, expected = {}) {
      const { digest } = expected;
      if (digest !== undefined) {
        await protectOne(digest);
        if (await hasBlob(paths, digest)) return { digest, size: expected.size ?? (await stat(blobPath(paths, digest))).size };
      }
      const ingest = await openIngest(paths, expected, protectOne);
      try {
        // Where a part was left by another, it costs less to write it again than to read it twice.
        if (ingest.offset > 0) await ingest.restart();
        await ingest.append(source);
        return await ingest.commit();
      } finally {
        await ingest.suspend();
      }
    },
    async ingest(expected) {
      await protectOne(expected.digest);
      return (await hasBlob(paths, expected.digest)) ? undefined : openIngest(paths, expected, protectOne);
    },
    ingestNew: () => openIngest(paths, {}, protectOne),
    release: () => rm(path, { force: true }),
  };
}

/** What running processes protect. Leases of dead ones are removed. ORDER: only under the store's lock. */
export async function readLeases({ leases }: StorePaths): Promise<Set<string>> {
  const names = new Set<string>();
  for (const file of await readdirOrNone(leases)) {
    const owner = parseOwner(file.slice(0, file.lastIndexOf(',')));
    const path = `${leases}/${file}`;
    if (owner !== undefined && isRunning(owner) === false) await rm(path, { force: true });
    else for (const line of (await readFileOrNone(path)).split('\n')) if (line !== '') names.add(line);
  }
  return names;
}

export async function readdirOrNone(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw stateError(`list "${path}"`, path, error);
  }
}

async function readFileOrNone(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw stateError(`read "${path}"`, path, error);
  }
}
