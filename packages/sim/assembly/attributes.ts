/** Changes of an object's attributes and data size, each with its copy-up (C1); extended attributes with their escaping (W9). */
import {
  BUFFER, EINVAL, EISDIR, ENODATA, ENOSPC, EPERM, ERANGE, FLAVOUR_OVERLAY, I_ATIME, I_ATIME_NS, I_GID, I_LAYER, I_MODE, I_MTIME, I_MTIME_NS, I_SIZE, I_UID, L_BYTES, L_LIMIT, M_FLAGS, M_FLAVOUR,
  NAME_TMP, PATH_A, S_IFDIR, S_IFMT, S_IFREG, S_ISGID, S_ISUID, H_TIME, H_TIME_NS,
} from './abi.ts';
import { aclKind, checkAcl, chmodAcl, setAcl } from './acl.ts';
import { copyUpNode, isReadOnly } from './copy-up.ts';
import { dataNumber, dataShares, isDir, setData, setSize, touch, touchChange, typeOf } from './inodes.ts';
import { address, reserve } from './memory.ts';
import { isWritable, mountOf, topInode } from './nodes.ts';
import { usesUserXattr } from './whiteouts.ts';
import { dropCapability, dropXattr, findXattr, isPrivate, listXattrs, prefixLength, putXattr, readXattr } from './xattrs.ts';

const EROFS_RESULT: i32 = -30;
const SET_MODE: u32 = 1;
const SET_UID: u32 = 2;
const SET_GID: u32 = 4;
const SET_ATIME: u32 = 8;
const SET_MTIME: u32 = 16;

/** Copies the object up for a write to its data or attributes: open(2) with O_WRONLY or O_RDWR does it at once. */
export function copyUp(at: i32, withData: bool): i32 {
  return copyUpNode(address(at), withData);
}

/**
 * chmod, chown and utimensat: `mask` says which values count. A change of owner clears setuid, setgid and capabilities of
 * files, as chown(2) does for everyone. Who may do it is the caller's to check.
 */
export function setAttributes(at: i32, mask: u32, mode: u32, uid: u32, gid: u32, atime: f64, atimeNs: u32, mtime: f64, mtimeNs: u32): i32 {
  const copied = copyUpNode(address(at), true);
  if (copied < 0) return copied;
  const inode = topInode(address(at));
  if ((mask & SET_MODE) != 0) {
    store<u32>(inode + I_MODE, (load<u32>(inode + I_MODE) & S_IFMT) | (mode & 0xfff));
    chmodAcl(inode);
  }
  if ((mask & SET_UID) != 0) store<u32>(inode + I_UID, uid);
  if ((mask & SET_GID) != 0) store<u32>(inode + I_GID, gid);
  if ((mask & (SET_UID | SET_GID)) != 0 && !isDir(inode)) ownerChanged(inode);
  if ((mask & SET_ATIME) != 0) {
    store<f64>(inode + I_ATIME, atime);
    store<u32>(inode + I_ATIME_NS, atimeNs);
  }
  if ((mask & SET_MTIME) != 0) {
    store<f64>(inode + I_MTIME, mtime);
    store<u32>(inode + I_MTIME_NS, mtimeNs);
  }
  touchChange(inode);
  return 0;
}

function ownerChanged(inode: u32): void {
  const mode = load<u32>(inode + I_MODE);
  const cleared = mode & ~S_ISUID & ((mode & 8) != 0 ? ~S_ISGID : 0xffffffff);
  store<u32>(inode + I_MODE, cleared);
  dropCapability(inode);
}

/** Reading updates the access time of upper objects only (C7). Which reads count (relatime) is the caller's. */
export function touchAccessTime(at: i32): void {
  const inode = topInode(address(at));
  store<f64>(inode + I_ATIME, load<f64>(H_TIME));
  store<u32>(inode + I_ATIME_NS, load<u32>(H_TIME_NS));
}

/** The number of the host's file with the object's data; 0 for an empty one. */
export function dataOf(at: i32): u32 {
  return dataNumber(topInode(address(at)));
}

/** How many inodes share that file. Only a file of one inode may be written in place. */
export function dataSharesOf(at: i32): u32 {
  return dataShares(topInode(address(at)));
}

/** Gives the copied-up file a host file of its own, whose number is `number`. */
export function dataReplace(at: i32, number: u32): void {
  setData(topInode(address(at)), number);
}

/** Before a write that makes the file `size` bytes long: 0, or ENOSPC when the layer's limit would be passed. */
export function sizeAllowed(at: i32, size: f64): i32 {
  const inode = topInode(address(at));
  const layer = load<u32>(inode + I_LAYER);
  if (size <= load<f64>(inode + I_SIZE)) return 0;
  return load<f64>(layer + L_BYTES) + size - load<f64>(inode + I_SIZE) > load<f64>(layer + L_LIMIT) ? ENOSPC : 0;
}

