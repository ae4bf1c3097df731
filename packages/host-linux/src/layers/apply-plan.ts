/**
 * What must be done to a directory of this machine so that it becomes what an overlay's upper directory made of it, and what stands in the
 * way: rules L1 to L4 of layers backwards. Only looks; both trees are walked by descriptors, no link is followed.
 *
 * A conflict is found by ctime (inode(7)), which no program can set: what changed since the container was made is somebody else's work.
 */
import { closeSync, type BigIntStats } from 'node:fs';
import { byteStringOf, textOf } from '@tsc-box/model';
import { getXattr, openChildDirectory, pathBelow } from './syscalls.unsafe.ts';
import { isOpaqueAt, statAt, UnionDirectory, type UnionEntry } from './union-directory.ts';

/** `path`: a byte string below the target, without a slash at its start. */
export type ApplyStep = { readonly path: string; readonly conflict?: string } & (
  | { readonly kind: 'remove' }
  /** Anything but a directory, which takes the place of what is there. */
  | { readonly kind: 'put'; readonly stat: BigIntStats }
  /** `clear`: names in it that go. */
  | { readonly kind: 'directory'; readonly stat: BigIntStats; readonly make: boolean; readonly clear: readonly string[]; readonly attributes: boolean }
);

export interface ApplyWishes {
  /** Nanoseconds since 1970. */
  readonly since: bigint;
  /** Byte strings below the target; undefined: all. */
  readonly paths: readonly string[] | undefined;
}

interface Level {
  readonly upper: UnionDirectory;
  /** Undefined: it is to be made. */
  readonly target: number | undefined;
  readonly path: string;
  /** Nothing of the machine's own is seen in it. */
  readonly hides: boolean;
  /** The directory of the target was changed since: names in it may have gone. */
  readonly touched: boolean;
}

export function planApply(upper: UnionDirectory, target: number, { since, paths }: ApplyWishes): ApplyStep[] {
  const steps: ApplyStep[] = [];
  const device = statAt(target, '.')?.dev ?? 0n;
  const within = (path: string): boolean => paths === undefined || paths.some((chosen) => chosen === '' || path === chosen || path.startsWith(`${chosen}/`));
  const leads = (path: string): boolean => paths?.some((chosen) => chosen.startsWith(`${path}/`)) === true;
  const isNew = (stat: BigIntStats): boolean => stat.ctimeNs >= since;
  /** Why this may not be overwritten, with all that is in it. */
  const standsInTheWay = (parent: number, name: string, stat: BigIntStats): string | undefined => {
    if (stat.dev !== device) return 'another file system is mounted there';
    if (isNew(stat)) return `it was changed on this machine at ${new Date(Number(stat.ctimeMs)).toISOString()}, after the container was made`;
    return stat.isDirectory() ? inside(parent, name, () => true) : undefined;
  };
  const inside = (parent: number, name: string, counts: (name: string) => boolean): string | undefined => {
    const directory = childOf(parent, name);
    if (directory === undefined) return undefined;
    try {
      for (const entry of directory.list()) {
        const why = counts(entry.name) ? standsInTheWay(directory.top, entry.name, entry.stat) : undefined;
        if (why !== undefined) return `"${textOf(entry.name)}" in it: ${why}`;
      }
      return undefined;
    } finally {
      directory.close();
    }
  };
  const visit = (level: Level, entry: UnionEntry): void => {
    const path = level.path === '' ? entry.name : `${level.path}/${entry.name}`;
    if (!within(path) && !leads(path)) return;
    const there = level.target === undefined ? undefined : statAt(level.target, entry.name);
    if (entry.stat.isDirectory()) return visitDirectory(level, entry, path, there);
    const conflict = there !== undefined && level.target !== undefined ? standsInTheWay(level.target, entry.name, there) : undefined;
    if (entry.whiteout) {
      if (there !== undefined) steps.push({ kind: 'remove', path, ...(conflict === undefined ? {} : { conflict }) });
      return;
    }
    const gone = there === undefined && level.touched && isCopyUp(entry) ? 'it was removed on this machine after the container was made' : undefined;
    steps.push({ kind: 'put', path, stat: entry.stat, ...(conflict === undefined && gone === undefined ? {} : { conflict: conflict ?? gone ?? '' }) });
  };
  const visitDirectory = (level: Level, entry: UnionEntry, path: string, there: BigIntStats | undefined): void => {
    const child = childOf(level.upper.top, entry.name);
    if (child === undefined) return;
    const target = level.target === undefined || there?.isDirectory() !== true ? undefined : openChildDirectory(level.target, entry.name);
    try {
      const hides = level.hides || isOpaqueAt(child.top);
      const own = new Set(child.list().map(({ name }) => name));
      const clear = target === undefined || !hides || !within(path) ? [] : namesIn(target).filter((name) => !own.has(name));
      const attributes = there !== undefined && target !== undefined && within(path) && (there.mode !== entry.stat.mode || there.uid !== entry.stat.uid || there.gid !== entry.stat.gid);
      const why = conflictOf(level, entry.name, { there, target, hides, clear, attributes });
      if (target === undefined || clear.length > 0 || attributes) steps.push({ kind: 'directory', path, stat: entry.stat, make: target === undefined, clear, attributes, ...(why === undefined ? {} : { conflict: why }) });
      // With a conflict on the way to it nothing below is looked at: it is told once.
      if (why === undefined || target !== undefined) walk({ upper: child, target, path, hides, touched: there === undefined || isNew(there) });
    } finally {
      child.close();
      if (target !== undefined) closeSync(target);
    }
  };
  const conflictOf = (level: Level, name: string, { there, target, hides, clear, attributes }: { readonly there: BigIntStats | undefined; readonly target: number | undefined; readonly hides: boolean; readonly clear: readonly string[]; readonly attributes: boolean }): string | undefined => {
    if (level.target === undefined) return undefined;
    if (there === undefined) return hides ? undefined : 'the directory was removed on this machine after the container was made';
    if (there.dev !== device) return 'another file system is mounted there';
    if (target === undefined) return standsInTheWay(level.target, name, there);
    if (attributes && isNew(there)) return 'the directory was changed on this machine after the container was made';
    return clear.length === 0 ? undefined : inside(level.target, name, (one) => clear.includes(one));
  };
  const walk = (level: Level): void => level.upper.list().forEach((entry) => visit(level, entry));
  const top = statAt(target, '.');
  walk({ upper, target, path: '', hides: false, touched: top === undefined || isNew(top) });
  return steps;
}

function childOf(parent: number, name: string): UnionDirectory | undefined {
  const fd = openChildDirectory(parent, name);
  return fd === undefined ? undefined : new UnionDirectory([fd]);
}

const namesIn = (fd: number): string[] => new UnionDirectory([fd]).list().map(({ name }) => name);

/** It was the machine's own before: overlayfs notes where it came from. */
function isCopyUp({ fd, name }: UnionEntry): boolean {
  return ['trusted.overlay.origin', 'user.overlay.origin'].some((key) => getXattr(pathBelow(fd, name), key) !== undefined);
}

/** From an absolute path to one below `target`; undefined where it lies elsewhere. */
export function pathInTarget(target: string, path: string): string | undefined {
  const [from, wanted] = [target, path].map((text) => byteStringOf(text).replace(/\/+$/, ''));
  if (from === undefined || wanted === undefined) return undefined;
  if (wanted === from || from.startsWith(`${wanted}/`)) return '';
  return wanted.startsWith(`${from}/`) ? wanted.slice(from.length + 1) : undefined;
}
