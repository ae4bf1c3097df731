/** Inodes of layers, their data records and extended attributes, and the names that directories have for them. */
import {
  D_AFTER, D_BEFORE, D_INODE, D_LENGTH, D_NAME, DATA_SIZE, DIR_SIZE, H_FREED, H_NAMES, H_TIME, H_TIME_NS, I_ATIME, I_ATIME_NS, I_COUNT, I_CTIME, I_CTIME_NS, I_FLAGS, I_GID, I_LAST, I_LAYER,
  I_MODE, I_MTIME, I_MTIME_NS, I_NLINK, I_ORIGIN, I_PINS, I_SIZE, I_UID, I_WHAT, INODE_SIZE, L_BYTES, L_ENTRIES, R_OWNER, S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG,
} from './abi.ts';
import { alloc, handle, release } from './memory.ts';
import { findRecord, hashName, insertRecord, removeRecord } from './table.ts';
import { copyXattrs, freeXattrs } from './xattrs.ts';

@inline
export function typeOf(inode: u32): u32 {
  return load<u32>(inode + I_MODE) & S_IFMT;
}

@inline
export function isDir(inode: u32): bool {
  return typeOf(inode) == S_IFDIR;
}

/** A new inode with all its times now. Its first name makes its nlink 1 (2 for a directory). */
export function newInode(layer: u32, mode: u32, uid: u32, gid: u32, rdev: u32): u32 {
  const inode = alloc((mode & S_IFMT) == S_IFDIR ? DIR_SIZE : INODE_SIZE);
  store<u32>(inode + I_MODE, mode);
  store<u32>(inode + I_UID, uid);
  store<u32>(inode + I_GID, gid);
  store<u32>(inode + I_LAYER, layer);
  if ((mode & S_IFMT) == S_IFCHR || (mode & S_IFMT) == S_IFBLK) store<u32>(inode + I_WHAT, rdev);
  if ((mode & S_IFMT) == S_IFDIR) store<u32>(inode + I_NLINK, 1);
  touchAccess(inode);
  touch(inode);
  store<u32>(layer + L_ENTRIES, load<u32>(layer + L_ENTRIES) + 1);
  return inode;
}

function touchAccess(inode: u32): void {
  store<f64>(inode + I_ATIME, load<f64>(H_TIME));
  store<u32>(inode + I_ATIME_NS, load<u32>(H_TIME_NS));
}

/** Modification and change times are now. */
export function touch(inode: u32): void {
  store<f64>(inode + I_MTIME, load<f64>(H_TIME));
  store<u32>(inode + I_MTIME_NS, load<u32>(H_TIME_NS));
  touchChange(inode);
}

export function touchChange(inode: u32): void {
  store<f64>(inode + I_CTIME, load<f64>(H_TIME));
  store<u32>(inode + I_CTIME_NS, load<u32>(H_TIME_NS));
}

export function setTarget(inode: u32, target: u32, length: u32): void {
  const at = alloc(length);
  memory.copy(at, target, length);
  store<u32>(inode + I_WHAT, at);
  store<f64>(inode + I_SIZE, <f64>length);
}

// Data: the host's file number, shared by an inode and its copies until one is written to.

export function dataNumber(inode: u32): u32 {
  const data = load<u32>(inode + I_WHAT);
  return typeOf(inode) == S_IFREG && data != 0 ? load<u32>(data) : 0;
}

export function dataShares(inode: u32): u32 {
  const data = load<u32>(inode + I_WHAT);
  return typeOf(inode) == S_IFREG && data != 0 ? load<u32>(data + 4) : 0;
}

export function setData(inode: u32, number: u32): void {
  dropData(inode);
  if (number == 0) return;
  const data = alloc(DATA_SIZE);
  store<u32>(data, number);
  store<u32>(data + 4, 1);
  store<u32>(inode + I_WHAT, data);
}

function dropData(inode: u32): void {
  const data = load<u32>(inode + I_WHAT);
  if (data == 0) return;
  store<u32>(inode + I_WHAT, 0);
  const shares = load<u32>(data + 4) - 1;
  store<u32>(data + 4, shares);
  if (shares != 0) return;
  // The host takes the number from the list and frees its file.
  store<u32>(data + 4, load<u32>(H_FREED));
  store<u32>(H_FREED, data);
}

/** The next number of data that no inode has any more, or 0. */
export function takeFreed(): u32 {
  const data = load<u32>(H_FREED);
  if (data == 0) return 0;
  const number = load<u32>(data);
  store<u32>(H_FREED, load<u32>(data + 4));
  release(data, DATA_SIZE);
  return number;
}

export function setSize(inode: u32, size: f64): void {
  const layer = load<u32>(inode + I_LAYER);
  store<f64>(layer + L_BYTES, load<f64>(layer + L_BYTES) + size - load<f64>(inode + I_SIZE));
  store<f64>(inode + I_SIZE, size);
}

