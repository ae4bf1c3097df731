/** unlink(2) and rmdir(2): rules W1, W2, W3, W6, W7, L5. Linux: ovl_do_remove() in fs/overlayfs/dir.c. */
import {
  BRANCH_RW, BRANCH_WH, D_AFTER, D_INODE, D_LENGTH, D_NAME, EISDIR, ENAMETOOLONG, ENOSPC, ENOTDIR, ENOTEMPTY, EROFS, FLAVOUR_PLAIN, I_COUNT, I_WHAT, M_FLAVOUR, N_COUNT, PATH_A,
} from './abi.ts';
import { branchForChange, directoryIn, isReadOnly } from './copy-up.ts';
import { emptyDirectory, findName, isDir, removeName, touch, touchChange } from './inodes.ts';
import { lookupNode, lowerPositive } from './lookup.ts';
import { address, reserve } from './memory.ts';
import { branchCount, branchFlags, branchOf, hold, isWritable, killNode, letGo, mountOf, stackAt, topInode } from './nodes.ts';
import { aufsHides, hasWhiteoutMark, isAufs, isListedWhiteout, isReservedName, putWhiteout } from './whiteouts.ts';

const AUFS_NAME_MAX: u32 = 242;

/** True when the entry `dentry` of branch `index` shows in the merged list of the directory. D1. */
export function isListed(node: u32, index: u32, dentry: u32): bool {
  const mount = mountOf(node);
  const name = dentry + D_NAME;
  const length = <u32>load<u8>(dentry + D_LENGTH);
  if (isAufs(mount)) return isListedAufs(node, index, name, length);
  const count = load<u32>(node + N_COUNT);
  if (load<u32>(mount + M_FLAVOUR) == FLAVOUR_PLAIN || count == 1) return true;
  const own = stackAt(node, index);
  // The mark "x" counts on the mount's middle layers only.
  const marked = !isWritable(mount, own) && hasWhiteoutMark(mount, own) && branchOf(mount, own) + 1 < branchCount(mount);
  if (isListedWhiteout(mount, load<u32>(dentry + D_INODE), marked)) return false;
  for (let above: u32 = 0; above < index; above++) if (findName(stackAt(node, above), name, length) != 0) return false;
  return true;
}

function isListedAufs(node: u32, index: u32, name: u32, length: u32): bool {
  if (isReservedName(name, length)) return false;
  const mount = mountOf(node);
  for (let above: u32 = 0; above <= index; above++) {
    const dir = stackAt(node, above);
    const hiding = (branchFlags(mount, branchOf(mount, dir)) & (BRANCH_RW | BRANCH_WH)) != 0;
    if (hiding && aufsHides(dir, name, length) != 0) return false;
    if (above < index && findName(dir, name, length) != 0) return false;
  }
  return true;
}

function isEmptyMerged(node: u32): bool {
  const count = load<u32>(node + N_COUNT);
  const mount = mountOf(node);
  for (let index: u32 = 0; index < count; index++) {
    for (let dentry = load<u32>(stackAt(node, index) + I_WHAT); dentry != 0; dentry = load<u32>(dentry + D_AFTER)) {
      if (!isAufs(mount) && isListedWhiteout(mount, load<u32>(dentry + D_INODE), false)) continue;
      if (isListed(node, index, dentry)) return false;
    }
  }
  return true;
}

/** ENOTEMPTY, or 0 for a directory that may go. `hides` is true when something below its name would show. */
export function checkEmpty(node: u32, writable: u32, hides: bool): i32 {
  const pureUpper = load<u32>(node + N_COUNT) == 1 && writable != 0;
  if (pureUpper && !hides && !isAufs(mountOf(node))) return load<u32>(topInode(node) + I_COUNT) == 0 ? 0 : ENOTEMPTY;
  return isEmptyMerged(node) ? 0 : ENOTEMPTY;
}

/** Takes what lies under the name in a writable branch away, whiteouts in a directory too. */
export function dropName(dentry: u32): void {
  const inode = load<u32>(dentry + D_INODE);
  if (isDir(inode)) emptyDirectory(inode);
  else touchChange(inode);
  removeName(dentry);
}

/** unlink(2) of the name in PATH_A. */
export function unlink(at: i32, length: u32): i32 {
  return remove(address(at), length, false);
}

/** rmdir(2) of the name in PATH_A. Whether it is a mount point is the caller's to check (EBUSY). */
export function rmdir(at: i32, length: u32): i32 {
  return remove(address(at), length, true);
}

function remove(dir: u32, length: u32, directory: bool): i32 {
  const mount = mountOf(dir);
  if (isReadOnly(mount)) return EROFS;
  const found = lookupNode(dir, PATH_A, length);
  if (found < 0) return found;
  const node = address(found);
  if (isDir(topInode(node)) != directory) return directory ? ENOTDIR : EISDIR;
  if (isAufs(mount) && length > AUFS_NAME_MAX) return ENAMETOOLONG;
  const branch = branchForChange(dir, branchOf(mount, topInode(node)));
  if (branch < 0) return branch;
  const refused = directory ? checkRemovable(dir, node, <u32>branch, length) : 0;
  if (refused < 0) return refused;
  const place = directoryIn(dir, <u32>branch);
  if (place < 0) return place;
  if (!reserve()) return ENOSPC;
  const parent = address(place);
  const hides = lowerPositive(dir, parent, PATH_A, length);
  hold(node);
  const dentry = findName(parent, PATH_A, length);
  if (dentry != 0) dropName(dentry);
  if (hides) putWhiteout(mount, parent, PATH_A, length);
  touch(parent);
  killNode(node);
  letGo(node);
  return 0;
}

function checkRemovable(dir: u32, node: u32, branch: u32, length: u32): i32 {
  const mount = mountOf(dir);
  const own = branchOf(mount, topInode(node)) == branch ? topInode(node) : 0;
  return checkEmpty(node, own, own == 0 || lowerPositiveBelow(dir, branch, length));
}

/** As `lowerPositive`, for a directory that may not be in that branch yet. */
export function lowerPositiveBelow(dir: u32, branch: u32, length: u32): bool {
  const mount = mountOf(dir);
  const count = load<u32>(dir + N_COUNT);
  for (let index: u32 = 0; index < count; index++) {
    const inode = stackAt(dir, index);
    if (branchOf(mount, inode) == branch) return lowerPositive(dir, inode, PATH_A, length);
  }
  return true;
}
