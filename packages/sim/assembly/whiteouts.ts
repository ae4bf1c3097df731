/**
 * How the two flavours hide what lies below. overlay: a character device 0:0 (or an empty file with an attribute) in the
 * place of the name, and `overlay.opaque` on a directory. AUFS: a file `.wh.NAME` beside it, and `.wh..wh..opq` inside.
 */
import {
  D_INODE, EIO, FLAVOUR_AUFS, I_FLAGS, I_GID, I_LAYER, I_MODE, I_NLINK, I_SIZE, I_WHAT, L_ROOT, M_FLAGS, M_FLAVOUR, M_WHITEOUT, MOUNT_USERXATTR, NAME_TMP, S_IFCHR, S_IFMT, S_IFREG, S_ISGID, X_METACOPY, X_OPAQUE, X_REDIRECT,
  X_WHITEOUT, X_WHITEOUTS,
} from './abi.ts';
import { addName, findName, newInode, removeName, replaceName } from './inodes.ts';
import { putOpaque } from './xattrs.ts';

const WH: u32 = 0x2e68772e;
const OPAQUE_NAME: u32 = <u32>memory.data<u8>([46, 119, 104, 46, 46, 119, 104, 46, 46, 111, 112, 113]);
const BASE_NAME: u32 = <u32>memory.data<u8>([46, 119, 104, 46, 46, 119, 104, 46, 97, 117, 102, 115]);

@inline
export function isAufs(mount: u32): bool {
  return load<u32>(mount + M_FLAVOUR) == FLAVOUR_AUFS;
}

@inline
export function usesUserXattr(mount: u32): bool {
  return (load<u32>(mount + M_FLAGS) & MOUNT_USERXATTR) != 0;
}

@inline
function overlayFlags(mount: u32, inode: u32): u32 {
  const flags = load<u32>(inode + I_FLAGS);
  return usesUserXattr(mount) ? flags >> 8 : flags;
}

/** overlay, L4. */
export function isWhiteout(mount: u32, inode: u32): bool {
  const mode = load<u32>(inode + I_MODE) & S_IFMT;
  if (mode == S_IFCHR) return load<u32>(inode + I_WHAT) == 0;
  return mode == S_IFREG && (overlayFlags(mount, inode) & X_WHITEOUT) != 0 && load<f64>(inode + I_SIZE) == 0;
}

/** overlay: only a character device is one in the listing of a directory without the mark "x" (L4). */
export function isListedWhiteout(mount: u32, inode: u32, marked: bool): bool {
  if ((load<u32>(inode + I_MODE) & S_IFMT) == S_IFCHR) return load<u32>(inode + I_WHAT) == 0;
  return marked && isWhiteout(mount, inode);
}

export function hasWhiteoutMark(mount: u32, dir: u32): bool {
  return (overlayFlags(mount, dir) & X_WHITEOUTS) != 0;
}

export function hasRedirect(mount: u32, dir: u32): bool {
  return (overlayFlags(mount, dir) & X_REDIRECT) != 0;
}

/** A file whose data would lie in a lower layer: refused with metacopy=off, as a redirected directory is. */
export function isMetacopy(mount: u32, inode: u32): bool {
  return (load<u32>(inode + I_MODE) & S_IFMT) == S_IFREG && (overlayFlags(mount, inode) & X_METACOPY) != 0;
}

export function isOpaque(mount: u32, dir: u32): bool {
  if (isAufs(mount)) return findName(dir, OPAQUE_NAME, 12) != 0;
  return (overlayFlags(mount, dir) & X_OPAQUE) != 0;
}

/** AUFS: names that it keeps for itself. */
@inline
export function isReservedName(name: u32, length: u32): bool {
  return length >= 4 && load<u32>(name) == WH;
}

/** AUFS: `.wh.NAME` in the branch's directory. 0 or 1, EIO when it is no regular file. */
export function aufsHides(dir: u32, name: u32, length: u32): i32 {
  const dentry = findName(dir, prefixed(name, length), length + 4);
  if (dentry == 0) return 0;
  return (load<u32>(load<u32>(dentry + D_INODE) + I_MODE) & S_IFMT) == S_IFREG ? 1 : EIO;
}

function prefixed(name: u32, length: u32): u32 {
  store<u32>(NAME_TMP, WH);
  memory.copy(NAME_TMP + 4, name, length);
  return NAME_TMP;
}

/** W1: all whiteouts are links of one inode, owned by who mounted. */
function whiteoutInode(mount: u32, dir: u32): u32 {
  const layer = load<u32>(dir + I_LAYER);
  const have = load<u32>(mount + M_WHITEOUT);
  if (have != 0 && load<u32>(have + I_LAYER) == layer) return have;
  if (isAufs(mount)) {
    const base = findName(load<u32>(layer + L_ROOT), BASE_NAME, 12);
    if (base != 0) return load<u32>(base + D_INODE);
  }
  const inode = newInode(layer, isAufs(mount) ? S_IFREG | 0x124 : S_IFCHR, 0, 0, 0);
  if (isAufs(mount)) {
    addName(load<u32>(layer + L_ROOT), BASE_NAME, 12, inode);
    return inode;
  }
  // The link in the work directory.
  store<u32>(inode + I_NLINK, 1);
  store<u32>(mount + M_WHITEOUT, inode);
  return inode;
}

/** Hides a name. What the branch itself had under it is gone before. */
export function putWhiteout(mount: u32, dir: u32, name: u32, length: u32): void {
  const inode = whiteoutInode(mount, dir);
  if (isAufs(mount)) {
    if (findName(dir, prefixed(name, length), length + 4) == 0) addName(dir, NAME_TMP, length + 4, inode);
    return;
  }
  addName(dir, name, length, inode);
}

/**
 * What rename(2) leaves behind: overlayfs has the file system below make it (RENAME_WHITEOUT), so it is an inode of its own;
 * or the whiteout that lay under the new name, `moved`, comes here (RENAME_EXCHANGE).
 */
export function leaveWhiteout(mount: u32, dir: u32, name: u32, length: u32, moved: u32): void {
  if (isAufs(mount)) return putWhiteout(mount, dir, name, length);
  const gid = (load<u32>(dir + I_MODE) & S_ISGID) != 0 ? load<u32>(dir + I_GID) : 0;
  addName(dir, name, length, moved != 0 ? moved : newInode(load<u32>(dir + I_LAYER), S_IFCHR, 0, gid, 0));
}

/** Puts an inode under a name that may be whiteouted. True when it was: a directory there must be opaque (W4). */
export function placeName(mount: u32, dir: u32, name: u32, length: u32, inode: u32): bool {
  if (isAufs(mount)) {
    const hidden = findName(dir, prefixed(name, length), length + 4);
    if (hidden != 0) removeName(hidden);
    addName(dir, name, length, inode);
    return hidden != 0;
  }
  const whiteout = findName(dir, name, length);
  if (whiteout == 0) {
    addName(dir, name, length, inode);
    return false;
  }
  replaceName(whiteout, inode);
  return true;
}

export function makeOpaque(mount: u32, dir: u32): void {
  if (!isAufs(mount)) return putOpaque(dir, usesUserXattr(mount));
  if (findName(dir, OPAQUE_NAME, 12) == 0) addName(dir, OPAQUE_NAME, 12, whiteoutInode(mount, dir));
}

