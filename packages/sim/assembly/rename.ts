/**
 * renameat2(2): rules R1, R3, R4, H2, W8. Checks come in the order of the kernel: do_renameat2() and vfs_rename() in
 * fs/namei.c, then ovl_rename() in fs/overlayfs/dir.c. Permissions, which come before EXDEV, are the caller's.
 */
import {
  D_INODE, EEXIST, EINVAL, EISDIR, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, ENOTEMPTY, EPERM, EROFS, EXDEV, FLAVOUR_OVERLAY, I_COUNT, I_NLINK, M_FLAVOUR, N_COUNT, N_PARENT, PATH_A, PATH_B, RENAME_EXCHANGE,
  RENAME_NOREPLACE, RENAME_WHITEOUT,
} from './abi.ts';
import { copyUpNode, directoryIn, branchForChange, isReadOnly } from './copy-up.ts';
import { findName, isDir, removeName, replaceName, touch, touchChange } from './inodes.ts';
import { lookupNode, lowerPositive } from './lookup.ts';
import { address, reserve } from './memory.ts';
import { branchOf, hold, isDead, isWritable, keyLength, keyName, killNode, letGo, mountOf, moveNode, pin, topInode, unpin } from './nodes.ts';
import { checkEmpty, dropName } from './remove.ts';
import { isAufs, isReservedName, leaveWhiteout, makeOpaque, placeName } from './whiteouts.ts';

const AUFS_NAME_MAX: u32 = 242;

/** Old name in PATH_A, new name in PATH_B. */
export function rename(oldAt: i32, oldLength: u32, newAt: i32, newLength: u32, flags: u32): i32 {
  const oldDir = address(oldAt);
  const newDir = address(newAt);
  const mount = mountOf(oldDir);
  const exchange = (flags & RENAME_EXCHANGE) != 0;
  if ((flags & ~<u32>7) != 0 || (exchange && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) != 0)) return EINVAL;
  if (mountOf(newDir) != mount) return EXDEV;
  if (isReadOnly(mount)) return EROFS;
  const source = lookupNode(oldDir, PATH_A, oldLength);
  if (source < 0) return source;
  const target = lookupNode(newDir, PATH_B, newLength);
  if (target < 0 && target != ENOENT) return target;
  if (target >= 0 && (flags & RENAME_NOREPLACE) != 0) return EEXIST;
  if (target < 0 && exchange) return ENOENT;
  const node = address(source);
  const victim = target < 0 ? 0 : address(target);
  const refused = checkTypes(node, newDir, victim, oldDir, exchange);
  if (refused != 0) return refused > 0 ? 0 : refused;
  if (target < 0 && isDead(newDir)) return ENOENT;
  if (target < 0 && isAufs(mount) && isReservedName(PATH_B, newLength)) return EPERM;
  if (isAufs(mount) && (oldLength > AUFS_NAME_MAX || newLength > AUFS_NAME_MAX)) return ENAMETOOLONG;
  if ((flags & RENAME_WHITEOUT) != 0) return EINVAL;
  if (exchange && isAufs(mount)) return EINVAL;
  if (!mayMove(node) || (exchange && !mayMove(victim))) return EXDEV;
  return exchange ? exchangeNames(node, victim) : replace(oldDir, node, newDir, newLength, victim);
}

/** 0 to go on, 1 when nothing is to be done, -errno. */
function checkTypes(node: u32, newDir: u32, victim: u32, oldDir: u32, exchange: bool): i32 {
  if (isBelow(newDir, node)) return EINVAL;
  if (victim != 0 && isBelow(oldDir, victim)) return exchange ? EINVAL : ENOTEMPTY;
  if (victim == 0) return 0;
  if (victim == node || (topInode(node) == topInode(victim) && !isDir(topInode(node)))) {
    // Links of one object, unless it is a lower one: then each name is an object of its own (H2).
    if (victim == node || isWritable(mountOf(node), topInode(node))) return 1;
  }
  if (exchange) return 0;
  const directory = isDir(topInode(node));
  if (isDir(topInode(victim)) == directory) return 0;
  return directory ? ENOTDIR : EISDIR;
}

/** True when `dir` is `node` or lies below it. */
function isBelow(dir: u32, node: u32): bool {
  for (let at = dir; at != 0; at = load<u32>(at + N_PARENT)) if (at == node) return true;
  return false;
}

/** R1: only directories that lie in the upper layer alone move. */
function mayMove(node: u32): bool {
  if (!isDir(topInode(node))) return true;
  return load<u32>(node + N_COUNT) == 1 && isWritable(mountOf(node), topInode(node));
}

/** The inode of the directory in the branch that the object lies in once it is copied up; or -errno. */
function placeFor(dir: u32, branch: u32): i32 {
  const target = branchForChange(dir, branch);
  if (target < 0) return target;
  return <u32>target == branch ? directoryIn(dir, branch) : EXDEV;
}

