/**
 * Nodes: what a mounted tree shows, one a name, made when first looked up (Linux: a dentry with its overlay inode).
 * A node stays the same over copy-up and rename. It is freed when it has no name and no holder, or by `shrink`.
 */
import {
  BRANCH_RW, FLAVOUR_OVERLAY, FLAVOUR_PLAIN, H_NODES, I_LAYER, I_NLINK, I_PINS, K_LENGTH, K_NAME, K_NODE, M_BRANCHES, M_COUNT, M_FLAVOUR, M_NODES, N_CHILDREN, N_COUNT, N_FLAGS, N_INO, N_KEY, N_MOUNT,
  N_PARENT, N_REFS, N_STACK, NODE_DEAD, NODE_SIZE, R_NEXT, T_BUCKETS, T_MASK,
} from './abi.ts';
import { freeUnused, isDir, originOf } from './inodes.ts';
import { alloc, changed, handle, release } from './memory.ts';
import { findRecord, hashName, insertRecord, removeRecord } from './table.ts';

@inline
export function topInode(node: u32): u32 {
  return stackAt(node, 0);
}

@inline
export function stackAt(node: u32, index: u32): u32 {
  const stack = load<u32>(node + N_STACK);
  return load<u32>(node + N_COUNT) <= 1 ? stack : load<u32>(stack + (index << 2));
}

@inline
export function mountOf(node: u32): u32 {
  return load<u32>(node + N_MOUNT);
}

@inline
export function isDead(node: u32): bool {
  return (load<u32>(node + N_FLAGS) & NODE_DEAD) != 0;
}

@inline
export function keyName(node: u32): u32 {
  return load<u32>(node + N_KEY) + K_NAME;
}

@inline
export function keyLength(node: u32): u32 {
  return load<u8>(load<u32>(node + N_KEY) + K_LENGTH);
}

/** Index of the branch whose layer the inode belongs to. */
export function branchOf(mount: u32, inode: u32): u32 {
  const layer = load<u32>(inode + I_LAYER);
  const branches = load<u32>(mount + M_BRANCHES);
  let index: u32 = 0;
  while (load<u32>(branches + (index << 3)) != layer) index++;
  return index;
}

@inline
export function branchLayer(mount: u32, index: u32): u32 {
  return load<u32>(load<u32>(mount + M_BRANCHES) + (index << 3));
}

@inline
export function branchFlags(mount: u32, index: u32): u32 {
  return load<u32>(load<u32>(mount + M_BRANCHES) + (index << 3) + 4);
}

/** True when the inode lies in a branch that the mount writes to: an overlay's upper layer. */
export function isWritable(mount: u32, inode: u32): bool {
  if (load<u32>(mount + M_FLAVOUR) <= FLAVOUR_OVERLAY) return (branchFlags(mount, 0) & BRANCH_RW) != 0 && load<u32>(inode + I_LAYER) == branchLayer(mount, 0);
  return (branchFlags(mount, branchOf(mount, inode)) & BRANCH_RW) != 0;
}

/** The node's inode in the top branch, where that is an overlay's upper layer; 0 where it has none. */
@inline
export function upperOf(node: u32): u32 {
  const top = topInode(node);
  return isWritable(mountOf(node), top) ? top : 0;
}

/** I1: st_ino is that of the object it was copied up from, and stays. `below` is the directory's next branch, or 0. */
export function publicIno(mount: u32, top: u32, below: u32): u32 {
  if (load<u32>(mount + M_FLAVOUR) == FLAVOUR_PLAIN || !isWritable(mount, top)) return <u32>handle(top);
  // overlayfs takes the number of what it merges with; AUFS' own numbers follow the object that was copied.
  if (below != 0 && load<u32>(mount + M_FLAVOUR) == FLAVOUR_OVERLAY) return <u32>handle(below);
  const origin = originOf(top);
  return origin == 0 ? <u32>handle(top) : origin;
}

export function findNode(parent: u32, name: u32, length: u32, hash: u32): u32 {
  const key = findRecord(H_NODES, parent, name, length, hash, K_LENGTH);
  return key == 0 ? 0 : load<u32>(key + K_NODE);
}

/** A node for the inodes at `stack`, top first. */
export function newNode(mount: u32, parent: u32, name: u32, length: u32, stack: u32, count: u32): u32 {
  const node = alloc(NODE_SIZE);
  store<u32>(node + N_PARENT, parent);
  store<u32>(node + N_MOUNT, mount);
  setStack(node, stack, count);
  store<u32>(node + N_INO, publicIno(mount, topInode(node), count > 1 ? stackAt(node, 1) : 0));
  store<u32>(mount + M_NODES, load<u32>(mount + M_NODES) + 1);
  if (parent == 0) return node;
  store<u32>(parent + N_CHILDREN, load<u32>(parent + N_CHILDREN) + 1);
  setKey(node, parent, name, length);
  return node;
}

