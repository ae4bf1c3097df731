/** Names to objects: path_resolution(7), openat2(2). */
import { AT_FDCWD, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV, S_IFDIR, S_IFLNK, S_IFMT } from '../abi/constants.ts';
import { EACCES, EBADF, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EXDEV } from '../abi/errno.ts';
import { mayAccess } from '../kernel/cred.ts';
import { fileOf } from '../kernel/fd.ts';
import type { Task } from '../kernel/types.ts';
import { descend, type Position } from './mount.ts';

const PATH_MAX = 4096;
const LINKS_MAX = 40;

export interface WalkOptions {
  /** A symbolic link at the end is followed. */
  readonly follow: boolean;
  /** RESOLVE_* of openat2(2). */
  readonly resolve?: number;
}

/** Where a path led. */
export interface Walked {
  /** Undefined: the last name is not there. */
  readonly found: Position | undefined;
  /** Directory of the last name, and the name: '' when the path ended in "/", "." or "..", or at a magic link. */
  readonly dir: Position;
  readonly name: string;
  /** It ended in a slash: it must be a directory. */
  readonly slash: boolean;
}

interface Walker {
  readonly task: Task;
  readonly root: Position;
  readonly resolve: number;
  links: number;
}

const same = (a: Position, b: Position): boolean => a.node === b.node && a.mount === b.mount;

/** Where a relative path begins. */
export function startOf(task: Task, dirfd: number): Position | number {
  if (dirfd === AT_FDCWD) return task.fs.cwd;
  const file = fileOf(task, dirfd);
  if (file === undefined) return -EBADF;
  return file.tree === undefined ? (file.at ?? -ENOTDIR) : { mount: file.tree.mount, node: file.tree.mount.root };
}

/** Resolves a path: all but the last name must be there. */
export function walk(task: Task, dirfd: number, path: string, options: WalkOptions): Walked | number {
  if (path === '') return -ENOENT;
  if (path.length >= PATH_MAX) return -ENAMETOOLONG;
  const resolve = options.resolve ?? 0;
  const scoped = (resolve & (RESOLVE_IN_ROOT | RESOLVE_BENEATH)) !== 0;
  const absolute = path.startsWith('/');
  if (absolute && (resolve & RESOLVE_BENEATH) !== 0) return -EXDEV;
  const start = absolute && !scoped ? task.fs.root : startOf(task, dirfd);
  if (typeof start === 'number') return start;
  return walkFrom({ task, root: scoped ? start : task.fs.root, resolve, links: 0 }, start, path, options.follow);
}

function walkFrom(walker: Walker, start: Position, path: string, follow: boolean): Walked | number {
  const names = path.split('/');
  const slash = names[names.length - 1] === '';
  let dir = start;
  let last = names.length - 1;
  while (last >= 0 && names[last] === '') last -= 1;
  for (let index = 0; index <= last; index += 1) {
    const name = names[index] ?? '';
    if (name === '') continue;
    const refused = mayEnter(walker.task, dir);
    if (refused < 0) return refused;
    const final = index === last;
    if (name === '.' || name === '..') {
      const next = name === '.' ? dir : upFrom(walker, dir);
      if (typeof next === 'number') return next;
      dir = next;
      if (final) return { found: dir, dir, name: '', slash };
      continue;
    }
    if (name.length > 255) return -ENAMETOOLONG;
    const step = enter(walker, dir, name, !final || follow || slash);
    if (typeof step === 'number') return final && step === -ENOENT ? { found: undefined, dir, name, slash } : step;
    if (final) return step.through ? { ...step.walked, slash: slash || step.walked.slash } : { found: step.walked.found, dir, name, slash };
    if (step.walked.found === undefined) return -ENOENT;
    dir = step.walked.found;
  }
  return { found: dir, dir, name: '', slash };
}