function isMerged(dir: u32): bool {
  return load<u32>(dir + N_COUNT) > 1;
}

function replace(oldDir: u32, node: u32, newDir: u32, newLength: u32, victim: u32): i32 {
  const mount = mountOf(node);
  const directory = isDir(topInode(node));
  // A target that merges may hold whiteouts, and is looked at first. One in the upper layer alone is left to the file system below.
  const pureTarget = victim != 0 && directory && !isAufs(mount) && load<u32>(victim + N_COUNT) == 1 && isWritable(mount, topInode(victim));
  if (victim != 0 && directory && !pureTarget) {
    const empty = checkEmpty(victim, 0, true);
    if (empty < 0) return empty;
  }
  const copied = copyUpNode(node, true);
  if (copied < 0) return copied;
  const branch = branchOf(mount, topInode(node));
  const oldPlace = placeFor(oldDir, branch);
  if (oldPlace < 0) return oldPlace;
  const newPlace = placeFor(newDir, branch);
  if (newPlace < 0) return newPlace;
  if (!reserve()) return ENOSPC;
  const from = address(oldPlace);
  const to = address(newPlace);
  // R4: what lies below the new name must not show through. overlayfs marks the directory before it moves it, even in vain.
  const opaque = directory && load<u32>(mount + M_FLAVOUR) == FLAVOUR_OVERLAY && isMerged(newDir);
  if (opaque) makeOpaque(mount, topInode(node));
  if (pureTarget && load<u32>(topInode(victim) + I_COUNT) != 0) return ENOTEMPTY;
  const name = keyName(node);
  const length = keyLength(node);
  const hides = lowerPositive(oldDir, from, name, length);
  const hidden = victim == 0 && hides && !isAufs(mount) ? findName(to, PATH_B, newLength) : 0;
  const whiteout = hidden == 0 ? 0 : load<u32>(hidden + D_INODE);
  // Held, for it has no name for a moment.
  if (whiteout != 0) pin(whiteout);
  moveEntry(mount, node, from, to, newLength, victim);
  if (hides) leaveWhiteout(mount, from, name, length, whiteout);
  if (whiteout != 0) unpin(whiteout);
  touch(from);
  touch(to);
  touchChange(topInode(node));
  if (victim != 0) {
    hold(victim);
    killNode(victim);
    letGo(victim);
  }
  moveNode(node, newDir, PATH_B, newLength);
  return 0;
}

/** The names in the branch itself. What the new one stood for, a whiteout too, goes. */
function moveEntry(mount: u32, node: u32, from: u32, to: u32, newLength: u32, victim: u32): void {
  const inode = topInode(node);
  const replaced = victim == 0 ? 0 : findName(to, PATH_B, newLength);
  if (replaced != 0) dropName(replaced);
  const wasHidden = placeName(mount, to, PATH_B, newLength, inode);
  removeName(findName(from, keyName(node), keyLength(node)));
  if (isDir(inode) && isAufs(mount) && (wasHidden || victim != 0)) makeOpaque(mount, inode);
}

function exchangeNames(node: u32, victim: u32): i32 {
  const mount = mountOf(node);
  for (let turn = 0; turn < 2; turn++) {
    const copied = copyUpNode(turn == 0 ? node : victim, true);
    if (copied < 0) return copied;
  }
  if (!reserve()) return ENOSPC;
  const dirA = load<u32>(node + N_PARENT);
  const dirB = load<u32>(victim + N_PARENT);
  const a = topInode(node);
  const b = topInode(victim);
  const branch = branchOf(mount, a);
  const placeA = address(directoryIn(dirA, branch));
  const placeB = address(directoryIn(dirB, branch));
  if (isDir(a) && isMerged(dirB)) makeOpaque(mount, a);
  if (isDir(b) && isMerged(dirA)) makeOpaque(mount, b);
  const entryA = findName(placeA, keyName(node), keyLength(node));
  const entryB = findName(placeB, keyName(victim), keyLength(victim));
  // Each has one name less for a moment: the links keep both alive.
  store<u32>(a + I_NLINK, load<u32>(a + I_NLINK) + 1);
  replaceName(entryA, b);
  replaceName(entryB, a);
  store<u32>(a + I_NLINK, load<u32>(a + I_NLINK) - 1);
  touch(placeA);
  touch(placeB);
  touchChange(a);
  touchChange(b);
  swapNodes(node, victim, dirA, dirB);
  return 0;
}

/** PATH_A has the one name, PATH_B the other. */
function swapNodes(node: u32, victim: u32, dirA: u32, dirB: u32): void {
  const lengthA = keyLength(node);
  const lengthB = keyLength(victim);
  moveNode(victim, dirA, PATH_A, lengthA);
  moveNode(node, dirB, PATH_B, lengthB);
}
