/** Lookup and merging: rules L1 to L8, and AUFS' of 1.12. Linux: ovl_lookup() in fs/overlayfs/namei.c, au_lkup_dentry() in fs/aufs/dentry.c. */
import {
  BRANCH_RW, BRANCH_WH, D_INODE, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, EPERM, FLAVOUR_PLAIN, I_ATIME, I_ATIME_NS, I_CTIME_NS, I_MODE, I_NLINK, I_UID, I_GID, I_SIZE, I_WHAT, K_LENGTH,
  K_NAME, M_FLAVOUR, N_COUNT, N_FLAGS, N_INO, N_KEY, N_MOUNT, N_PARENT, NODE_PSEUDO_LINK, PATH_A, PATH_B, S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, STACK_TMP, STAT,
} from './abi.ts';
import { dataNumber, findHashed, isDir, typeOf } from './inodes.ts';
import { address, handle, reserve } from './memory.ts';
import { branchFlags, branchOf, findNode, isDead, linksOf, mountOf, newNode, stackAt, topInode, upperOf } from './nodes.ts';
import { findPseudoLink } from './pseudo-links.ts';
import { hashName } from './table.ts';
import { aufsHides, hasRedirect, isAufs, isMetacopy, isOpaque, isReservedName, isWhiteout } from './whiteouts.ts';

/** The node of a name, as its address; or -errno. Made when it isn't there yet. */
export function lookupNode(dir: u32, name: u32, length: u32): i32 {
  if (!isDir(topInode(dir))) return ENOTDIR;
  if (length > 255) return ENAMETOOLONG;
  const hash = hashName(name, length);
  const known = findNode(dir, name, length, hash);
  if (known != 0) return handle(known);
  if (isDead(dir)) return ENOENT;
  const mount = mountOf(dir);
  const aufs = isAufs(mount);
  if (aufs && isReservedName(name, length)) return EPERM;
  const count = aufs ? collectAufs(mount, dir, name, length, hash) : collectOverlay(mount, dir, name, length, hash);
  if (count < 0) return count;
  if (count == 0) return ENOENT;
  if (!reserve()) return ENOSPC;
  const found = load<u32>(STACK_TMP);
  const linked = aufs && load<u32>(found + I_NLINK) > 1 && !isDir(found) ? findPseudoLink(mount, found) : 0;
  if (linked == 0) return handle(newNode(mount, dir, name, length, STACK_TMP, <u32>count));
  const ino = handle(found);
  store<u32>(STACK_TMP, linked);
  const node = newNode(mount, dir, name, length, STACK_TMP, 1);
  store<u32>(node + N_INO, <u32>ino);
  store<u32>(node + N_FLAGS, NODE_PSEUDO_LINK);
  return handle(node);
}

/** L1, L2: the inodes that a name stands for, top first, into STACK_TMP. Their number, or -errno. */
function collectOverlay(mount: u32, dir: u32, name: u32, length: u32, hash: u32): i32 {
  const plain = load<u32>(mount + M_FLAVOUR) == FLAVOUR_PLAIN;
  const branches = load<u32>(dir + N_COUNT);
  let count: u32 = 0;
  for (let index: u32 = 0; index < branches; index++) {
    const dentry = findHashed(stackAt(dir, index), name, length, hash);
    if (dentry == 0) continue;
    const inode = load<u32>(dentry + D_INODE);
    if (!plain && isWhiteout(mount, inode)) break;
    const directory = isDir(inode);
    if (!directory && count > 0) break;
    if (!plain && isMetacopy(mount, inode)) return EPERM;
    store<u32>(STACK_TMP + (count << 2), inode);
    count++;
    if (!directory || isOpaque(mount, inode)) break;
    // L7: redirect_dir=nofollow refuses what would merge with another name's directory.
    if (hasRedirect(mount, inode) && index + 1 < branches) return EPERM;
  }
  return <i32>count;
}

/** AUFS: whiteouts count on branches that may have them; an object of another type than the first is passed over. */
function collectAufs(mount: u32, dir: u32, name: u32, length: u32, hash: u32): i32 {
  const branches = load<u32>(dir + N_COUNT);
  let count: u32 = 0;
  for (let index: u32 = 0; index < branches; index++) {
    const parent = stackAt(dir, index);
    if ((branchFlags(mount, branchOf(mount, parent)) & (BRANCH_RW | BRANCH_WH)) != 0) {
      const hidden = aufsHides(parent, name, length);
      if (hidden < 0) return hidden;
      if (hidden > 0) break;
    }
    const dentry = findHashed(parent, name, length, hash);
    if (dentry == 0) continue;
    const inode = load<u32>(dentry + D_INODE);
    if (count > 0 && !isDir(inode)) continue;
    store<u32>(STACK_TMP + (count << 2), inode);
    count++;
    if (!isDir(inode) || isOpaque(mount, inode)) break;
  }
  return <i32>count;
}

/** A name, in PATH_A, of a directory. "." and ".." are the caller's. */
export function lookup(dir: i32, length: u32): i32 {
  return lookupNode(address(dir), PATH_A, length);
}