/** After a write or truncation. A write drops capabilities (C8); setuid and setgid are the caller's, who knows the writer. */
export function dataWritten(at: i32, size: f64): void {
  const inode = topInode(address(at));
  setSize(inode, size);
  dropCapability(inode);
  touch(inode);
}

/** Whether data may be written at all: EISDIR, EINVAL for other than regular files, EROFS. */
export function checkWritable(at: i32): i32 {
  const inode = topInode(address(at));
  if (typeOf(inode) == S_IFDIR) return EISDIR;
  if (typeOf(inode) != S_IFREG) return EINVAL;
  return isReadOnly(mountOf(address(at))) ? EROFS_RESULT : 0;
}

/** A layer's own file gets its data, when a layer is loaded. */
export function inodeLoadData(at: i32, number: u32, size: f64): void {
  setData(address(at), number);
  setSize(address(at), size);
}

/** Where the name in PATH_A is stored: escaped when it starts as the overlay's own do. The result is its length at NAME_TMP. */
function storedName(node: u32, length: u32): u32 {
  const mount = mountOf(node);
  const userXattr = usesUserXattr(mount);
  if (load<u32>(mount + M_FLAVOUR) != FLAVOUR_OVERLAY || !isPrivate(PATH_A, length, userXattr)) {
    memory.copy(NAME_TMP, PATH_A, length);
    return length;
  }
  const prefix = prefixLength(userXattr);
  memory.copy(NAME_TMP, PATH_A, prefix);
  // "overlay.", the end of either prefix.
  memory.copy(NAME_TMP + prefix, PATH_A + prefix - 8, 8);
  memory.copy(NAME_TMP + prefix + 8, PATH_A + prefix, length - prefix);
  return length + 8;
}

/** "user." attributes are for files and directories alone; whether to say EPERM or ENODATA depends on the call. xattr(7). */
function lacksUserXattrs(node: u32, length: u32): bool {
  const type = typeOf(topInode(node));
  return type != S_IFREG && type != S_IFDIR && length > 5 && load<u32>(PATH_A) == 0x72657375 && load<u8>(PATH_A + 4) == 0x2e;
}

/** Name in PATH_A, value in the buffer. */
export function setXattr(at: i32, length: u32, valueLength: u32, flags: u32): i32 {
  const node = address(at);
  if (length == 0 || length > 255) return ERANGE;
  if (lacksUserXattrs(node, length)) return EPERM;
  if ((flags & ~<u32>3) != 0) return EINVAL;
  const kind = aclKind(PATH_A, length);
  if (kind != 0) return changeAcl(node, kind, valueLength);
  const copied = copyUpNode(node, true);
  if (copied < 0) return copied;
  if (!reserve()) return ENOSPC;
  const inode = topInode(node);
  const result = putXattr(inode, NAME_TMP, storedName(node, length), BUFFER, valueLength, flags);
  if (result == 0) touchChange(inode);
  return result;
}

function changeAcl(node: u32, kind: u32, valueLength: u32): i32 {
  if (isReadOnly(mountOf(node))) return EROFS_RESULT;
  const checked = checkAcl(topInode(node), kind, valueLength, isWritable(mountOf(node), topInode(node)));
  if (checked != 0) return checked > 0 ? 0 : checked;
  const copied = copyUpNode(node, true);
  if (copied < 0) return copied;
  if (!reserve()) return ENOSPC;
  const result = setAcl(topInode(node), kind, valueLength);
  if (result == 0) touchChange(topInode(node));
  return result;
}

/** The value goes to the buffer; its length, or ENODATA. */
export function getXattr(at: i32, length: u32): i32 {
  const node = address(at);
  if (length == 0 || length > 255) return ERANGE;
  const record = findXattr(topInode(node), NAME_TMP, storedName(node, length));
  return record == 0 ? ENODATA : readXattr(record);
}

export function removeXattr(at: i32, length: u32): i32 {
  const node = address(at);
  if (length == 0 || length > 255) return ERANGE;
  if (lacksUserXattrs(node, length)) return EPERM;
  const kind = aclKind(PATH_A, length);
  if (kind != 0) return changeAcl(node, kind, 0);
  if (isReadOnly(mountOf(node))) return EROFS_RESULT;
  // C1: an absent one is no reason for a copy-up.
  if (findXattr(topInode(node), NAME_TMP, storedName(node, length)) == 0) return ENODATA;
  const copied = copyUpNode(node, true);
  if (copied < 0) return copied;
  const inode = topInode(node);
  const record = findXattr(inode, NAME_TMP, storedName(node, length));
  if (record == 0) return ENODATA;
  dropXattr(inode, record);
  touchChange(inode);
  return 0;
}

/** Names to the buffer, each ended by NUL; their length together. */
export function listXattr(at: i32): i32 {
  const mount = mountOf(address(at));
  return listXattrs(topInode(address(at)), load<u32>(mount + M_FLAVOUR) == FLAVOUR_OVERLAY ? load<u32>(mount + M_FLAGS) + 1 : 0);
}

