/** Layers: trees of inodes, which mounts stack. What the host loads into one, and reads out of one, goes by inode handles. */
import {
  BUFFER, BUFFER_SIZE, D_AFTER, D_INODE, D_LENGTH, EEXIST, EINVAL, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, I_ATIME, I_ATIME_NS, I_CTIME, I_CTIME_NS, I_GID, I_LAYER, I_MODE,
  I_MTIME, I_MTIME_NS, I_NLINK, I_SIZE, I_UID, I_WHAT, L_BYTES, L_ENTRIES, L_LIMIT, L_ROOT, L_USERS, LAYER_SIZE, PATH_A, PATH_B, S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, STAT,
} from './abi.ts';
import { addName, dataNumber, emptyDirectory, findName, freeUnused, isDir, newInode, removeName, replaceName, setTarget, typeOf } from './inodes.ts';
import { address, alloc, changed, handle, release, reserve } from './memory.ts';
import { dropXattr, findXattr, listXattrs, putXattr, readXattr } from './xattrs.ts';

const EBUSY: i32 = -16;

/** A new empty layer. `mode`, `uid` and `gid` are those of its root. */
export function layerCreate(mode: u32, uid: u32, gid: u32): i32 {
  if (!reserve()) return ENOSPC;
  const layer = alloc(LAYER_SIZE);
  store<f64>(layer + L_LIMIT, Infinity);
  const root = newInode(layer, S_IFDIR | (mode & 0xfff), uid, gid, 0);
  store<u32>(root + I_NLINK, 2);
  store<u32>(layer + L_ROOT, root);
  return handle(layer);
}

/** Frees a layer that no mount uses. */
export function layerDestroy(at: i32): i32 {
  const layer = address(at);
  if (load<u32>(layer + L_USERS) != 0) return EBUSY;
  const root = load<u32>(layer + L_ROOT);
  emptyDirectory(root);
  store<u32>(root + I_NLINK, 0);
  freeUnused(root);
  // Inodes of removed files that are still open outlive their names, and count in the layer: it stays as long.
  if (load<u32>(layer + L_ENTRIES) == 0) release(layer, LAYER_SIZE);
  changed();
  return 0;
}

export function layerRoot(at: i32): i32 {
  return handle(load<u32>(address(at) + L_ROOT));
}

/** Bytes of file data that the layer may hold: what a full disk is to a copy-up (C4). */
export function layerLimit(at: i32, bytes: f64): void {
  store<f64>(address(at) + L_LIMIT, bytes);
}

export function layerBytes(at: i32): f64 {
  return load<f64>(address(at) + L_BYTES);
}

/** An entry by its name (in PATH_A); ENOENT where there is none. */
export function entryFind(dir: i32, length: u32): i32 {
  if (!isDir(address(dir))) return ENOTDIR;
  const dentry = findName(address(dir), PATH_A, length);
  return dentry == 0 ? ENOENT : handle(load<u32>(dentry + D_INODE));
}

/** A new entry, named in PATH_A; a symbolic link's target is in PATH_B. The directory's own times stay. */
export function entryAdd(dir: i32, length: u32, mode: u32, uid: u32, gid: u32, rdev: u32, targetLength: u32): i32 {
  if (!isDir(address(dir))) return ENOTDIR;
  if (length > 255) return ENAMETOOLONG;
  if (length == 0) return EINVAL;
  if (!reserve()) return ENOSPC;
  if (findName(address(dir), PATH_A, length) != 0) return EEXIST;
  const inode = newInode(load<u32>(address(dir) + I_LAYER), mode, uid, gid, rdev);
  if ((mode & S_IFMT) == S_IFLNK) setTarget(inode, PATH_B, targetLength);
  addName(address(dir), PATH_A, length, inode);
  return handle(inode);
}

/** A further name of an inode of the same layer. */
export function entryLink(dir: i32, length: u32, inode: i32): i32 {
  if (!isDir(address(dir))) return ENOTDIR;
  if (!reserve()) return ENOSPC;
  if (findName(address(dir), PATH_A, length) != 0) return EEXIST;
  addName(address(dir), PATH_A, length, address(inode));
  return 0;
}

/** Removes an entry with all below it. */
export function entryRemove(dir: i32, length: u32): i32 {
  const dentry = findName(address(dir), PATH_A, length);
  if (dentry == 0) return ENOENT;
  const inode = load<u32>(dentry + D_INODE);
  if (isDir(inode)) emptyDirectory(inode);
  removeName(dentry);
  changed();
  return 0;
}