/**
 * Follows a path of `length` bytes in PATH_A as far as its components are directories. The result is the last node that was
 * reached; STAT says how many bytes are used up (+0) and which errno ended the walk (+4, 0 for none). It stops before "..",
 * and after a symbolic link or another object that is no directory. Permissions and mount points are the caller's.
 */
export function walk(dir: i32, length: u32): i32 {
  let node = dir;
  let at = PATH_A;
  const end = PATH_A + length;
  store<u32>(STAT + 4, 0);
  while (true) {
    while (at < end && load<u8>(at) == 0x2f) at++;
    if (at >= end) break;
    let next = at;
    while (next < end && load<u8>(next) != 0x2f) next++;
    if (next - at == 2 && load<u16>(at) == 0x2e2e) break;
    if (next - at != 1 || load<u8>(at) != 0x2e) {
      const found = lookupNode(address(node), at, next - at);
      if (found < 0) {
        store<u32>(STAT + 4, <u32>-found);
        break;
      }
      node = found;
      if (!isDir(topInode(address(node)))) {
        at = next;
        break;
      }
    }
    at = next;
  }
  store<u32>(STAT, at - PATH_A);
  return node;
}

/**
 * The lower object under a name of a directory: what a whiteout would have to hide. 0 where there is none.
 * Linux: ovl_lower_positive(). `upper` is the branch that is written to; only branches below it count.
 */
export function lowerPositive(dir: u32, upper: u32, name: u32, length: u32): bool {
  const mount = mountOf(dir);
  const branches = load<u32>(dir + N_COUNT);
  const hash = hashName(name, length);
  const above = branchOf(mount, upper);
  for (let index: u32 = 0; index < branches; index++) {
    const parent = stackAt(dir, index);
    const branch = branchOf(mount, parent);
    if (branch <= above) continue;
    if (isAufs(mount) && (branchFlags(mount, branch) & (BRANCH_RW | BRANCH_WH)) != 0 && aufsHides(parent, name, length) != 0) return false;
    const dentry = findHashed(parent, name, length, hash);
    if (dentry == 0) continue;
    return isAufs(mount) || !isWhiteout(mount, load<u32>(dentry + D_INODE));
  }
  return false;
}

/** What stat(2) shows of a node, into STAT. */
export function nodeStat(at: i32): void {
  const node = address(at);
  const inode = topInode(node);
  const type = typeOf(inode);
  store<u32>(STAT, <u32>handle(load<u32>(node + N_MOUNT)));
  store<u32>(STAT + 4, load<u32>(node + N_INO));
  store<u32>(STAT + 8, load<u32>(inode + I_MODE));
  store<u32>(STAT + 12, linksOf(node));
  store<u32>(STAT + 16, load<u32>(inode + I_UID));
  store<u32>(STAT + 20, load<u32>(inode + I_GID));
  store<u32>(STAT + 24, type == S_IFBLK || type == S_IFCHR ? load<u32>(inode + I_WHAT) : 0);
  store<u32>(STAT + 28, (upperOf(node) != 0 ? 1 : 0) | (load<u32>(node + N_COUNT) > 1 ? 2 : 0) | (isDead(node) ? 4 : 0));
  store<f64>(STAT + 32, type == S_IFDIR ? 4096 : load<f64>(inode + I_SIZE));
  memory.copy(STAT + 40, inode + I_ATIME, 24);
  memory.copy(STAT + 64, inode + I_ATIME_NS, I_CTIME_NS - I_ATIME_NS + 4);
  store<u32>(STAT + 76, dataNumber(inode));
  store<u32>(STAT + 80, load<u32>(node + N_COUNT));
}

/** The target of a symbolic link, into PATH_B. */
export function readlink(at: i32): i32 {
  const inode = topInode(address(at));
  if (typeOf(inode) != S_IFLNK) return -22;
  const length = <u32>load<f64>(inode + I_SIZE);
  memory.copy(PATH_B, load<u32>(inode + I_WHAT), length);
  return <i32>length;
}

/** The name of a node, into PATH_A; its parent's handle into STAT (0 for a root). For /proc/PID/cwd and error texts. */
export function nodeName(at: i32): i32 {
  const node = address(at);
  store<u32>(STAT, <u32>handle(load<u32>(node + N_PARENT)));
  const key = load<u32>(node + N_KEY);
  if (key == 0) return 0;
  const length = load<u8>(key + K_LENGTH);
  memory.copy(PATH_A, key + K_NAME, length);
  return <i32>length;
}

/** Handle of the inode of branch `index` of a node: AUFS checks the permissions of each (unless `dirperm1`). */
export function nodeInode(at: i32, index: u32): i32 {
  return index < load<u32>(address(at) + N_COUNT) ? handle(stackAt(address(at), index)) : ENOENT;
}

/** The mount's top branch where the object lies, by index: 0 is an overlay's upper layer. */
export function nodeBranch(at: i32): i32 {
  const node = address(at);
  return <i32>branchOf(mountOf(node), topInode(node));
}