/** One name, its mount and its link. `through`: a link was followed, so that directory and name are those of its target. */
function enter(walker: Walker, dir: Position, name: string, follow: boolean): { readonly walked: Walked; readonly through: boolean } | number {
  const { task } = walker;
  const { fs } = dir.mount;
  const node = fs.lookup(dir.node, name, task);
  if (node < 0) return node;
  const found = descend({ mount: dir.mount, node });
  if (found.mount !== dir.mount && (walker.resolve & RESOLVE_NO_XDEV) !== 0) return -EXDEV;
  const here = { walked: { found, dir, name, slash: false }, through: false };
  if ((found.mount.fs.stat(found.node, task).mode & S_IFMT) !== S_IFLNK) return here;
  if (!follow) return here;
  return followLink(walker, dir, found);
}

function followLink(walker: Walker, dir: Position, link: Position): { readonly walked: Walked; readonly through: boolean } | number {
  const { task, resolve } = walker;
  walker.links += 1;
  if (walker.links > LINKS_MAX || (resolve & RESOLVE_NO_SYMLINKS) !== 0) return -ELOOP;
  const { fs } = link.mount;
  const magic = fs.follow?.(link.node, task);
  if (typeof magic === 'number') return magic;
  if (magic !== undefined) {
    if ((resolve & RESOLVE_NO_MAGICLINKS) !== 0) return -ELOOP;
    if ((resolve & (RESOLVE_IN_ROOT | RESOLVE_BENEATH)) !== 0) return -EXDEV;
    if (magic.mount !== link.mount && (resolve & RESOLVE_NO_XDEV) !== 0) return -EXDEV;
    return { walked: { found: magic, dir: magic, name: '', slash: false }, through: true };
  }
  const target = fs.readlink(link.node, task);
  if (typeof target === 'number') return target;
  if (target.startsWith('/') && (resolve & RESOLVE_BENEATH) !== 0) return -EXDEV;
  const walked = walkFrom(walker, target.startsWith('/') ? walker.root : dir, target, true);
  return typeof walked === 'number' ? walked : { walked, through: true };
}

function mayEnter(task: Task, dir: Position): number {
  const stat = dir.mount.fs.stat(dir.node, task);
  if ((stat.mode & S_IFMT) !== S_IFDIR) return -ENOTDIR;
  return mayAccess(task.cred, stat, 1) ? 0 : -EACCES;
}

/** "..": not above the root, and through the roots of mounts. */
function upFrom(walker: Walker, dir: Position): Position | number {
  if (same(dir, walker.root)) return (walker.resolve & RESOLVE_BENEATH) !== 0 ? -EXDEV : dir;
  if (same(dir, walker.task.fs.root)) return dir;
  let { mount, node } = dir;
  while (node === mount.root) {
    if (mount.parent === undefined) return dir;
    if ((walker.resolve & RESOLVE_NO_XDEV) !== 0) return -EXDEV;
    node = mount.at;
    mount = mount.parent;
  }
  return descend({ mount, node: mount.fs.parent(node) });
}

/** An object that must be there. */
export function find(task: Task, dirfd: number, path: string, options: WalkOptions): Position | number {
  const walked = walk(task, dirfd, path, options);
  if (typeof walked === 'number') return walked;
  if (walked.found === undefined) return -ENOENT;
  if (walked.slash && (walked.found.mount.fs.stat(walked.found.node, task).mode & S_IFMT) !== S_IFDIR) return -ENOTDIR;
  return walked.found;
}

/** As getcwd(2) and /proc/PID/mountinfo show a place: undefined where it can't be reached from `root`. */
export function pathOf(position: Position, root: Position): string | undefined {
  const names: string[] = [];
  let { mount, node } = position;
  for (;;) {
    if (node === root.node && mount === root.mount) return `/${names.join('/')}`;
    if (node === mount.root) {
      if (mount.parent === undefined) return undefined;
      node = mount.at;
      mount = mount.parent;
      continue;
    }
    names.unshift(mount.fs.name(node));
    node = mount.fs.parent(node);
    if (node <= 0) return undefined;
  }
}
