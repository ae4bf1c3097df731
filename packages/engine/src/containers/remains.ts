/** What a crash leaves of containers that were being made or removed, and skeletons that nobody uses. */
import { lstatSync, readdirSync } from 'node:fs';
import { BoxError, type System } from '@tsc-box/model';
import { isAlive, readClaim, unlinkQuietly, type Claim } from './claims.ts';
import type { Directories } from './directories.ts';
import { parseIdentity } from './identity.ts';
import { removeMapped } from './remove-mapped.ts';
import { removeTree } from './remove-tree.ts';
import type { CreatedRecord } from './types.ts';

/** Before the id and the remover of a container that is being removed. */
export const GONE = '.gone.';
/** Before the maker of a skeleton that is being made. */
export const MAKING = '.making.';

/** Milliseconds. One that was just made is about to be used. */
const SKELETON_MS_MAX = 10 * 60_000;

/** `readCreated`: the first record of a container, undefined where there is none. */
export function removeRemains(directories: Directories, system: System, readCreated: (id: string) => CreatedRecord | undefined): void {
  const ids = namesIn(directories.containers).filter((name) => !name.startsWith('.'));
  removeUnmade(directories, system, ids.filter((id) => readCreated(id) === undefined));
  for (const name of namesIn(directories.containers)) if (name.startsWith(GONE) && isLeft(system, name.slice(GONE.length + 64 + 1))) removeWhole(system, `${directories.containers}/${name}`);
  for (const file of namesIn(directories.runRoot)) if (/^[0-9a-f]{64}\./.test(file) && !exists(`${directories.containers}/${file.slice(0, 64)}`)) unlinkQuietly(`${directories.runRoot}/${file}`);
  // Who waited for the lock of a container while it was removed has made its directory anew.
  const known = new Set(ids);
  for (const id of namesIn(directories.locks)) if (/^[0-9a-f]{64}$/.test(id) && !known.has(id) && !exists(`${directories.containers}/${id}`)) removeWhole(system, `${directories.locks}/${id}`);
  removeSkeletons(directories, system, () => ids.map(readCreated));
}

/** ORDER of making: name, directory, record. A name without a directory and a directory without a record are left when their maker is dead. */
function removeUnmade(directories: Directories, system: System, unmade: readonly string[]): void {
  const claims = namesIn(directories.names).map((name) => ({ path: `${directories.names}/${name}`, claim: readClaim(`${directories.names}/${name}`) }));
  const makerLives = (claim: Claim | undefined): boolean => claim !== undefined && isAlive(system, claim.maker);
  for (const id of unmade) if (!makerLives(claims.find(({ claim }) => claim?.id === id)?.claim)) removeWhole(system, `${directories.containers}/${id}`);
  for (const { path, claim } of claims) if (claim !== undefined && !makerLives(claim) && !exists(`${directories.containers}/${claim.id}`)) unlinkQuietly(path);
}

function removeSkeletons(directories: Directories, system: System, created: () => readonly (CreatedRecord | undefined)[]): void {
  for (const name of namesIn(directories.skeletons)) {
    const path = `${directories.skeletons}/${name}`;
    const left = name.startsWith(MAKING) ? isLeft(system, name.slice(MAKING.length)) : isOld(path) && !created().some((record) => uses(record, path));
    if (left) removeWhole(system, path);
  }
}

function uses(record: CreatedRecord | undefined, skeleton: string): boolean {
  return record?.root.kind === 'overlay' && record.root.overlays[0]?.lowerdirs.includes(skeleton) === true;
}

function isLeft(system: System, identity: string): boolean {
  const process = parseIdentity(identity);
  return process === undefined || !isAlive(system, process);
}

function isOld(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.ctimeMs > SKELETON_MS_MAX;
}

export function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** None where there is no such directory. */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** An ordinary user's container may have files of other ids. */
export function removeWhole(system: System, path: string): void {
  try {
    removeTree(path);
  } catch (error) {
    if (!(error instanceof BoxError) || (error.errno !== 'EACCES' && error.errno !== 'EPERM') || !removeMapped(system, path)) throw error;
    // What `rm` could not remove is said here.
    removeTree(path);
  }
}