function setKey(node: u32, parent: u32, name: u32, length: u32): void {
  const key = alloc(K_NAME + length);
  store<u32>(key + K_NODE, node);
  store<u8>(key + K_LENGTH, <u8>length);
  memory.copy(key + K_NAME, name, length);
  store<u32>(node + N_KEY, key);
  insertRecord(H_NODES, key, parent, hashName(name, length));
}

/** Gives the node these inodes, and lets go of those it had. The list may be the node's own. */
export function setStack(node: u32, stack: u32, count: u32): void {
  let list = load<u32>(stack);
  if (count > 1) {
    list = alloc(count << 2);
    memory.copy(list, stack, count << 2);
  }
  for (let index: u32 = 0; index < count; index++) pin(load<u32>(stack + (index << 2)));
  dropStack(node);
  store<u32>(node + N_STACK, list);
  store<u32>(node + N_COUNT, count);
}

function dropStack(node: u32): void {
  const count = load<u32>(node + N_COUNT);
  if (count == 0) return;
  for (let index: u32 = 0; index < count; index++) unpin(stackAt(node, index));
  if (count > 1) release(load<u32>(node + N_STACK), count << 2);
  store<u32>(node + N_COUNT, 0);
}

export function pin(inode: u32): void {
  store<u32>(inode + I_PINS, load<u32>(inode + I_PINS) + 1);
}

export function unpin(inode: u32): void {
  store<u32>(inode + I_PINS, load<u32>(inode + I_PINS) - 1);
  freeUnused(inode);
}

/** Moves the node to another name, as rename(2) does. */
export function moveNode(node: u32, parent: u32, name: u32, length: u32): void {
  const key = load<u32>(node + N_KEY);
  removeRecord(H_NODES, key);
  release(key, K_NAME + load<u8>(key + K_LENGTH));
  const old = load<u32>(node + N_PARENT);
  store<u32>(node + N_PARENT, parent);
  store<u32>(parent + N_CHILDREN, load<u32>(parent + N_CHILDREN) + 1);
  store<u32>(old + N_CHILDREN, load<u32>(old + N_CHILDREN) - 1);
  setKey(node, parent, name, length);
  changed();
}

/** The node loses its name. It stays for those who hold it. */
export function killNode(node: u32): void {
  removeRecord(H_NODES, load<u32>(node + N_KEY));
  store<u32>(node + N_FLAGS, load<u32>(node + N_FLAGS) | NODE_DEAD);
  changed();
  freeIfUnheld(node);
}

function freeIfUnheld(node: u32): void {
  if (isDead(node) && load<u32>(node + N_REFS) == 0 && load<u32>(node + N_CHILDREN) == 0) freeNode(node);
}

/** Frees a node that is in no table. */
function freeNode(node: u32): void {
  const parent = load<u32>(node + N_PARENT);
  const mount = mountOf(node);
  dropStack(node);
  const key = load<u32>(node + N_KEY);
  if (key != 0) release(key, K_NAME + load<u8>(key + K_LENGTH));
  release(node, NODE_SIZE);
  store<u32>(mount + M_NODES, load<u32>(mount + M_NODES) - 1);
  if (parent == 0) return;
  store<u32>(parent + N_CHILDREN, load<u32>(parent + N_CHILDREN) - 1);
  freeIfUnheld(parent);
}

/** Keeps the node for an open file, a working directory or a mount point. */
export function hold(node: u32): void {
  store<u32>(node + N_REFS, load<u32>(node + N_REFS) + 1);
}

export function letGo(node: u32): void {
  store<u32>(node + N_REFS, load<u32>(node + N_REFS) - 1);
  freeIfUnheld(node);
}

/** Frees all nodes of `mount` (0: of all) that nobody holds, deepest first. Their handles are void afterwards. */
export function shrinkNodes(mount: u32): void {
  for (let freed = true; freed; ) {
    freed = false;
    const size = load<u32>(H_NODES + T_MASK) + 1;
    for (let bucket: u32 = 0; bucket < size; bucket++) {
      let key = load<u32>(load<u32>(H_NODES + T_BUCKETS) + (bucket << 2));
      while (key != 0) {
        const next = load<u32>(key + R_NEXT);
        const node = load<u32>(key + K_NODE);
        if (load<u32>(node + N_REFS) == 0 && load<u32>(node + N_CHILDREN) == 0 && (mount == 0 || mountOf(node) == mount)) {
          removeRecord(H_NODES, key);
          freeNode(node);
          freed = true;
        }
        key = next;
      }
    }
  }
  changed();
}

/** Frees a mount's root, and whatever is held below it: the mount is gone. */
export function dropRoot(root: u32): void {
  freeNode(root);
}

/** Links as stat(2) tells them: D4 for directories, removed ones too; H1 for files. */
export function linksOf(node: u32): u32 {
  const inode = topInode(node);
  const nlink = load<u32>(inode + I_NLINK);
  if (!isDir(inode)) return nlink;
  if (load<u32>(node + N_COUNT) > 1) return 1;
  // Its "." is the last of a removed directory.
  return nlink == 1 ? 0 : nlink;
}

export function branchCount(mount: u32): u32 {
  return load<u32>(mount + M_COUNT);
}