/** C3: data, mode, owner, times and extended attributes; `prefix` attributes are overlayfs' own. The change time is now. */
export function cloneInode(source: u32, layer: u32, userXattr: bool, withData: bool): u32 {
  const inode = newInode(layer, load<u32>(source + I_MODE), load<u32>(source + I_UID), load<u32>(source + I_GID), 0);
  memory.copy(inode + I_ATIME, source + I_ATIME, 16);
  memory.copy(inode + I_ATIME_NS, source + I_ATIME_NS, 8);
  copyXattrs(source, inode, userXattr);
  const type = typeOf(source);
  const what = load<u32>(source + I_WHAT);
  if (type == S_IFLNK) setTarget(inode, what, <u32>load<f64>(source + I_SIZE));
  else if (type == S_IFREG && withData) {
    setSize(inode, load<f64>(source + I_SIZE));
    store<u32>(inode + I_WHAT, what);
    if (what != 0) store<u32>(what + 4, load<u32>(what + 4) + 1);
  } else if (type == S_IFCHR || type == S_IFBLK) store<u32>(inode + I_WHAT, what);
  return inode;
}

/** Frees an inode that has no name and no node any more. */
export function freeUnused(inode: u32): void {
  const directory = isDir(inode);
  if (load<u32>(inode + I_PINS) != 0 || load<u32>(inode + I_NLINK) > (directory ? <u32>1 : <u32>0)) return;
  const layer = load<u32>(inode + I_LAYER);
  const type = typeOf(inode);
  freeXattrs(inode);
  if (type == S_IFREG) {
    setSize(inode, 0);
    dropData(inode);
  } else if (type == S_IFLNK) release(load<u32>(inode + I_WHAT), <u32>load<f64>(inode + I_SIZE));
  store<u32>(layer + L_ENTRIES, load<u32>(layer + L_ENTRIES) - 1);
  release(inode, directory ? DIR_SIZE : INODE_SIZE);
}

// Names.

export function findName(dir: u32, name: u32, length: u32): u32 {
  return findRecord(H_NAMES, dir, name, length, hashName(name, length), D_LENGTH);
}

@inline
export function findHashed(dir: u32, name: u32, length: u32, hash: u32): u32 {
  return findRecord(H_NAMES, dir, name, length, hash, D_LENGTH);
}

/** Adds a name at the end of the directory. Times stay as they are. */
export function addName(dir: u32, name: u32, length: u32, inode: u32): void {
  const dentry = alloc(D_NAME + length);
  store<u8>(dentry + D_LENGTH, <u8>length);
  memory.copy(dentry + D_NAME, name, length);
  store<u32>(dentry + D_INODE, inode);
  const last = load<u32>(dir + I_LAST);
  store<u32>(dentry + D_BEFORE, last);
  if (last == 0) store<u32>(dir + I_WHAT, dentry);
  else store<u32>(last + D_AFTER, dentry);
  store<u32>(dir + I_LAST, dentry);
  store<u32>(dir + I_COUNT, load<u32>(dir + I_COUNT) + 1);
  insertRecord(H_NAMES, dentry, dir, hashName(name, length));
  linked(dir, inode);
}

/** Removes a name. Its inode is freed if that was the last thing that held it. */
export function removeName(dentry: u32): void {
  const dir = load<u32>(dentry + R_OWNER);
  const inode = load<u32>(dentry + D_INODE);
  const before = load<u32>(dentry + D_BEFORE);
  const after = load<u32>(dentry + D_AFTER);
  if (before == 0) store<u32>(dir + I_WHAT, after);
  else store<u32>(before + D_AFTER, after);
  if (after == 0) store<u32>(dir + I_LAST, before);
  else store<u32>(after + D_BEFORE, before);
  store<u32>(dir + I_COUNT, load<u32>(dir + I_COUNT) - 1);
  removeRecord(H_NAMES, dentry);
  release(dentry, D_NAME + load<u8>(dentry + D_LENGTH));
  unlinked(dir, inode);
}

/** Points a name at another inode: what rename(2) and a file over a whiteout do in one step. */
export function replaceName(dentry: u32, inode: u32): void {
  const dir = load<u32>(dentry + R_OWNER);
  const old = load<u32>(dentry + D_INODE);
  store<u32>(dentry + D_INODE, inode);
  linked(dir, inode);
  unlinked(dir, old);
}

function linked(dir: u32, inode: u32): void {
  store<u32>(inode + I_NLINK, load<u32>(inode + I_NLINK) + 1);
  if (isDir(inode)) store<u32>(dir + I_NLINK, load<u32>(dir + I_NLINK) + 1);
}

function unlinked(dir: u32, inode: u32): void {
  store<u32>(inode + I_NLINK, load<u32>(inode + I_NLINK) - 1);
  if (isDir(inode)) store<u32>(dir + I_NLINK, load<u32>(dir + I_NLINK) - 1);
  freeUnused(inode);
}

/** Removes what a directory holds, all the way down. */
export function emptyDirectory(dir: u32): void {
  while (load<u32>(dir + I_WHAT) != 0) {
    const dentry = load<u32>(dir + I_WHAT);
    const inode = load<u32>(dentry + D_INODE);
    if (isDir(inode)) emptyDirectory(inode);
    removeName(dentry);
  }
}

@inline
export function originOf(inode: u32): u32 {
  return load<u32>(inode + I_ORIGIN);
}

export function setOrigin(inode: u32, source: u32): void {
  store<u32>(inode + I_ORIGIN, handle(source));
}

@inline
export function hasFlag(inode: u32, flag: u32): bool {
  return (load<u32>(inode + I_FLAGS) & flag) != 0;
}
