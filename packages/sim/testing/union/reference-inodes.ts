import { S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../src/vfs/union/abi.ts';
import type { CaseObject } from './cases.ts';

export interface Inode {
  mode: number;
  uid: number;
  gid: number;
  /** Names, of what is no directory. */
  nlink: number;
  /** Undefined: of today. */
  mtime: number | undefined;
  data: string;
  target: string;
  rdev: readonly [number, number];
  xattrs: Map<string, string>;
  readonly children: Map<string, Inode> | undefined;
}

/** What a path shows: its inode, for directories with those that merge below it. */
export interface View {
  readonly path: string;
  readonly stack: readonly [Inode, ...Inode[]];
}

export function emptyInode(mode: number): Inode {
  return { mode, uid: 0, gid: 0, nlink: 0, mtime: 1000, data: '', target: '', rdev: [0, 0], xattrs: new Map(), children: (mode & S_IFMT) === S_IFDIR ? new Map() : undefined };
}

export const isDirectory = (inode: Inode): boolean => (inode.mode & S_IFMT) === S_IFDIR;

/** L4. */
export function isWhiteout({ mode, rdev, data, xattrs }: Inode, prefix: string): boolean {
  if ((mode & S_IFMT) === S_IFCHR) return rdev[0] === 0 && rdev[1] === 0;
  return (mode & S_IFMT) === S_IFREG && data === '' && xattrs.has(`${prefix}whiteout`);
}

export function describeInode(inode: Inode, xattrs: ReadonlyMap<string, string>, nlink: number | undefined): CaseObject {
  const type = inode.mode & S_IFMT;
  const subdirectories = [...(inode.children?.values() ?? [])].filter(isDirectory).length;
  return {
    mode: inode.mode, uid: inode.uid, gid: inode.gid, nlink: nlink ?? (type === S_IFDIR ? 2 + subdirectories : inode.nlink), ino: 0,
    ...(inode.mtime === undefined ? {} : { mtime: inode.mtime }),
    ...(type === S_IFREG ? { size: inode.data.length, data: inode.data } : {}),
    ...(type === S_IFLNK ? { target: inode.target } : {}),
    ...(type === S_IFCHR ? { rdev: inode.rdev } : {}),
    ...(xattrs.size > 0 ? { xattrs: Object.fromEntries(xattrs) } : {}),
  };
}
