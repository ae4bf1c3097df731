/**
 * A directory of a union as open descriptors, one a layer that has it, top first: rules L1, L2, L4. A plain tree is a union of one.
 * Each step is one openat with O_NOFOLLOW from the directory before, so that nobody who writes to the tree meanwhile can lead it out.
 */
import { closeSync, constants, lstatSync, openSync, readdirSync, type BigIntStats } from 'node:fs';
import { isOpaque, isWhiteout } from './lookup.ts';
import { getXattr, openChildDirectory, pathBelow } from './syscalls.unsafe.ts';

const { O_DIRECTORY, O_RDONLY } = constants;

export interface UnionEntry {
  readonly name: string;
  /** The directory that holds it. */
  readonly fd: number;
  readonly stat: BigIntStats;
  readonly whiteout: boolean;
}

export class UnionDirectory {
  /** Never empty. */
  readonly fds: readonly number[];

  constructor(fds: readonly number[]) {
    this.fds = fds;
  }

  static ofPaths(paths: readonly string[]): UnionDirectory {
    const fds: number[] = [];
    try {
      for (const path of paths) fds.push(openSync(path, O_RDONLY | O_DIRECTORY));
    } catch (error) {
      for (const fd of fds) closeSync(fd);
      throw error;
    }
    return new UnionDirectory(fds);
  }

  get top(): number {
    return this.fds[0] ?? -1;
  }

  close(): void {
    for (const fd of this.fds) closeSync(fd);
  }

  /** Sorted by name, whiteouts of the topmost layer that has the name included. Names are byte strings. */
  list(): UnionEntry[] {
    const seen = new Map<string, UnionEntry>();
    for (const fd of this.fds) {
      for (const name of readdirSync(`/proc/self/fd/${String(fd)}`, { encoding: 'latin1' })) {
        if (seen.has(name)) continue;
        const entry = entryAt(fd, name);
        if (entry !== undefined) seen.set(name, entry);
      }
    }
    return [...seen.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  find(name: string): UnionEntry | undefined {
    for (const fd of this.fds) {
      const entry = entryAt(fd, name);
      if (entry !== undefined) return entry.whiteout ? undefined : entry;
    }
    return undefined;
  }

  /** Undefined where the name shows no directory. */
  child(name: string): UnionDirectory | undefined {
    const fds: number[] = [];
    for (const fd of this.fds) {
      const next = openChildDirectory(fd, name);
      if (next === undefined) {
        if (entryAt(fd, name) !== undefined) break;
        continue;
      }
      fds.push(next);
      if (isOpaqueAt(next)) break;
    }
    return fds.length === 0 ? undefined : new UnionDirectory(fds);
  }
}

export const isOpaqueAt = (fd: number): boolean => isOpaque(pathBelow(fd, '.'));

/** Undefined where nothing is, also when it has gone meanwhile. */
export function entryAt(fd: number, name: string): UnionEntry | undefined {
  const stat = statAt(fd, name);
  return stat === undefined ? undefined : { name, fd, stat, whiteout: isWhiteout(stat) || isFileWhiteout(fd, name, stat) };
}

export function statAt(fd: number, name: string): BigIntStats | undefined {
  try {
    return lstatSync(Buffer.from(pathBelow(fd, name), 'latin1'), { bigint: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** L4: an empty file with the attribute, in a directory marked "x". */
function isFileWhiteout(fd: number, name: string, stat: BigIntStats): boolean {
  if (!stat.isFile() || stat.size !== 0n) return false;
  const has = (path: string, key: string): Uint8Array | undefined => getXattr(path, `trusted.overlay.${key}`) ?? getXattr(path, `user.overlay.${key}`);
  return has(pathBelow(fd, name), 'whiteout') !== undefined && has(pathBelow(fd, '.'), 'opaque')?.[0] === 'x'.charCodeAt(0);
}