/** Names of a directory from its `skip`th on, into the buffer: {inode u32, length u8, name}. The number of entries is the result. */
export function entryList(dir: i32, skip: u32): i32 {
  if (!isDir(address(dir))) return ENOTDIR;
  let count: i32 = 0;
  let out = BUFFER;
  for (let dentry = load<u32>(address(dir) + I_WHAT); dentry != 0; dentry = load<u32>(dentry + D_AFTER)) {
    if (skip > 0) {
      skip--;
      continue;
    }
    const length = load<u8>(dentry + D_LENGTH);
    if (out + 5 + length > BUFFER + BUFFER_SIZE) break;
    store<u32>(out, <u32>handle(load<u32>(dentry + D_INODE)));
    memory.copy(out + 4, dentry + D_LENGTH, <u32>length + 1);
    out += 5 + length;
    count++;
  }
  return count;
}

/** What a stat(2) of the layer itself shows, into STAT. */
export function inodeStat(at: i32): void {
  const inode = address(at);
  store<u32>(STAT + 4, <u32>at);
  store<u32>(STAT + 8, load<u32>(inode + I_MODE));
  const nlink = load<u32>(inode + I_NLINK);
  store<u32>(STAT + 12, isDir(inode) && nlink == 1 ? 0 : nlink);
  store<u32>(STAT + 16, load<u32>(inode + I_UID));
  store<u32>(STAT + 20, load<u32>(inode + I_GID));
  const type = typeOf(inode);
  store<u32>(STAT + 24, type == S_IFCHR || type == S_IFBLK ? load<u32>(inode + I_WHAT) : 0);
  store<u32>(STAT + 28, 0);
  store<f64>(STAT + 32, type == S_IFDIR ? 4096 : load<f64>(inode + I_SIZE));
  memory.copy(STAT + 40, inode + I_ATIME, 24);
  memory.copy(STAT + 64, inode + I_ATIME_NS, 12);
  store<u32>(STAT + 76, dataNumber(inode));
}

/** Loads the attributes of an entry; the change time follows the modification time, so that loading is repeatable. */
export function inodeSet(at: i32, mode: u32, uid: u32, gid: u32, atime: f64, atimeNs: u32, mtime: f64, mtimeNs: u32): void {
  const inode = address(at);
  store<u32>(inode + I_MODE, (load<u32>(inode + I_MODE) & S_IFMT) | (mode & 0xfff));
  store<u32>(inode + I_UID, uid);
  store<u32>(inode + I_GID, gid);
  store<f64>(inode + I_ATIME, atime);
  store<u32>(inode + I_ATIME_NS, atimeNs);
  store<f64>(inode + I_MTIME, mtime);
  store<u32>(inode + I_MTIME_NS, mtimeNs);
  store<f64>(inode + I_CTIME, mtime);
  store<u32>(inode + I_CTIME_NS, mtimeNs);
}

/** The target of a symbolic link, into PATH_B. */
export function inodeTarget(at: i32): i32 {
  const inode = address(at);
  if (typeOf(inode) != S_IFLNK) return EINVAL;
  const length = <u32>load<f64>(inode + I_SIZE);
  memory.copy(PATH_B, load<u32>(inode + I_WHAT), length);
  return <i32>length;
}

/** Attributes as they are stored: name in PATH_A, value in the buffer. */
export function inodePutXattr(at: i32, length: u32, valueLength: u32): i32 {
  if (!reserve()) return ENOSPC;
  return putXattr(address(at), PATH_A, length, BUFFER, valueLength, 0);
}

export function inodeGetXattr(at: i32, length: u32): i32 {
  const record = findXattr(address(at), PATH_A, length);
  return record == 0 ? -61 : readXattr(record);
}

export function inodeDropXattr(at: i32, length: u32): i32 {
  const record = findXattr(address(at), PATH_A, length);
  if (record == 0) return -61;
  dropXattr(address(at), record);
  return 0;
}

export function inodeListXattrs(at: i32): i32 {
  return listXattrs(address(at), 0);
}

/** Replaces what a name stands for, as apply does when an entry comes again. */
export function entryReplace(dir: i32, length: u32, inode: i32): i32 {
  const dentry = findName(address(dir), PATH_A, length);
  if (dentry == 0) return ENOENT;
  replaceName(dentry, address(inode));
  return 0;
}
