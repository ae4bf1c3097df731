/** Copy-up: rules C1 to C6. Linux: fs/overlayfs/copy_up.c; for AUFS with its policy "top-down-parent", fs/aufs/wbr_policy.c. */
import {
  BRANCH_RW, EEXIST, ENAMETOOLONG, ENOSPC, ENOTDIR, EROFS, I_NLINK, I_SIZE, L_BYTES, L_LIMIT, M_FLAGS, MOUNT_RDONLY, N_COUNT, N_FLAGS, N_INO, N_PARENT, NODE_PSEUDO_LINK, S_IFREG, STACK_TMP,
} from './abi.ts';
import { addName, cloneInode, isDir, setOrigin, typeOf } from './inodes.ts';
import { address, changed, handle, reserve } from './memory.ts';
import { branchFlags, branchLayer, branchOf, isDead, isWritable, keyLength, keyName, mountOf, setStack, stackAt, topInode } from './nodes.ts';
import { addPseudoLink } from './pseudo-links.ts';
import { isAufs, usesUserXattr } from './whiteouts.ts';

/** AUFS: longer names leave no room for `.wh.` and what it puts after it. */
const AUFS_NAME_MAX: u32 = 242;

@inline
export function isReadOnly(mount: u32): bool {
  return (load<u32>(mount + M_FLAGS) & MOUNT_RDONLY) != 0;
}

/** The branch that a change of an object in `branch` goes to, below the directory `dir`; EROFS where there is none. */
export function branchForChange(dir: u32, branch: u32): i32 {
  const mount = mountOf(dir);
  if ((branchFlags(mount, branch) & BRANCH_RW) != 0) return <i32>branch;
  const count = load<u32>(dir + N_COUNT);
  for (let index: u32 = 0; index < count; index++) {
    const candidate = branchOf(mount, stackAt(dir, index));
    if (candidate >= branch) break;
    if ((branchFlags(mount, candidate) & BRANCH_RW) != 0) return <i32>candidate;
  }
  for (let candidate = <i32>branch - 1; candidate >= 0; candidate--) if ((branchFlags(mount, <u32>candidate) & BRANCH_RW) != 0) return candidate;
  return EROFS;
}

/** The branch that a new object in `dir` goes to: the highest writable one that has the directory. */
export function branchForNew(dir: u32): i32 {
  const mount = mountOf(dir);
  const count = load<u32>(dir + N_COUNT);
  for (let index: u32 = 0; index < count; index++) {
    const candidate = branchOf(mount, stackAt(dir, index));
    if ((branchFlags(mount, candidate) & BRANCH_RW) != 0) return <i32>candidate;
  }
  return branchForChange(dir, branchOf(mount, topInode(dir)));
}

/** C2: the directory in that branch, made with its parents where it is missing. The handle of its inode, or -errno. */
export function directoryIn(node: u32, branch: u32): i32 {
  const mount = mountOf(node);
  const count = load<u32>(node + N_COUNT);
  for (let index: u32 = 0; index < count; index++) if (branchOf(mount, stackAt(node, index)) == branch) return handle(stackAt(node, index));
  if (isDead(node)) return ENOTDIR;
  const parent = directoryIn(load<u32>(node + N_PARENT), branch);
  if (parent < 0) return parent;
  if (!reserve()) return ENOSPC;
  if (isAufs(mount) && keyLength(node) > AUFS_NAME_MAX) return ENAMETOOLONG;
  const source = topInode(node);
  const copy = cloneInode(source, branchLayer(mount, branch), usesUserXattr(mount), true);
  setOrigin(copy, source);
  // The parent's times stay as they were: its list has not changed.
  addName(address(parent), keyName(node), keyLength(node), copy);
  insertInode(node, copy, branch);
  changed();
  return handle(copy);
}

function insertInode(node: u32, inode: u32, branch: u32): void {
  const mount = mountOf(node);
  const count = load<u32>(node + N_COUNT);
  let at: u32 = 0;
  while (at < count && branchOf(mount, stackAt(node, at)) < branch) at++;
  for (let index: u32 = 0; index < count; index++) store<u32>(STACK_TMP + ((index < at ? index : index + 1) << 2), stackAt(node, index));
  store<u32>(STACK_TMP + (at << 2), inode);
  setStack(node, STACK_TMP, count + 1);
}

/** Where a change of the directory's own list goes: the handle of that inode, or -errno. */
export function directoryForNew(dir: u32): i32 {
  const branch = branchForNew(dir);
  return branch < 0 ? branch : directoryIn(dir, <u32>branch);
}

/** Makes the object writable under its name: 0, or -errno. `withData` is false for O_TRUNC, which copies none (C4). */
export function copyUpNode(node: u32, withData: bool): i32 {
  const mount = mountOf(node);
  const source = topInode(node);
  const linked = (load<u32>(node + N_FLAGS) & NODE_PSEUDO_LINK) != 0;
  if (isReadOnly(mount)) return EROFS;
  if (isWritable(mount, source) && !linked) return 0;
  // C6: a removed object that was never copied up can't be any more. A directory would have to replace the whiteout.
  if (isDead(node)) return isDir(source) ? ENOTDIR : EEXIST;
  const dir = load<u32>(node + N_PARENT);
  if (dir == 0) return EROFS;
  const branch = branchForChange(dir, branchOf(mount, source));
  if (branch < 0) return branch;
  if (isDir(source)) {
    const copy = directoryIn(node, <u32>branch);
    return copy < 0 ? copy : 0;
  }
  const parent = directoryIn(dir, <u32>branch);
  if (parent < 0) return parent;
  if (!reserve()) return ENOSPC;
  if (isAufs(mount) && keyLength(node) > AUFS_NAME_MAX) return ENAMETOOLONG;
  if (linked) {
    addName(address(parent), keyName(node), keyLength(node), source);
    store<u32>(node + N_FLAGS, load<u32>(node + N_FLAGS) & ~NODE_PSEUDO_LINK);
    changed();
    return 0;
  }
  return copyFile(node, source, address(parent), branchLayer(mount, <u32>branch), withData);
}

function copyFile(node: u32, source: u32, parent: u32, layer: u32, withData: bool): i32 {
  const mount = mountOf(node);
  if (typeOf(source) == S_IFREG && withData && load<f64>(layer + L_BYTES) + load<f64>(source + I_SIZE) > load<f64>(layer + L_LIMIT)) return ENOSPC;
  const copy = cloneInode(source, layer, usesUserXattr(mount), withData);
  const single = load<u32>(source + I_NLINK) == 1;
  // With userxattr a symbolic link or device can't have the attribute `origin`: only this node remembers the number.
  if (single && (typeOf(source) == S_IFREG || !usesUserXattr(mount))) setOrigin(copy, source);
  // H1: a hard link is broken, and the copy is an object of its own. AUFS keeps it.
  if (!single && !isAufs(mount)) store<u32>(node + N_INO, <u32>handle(copy));
  addName(parent, keyName(node), keyLength(node), copy);
  if (isAufs(mount) && load<u32>(source + I_NLINK) > 1) {
    setOrigin(copy, source);
    addPseudoLink(mount, layer, source, copy);
  }
  replaceInode(node, copy);
  changed();
  return 0;
}

/** The only inode of a node that is no directory. */
export function replaceInode(node: u32, inode: u32): void {
  store<u32>(STACK_TMP, inode);
  setStack(node, STACK_TMP, 1);
}
