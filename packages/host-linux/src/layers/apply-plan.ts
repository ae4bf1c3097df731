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

interface Look {
  readonly steps: ApplyStep[];
  /** File system of the target. */
  readonly device: bigint;
  isNew(stat: BigIntStats): boolean;
  /** It is asked for, or all is. */
  within(path: string): boolean;
  /** Something below it is asked for. */
  leads(path: string): boolean;
}

export function planApply(upper: UnionDirectory, target: number, { since, paths }: ApplyWishes): ApplyStep[] {
  const top = statAt(target, '.');
  const look: Look = {
    steps: [], device: top?.dev ?? 0n,
    isNew: (stat) => stat.ctimeNs >= since,
    within: (path) => paths === undefined || paths.some((chosen) => chosen === '' || path === chosen || path.startsWith(`${chosen}/`)),
    leads: (path) => paths?.some((chosen) => chosen.startsWith(`${path}/`)) === true,
  };
  walk(look, { upper, target, path: '', hides: false, touched: top === undefined || look.isNew(top) });
  return look.steps;
}

function walk(look: Look, level: Level): void {
  for (const entry of level.upper.list()) visit(look, level, entry);
}

function visit(look: Look, level: Level, entry: UnionEntry): void {
  const path = level.path === '' ? entry.name : `${level.path}/${entry.name}`;
  if (!look.within(path) && !look.leads(path)) return;
  const there = level.target === undefined ? undefined : statAt(level.target, entry.name);
  if (entry.stat.isDirectory()) return visitDirectory(look, level, entry, path, there);
  const conflict = there !== undefined && level.target !== undefined ? standsInTheWay(look, level.target, entry.name, there) : undefined;
  if (entry.whiteout) {
    if (there !== undefined) look.steps.push({ kind: 'remove', path, ...(conflict === undefined ? {} : { conflict }) });
    return;
  }
  // Applied before.
  if (there !== undefined && look.isNew(there) && isSame(there, entry.stat)) return;
  const why = conflict ?? (there === undefined && level.touched && isCopyUp(entry) ? 'it was removed on this machine after the container was made' : undefined);
  look.steps.push({ kind: 'put', path, stat: entry.stat, ...(why === undefined ? {} : { conflict: why }) });
}

function visitDirectory(look: Look, level: Level, entry: UnionEntry, path: string, there: BigIntStats | undefined): void {
  const child = childOf(level.upper.top, entry.name);
  if (child === undefined) return;
  const target = level.target === undefined || there?.isDirectory() !== true ? undefined : openChildDirectory(level.target, entry.name);
  try {
    const hides = level.hides || isOpaqueAt(child.top);
    const own = new Set(child.list().map(({ name }) => name));
    const clear = target === undefined || !hides || !look.within(path) ? [] : namesIn(target).filter((name) => !own.has(name));
    const attributes = there !== undefined && target !== undefined && look.within(path) && (there.mode !== entry.stat.mode || there.uid !== entry.stat.uid || there.gid !== entry.stat.gid);
    const conflict = conflictOf(look, level, entry, { there, isDirectory: target !== undefined, hides, clear, attributes });
    if (target === undefined || clear.length > 0 || attributes) look.steps.push({ kind: 'directory', path, stat: entry.stat, make: target === undefined, clear, attributes, ...(conflict === undefined ? {} : { conflict }) });
    // With a conflict on the way to it nothing below is looked at: it is told once.
    if (conflict === undefined || target !== undefined) walk(look, { upper: child, target, path, hides, touched: there === undefined || look.isNew(there) });
  } finally {
    child.close();
    if (target !== undefined) closeSync(target);
  }
}

interface DirectoryChange {
  readonly there: BigIntStats | undefined;
  readonly isDirectory: boolean;
  readonly hides: boolean;
  readonly clear: readonly string[];
  readonly attributes: boolean;
}

function conflictOf(look: Look, level: Level, { fd, name }: UnionEntry, { there, isDirectory, hides, clear, attributes }: DirectoryChange): string | undefined {
  if (level.target === undefined) return undefined;
  if (there === undefined) return hides || !level.touched || !isCopyUp({ fd, name }) ? undefined : 'the directory was removed on this machine after the container was made';
  if (there.dev !== look.device) return 'another file system is mounted there';
  if (!isDirectory) return standsInTheWay(look, level.target, name, there);
  if (attributes && look.isNew(there)) return 'the directory was changed on this machine after the container was made';
  return clear.length === 0 ? undefined : standsInside(look, level.target, name, (one) => clear.includes(one));
}

/** Why this may not be overwritten, with all that is in it. */
function standsInTheWay(look: Look, parent: number, name: string, stat: BigIntStats): string | undefined {
  if (stat.dev !== look.device) return 'another file system is mounted there';
  if (look.isNew(stat)) return `it was changed on this machine at ${new Date(Number(stat.ctimeMs)).toISOString()}, after the container was made`;
  return stat.isDirectory() ? standsInside(look, parent, name, () => true) : undefined;
}

function standsInside(look: Look, parent: number, name: string, counts: (name: string) => boolean): string | undefined {
  const directory = childOf(parent, name);
  if (directory === undefined) return undefined;
  try {
    for (const entry of directory.list()) {
      const why = counts(entry.name) ? standsInTheWay(look, directory.top, entry.name, entry.stat) : undefined;
      if (why !== undefined) return `"${textOf(entry.name)}" in it: ${why}`;
    }
    return undefined;
  } finally {
    directory.close();
  }
}

function childOf(parent: number, name: string): UnionDirectory | undefined {
  const fd = openChildDirectory(parent, name);
  return fd === undefined ? undefined : new UnionDirectory([fd]);
}

const namesIn = (fd: number): string[] => new UnionDirectory([fd]).list().map(({ name }) => name);

/** The time is to the nanosecond: nobody else wrote it just then. */
function isSame(a: BigIntStats, b: BigIntStats): boolean {
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid && a.size === b.size && a.rdev === b.rdev && a.mtimeNs === b.mtimeNs;
}

/** It was the machine's own before: overlayfs notes where it came from. */
function isCopyUp({ fd, name }: Pick<UnionEntry, 'fd' | 'name'>): boolean {
  return ['trusted.overlay.origin', 'user.overlay.origin'].some((key) => getXattr(pathBelow(fd, name), key) !== undefined);
}

/** From an absolute path to one below `target`; undefined where it lies elsewhere. */
export function pathInTarget(target: string, path: string): string | undefined {
  const [from, wanted] = [target, path].map((text) => byteStringOf(text).replace(/\/+$/, ''));
  if (from === undefined || wanted === undefined) return undefined;
  if (wanted === from || from.startsWith(`${wanted}/`)) return '';
  return wanted.startsWith(`${from}/`) ? wanted.slice(from.length + 1) : undefined;
}
