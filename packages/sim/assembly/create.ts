/** New names: files, directories, links. Rules W4, W5, W8, C9, H3, H4. Linux: ovl_create_or_link() in fs/overlayfs/dir.c. */
import {
  EEXIST, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, EPERM, EROFS, FLAVOUR_OVERLAY, I_GID, I_LAYER, I_MODE, I_NLINK, M_FLAVOUR, N_FLAGS, NODE_DEAD, NODE_UNNAMED, PATH_A, PATH_B, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISGID, STACK_TMP,
} from './abi.ts';
import { inheritAcl } from './acl.ts';
import { copyUpNode, directoryForNew, isReadOnly } from './copy-up.ts';
import { isDir, newInode, setTarget, touch, touchChange } from './inodes.ts';
import { lookupNode } from './lookup.ts';
import { address, changed, handle, reserve } from './memory.ts';
import { hold, isDead, mountOf, newNode, topInode } from './nodes.ts';
import { isAufs, isReservedName, makeOpaque, placeName } from './whiteouts.ts';

/** 0 when the name is free and may be made, else -errno, in the order of the kernel's filename_create(). */
function checkNew(dir: u32, length: u32): i32 {
  const mount = mountOf(dir);
  if (length == 0) return ENOENT;
  const found = lookupNode(dir, PATH_A, length);
  if (found >= 0) return EEXIST;
  if (found != ENOENT) return found;
  if (isAufs(mount) && isReservedName(PATH_A, length)) return EPERM;
  if (isReadOnly(mount)) return EROFS;
  if (isDead(dir)) return ENOENT;
  return reserve() ? 0 : ENOSPC;
}

/**
 * A new object under the name in PATH_A: its node, or -errno. A symbolic link's target (`targetLength` bytes) is in PATH_B.
 * The umask is the caller's; a directory with setgid gives its group on. Capabilities are the caller's to check.
 */
export function create(at: i32, length: u32, mode: u32, uid: u32, gid: u32, rdev: u32, targetLength: u32): i32 {
  const dir = address(at);
  const mount = mountOf(dir);
  const type = mode & S_IFMT;
  const refused = checkNew(dir, length);
  if (refused < 0) return refused;
  // W8: to overlayfs that is a whiteout.
  if (type == S_IFCHR && rdev == 0 && load<u32>(mount + M_FLAVOUR) == FLAVOUR_OVERLAY) return EPERM;
  if (type == S_IFLNK && targetLength == 0) return ENOENT;
  if (type == S_IFLNK && targetLength > 4095) return ENAMETOOLONG;
  const place = directoryForNew(dir);
  if (place < 0) return place;
  if (!reserve()) return ENOSPC;
  const parent = address(place);
  const inode = newChild(parent, mode, uid, gid, rdev);
  if (type == S_IFLNK) setTarget(inode, PATH_B, targetLength);
  if (placeName(mount, parent, PATH_A, length, inode) && type == S_IFDIR) makeOpaque(mount, inode);
  touch(parent);
  return addNode(dir, length, inode);
}

/** An inode for a name in `parent`: group and ACL come from there (C9). */
function newChild(parent: u32, mode: u32, uid: u32, gid: u32, rdev: u32): u32 {
  if ((load<u32>(parent + I_MODE) & S_ISGID) != 0) {
    gid = load<u32>(parent + I_GID);
    if ((mode & S_IFMT) == S_IFDIR) mode |= S_ISGID;
  }
  const inode = newInode(load<u32>(parent + I_LAYER), mode, uid, gid, rdev);
  inheritAcl(parent, inode);
  return inode;
}

/** O_TMPFILE: a regular file without a name, in the layer that `dir` writes to. Its node is held by the caller; `link` may name it. */
export function createUnnamed(at: i32, mode: u32, uid: u32, gid: u32): i32 {
  const dir = address(at);
  const mount = mountOf(dir);
  if (!isDir(topInode(dir))) return ENOTDIR;
  if (isReadOnly(mount)) return EROFS;
  if (isDead(dir)) return ENOENT;
  const place = directoryForNew(dir);
  if (place < 0) return place;
  if (!reserve()) return ENOSPC;
  store<u32>(STACK_TMP, newChild(address(place), S_IFREG | (mode & 0xfff), uid, gid, 0));
  const node = newNode(mount, 0, 0, 0, STACK_TMP, 1);
  store<u32>(node + N_FLAGS, NODE_DEAD | NODE_UNNAMED);
  hold(node);
  return handle(node);
}

function addNode(dir: u32, length: u32, inode: u32): i32 {
  store<u32>(STACK_TMP, inode);
  changed();
  return handle(newNode(mountOf(dir), dir, PATH_A, length, STACK_TMP, 1));
}

/** link(2): a further name, in PATH_A, of the object. The node of that name, or -errno. */
export function link(source: i32, at: i32, length: u32): i32 {
  const dir = address(at);
  const node = address(source);
  const refused = checkNew(dir, length);
  if (refused < 0) return refused;
  if (mountOf(dir) != mountOf(node)) return -18;
  if (isDir(topInode(node))) return EPERM;
  const unnamed = (load<u32>(node + N_FLAGS) & NODE_UNNAMED) != 0;
  if (isDead(node) && !unnamed && load<u32>(topInode(node) + I_NLINK) == 0) return ENOENT;
  const copied = copyUpNode(node, true);
  if (copied < 0) return copied;
  const place = directoryForNew(dir);
  if (place < 0) return place;
  const inode = topInode(node);
  // AUFS: with several writable branches the two names may lie apart.
  if (load<u32>(inode + I_LAYER) != load<u32>(address(place) + I_LAYER)) return -18;
  if (!reserve()) return ENOSPC;
  placeName(mountOf(dir), address(place), PATH_A, length, inode);
  touchChange(inode);
  touch(address(place));
  return addNode(dir, length, inode);
}

