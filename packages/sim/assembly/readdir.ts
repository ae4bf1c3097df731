/** Merged lists of directories: rules D1 to D3, L5. Linux: fs/overlayfs/readdir.c. */
import { BUFFER, BUFFER_SIZE, D_AFTER, D_INODE, D_LENGTH, D_NAME, ENOTDIR, I_MODE, I_WHAT, M_FLAVOUR, FLAVOUR_AUFS, N_COUNT, N_INO } from './abi.ts';
import { findName, isDir } from './inodes.ts';
import { address } from './memory.ts';
import { findNode, mountOf, publicIno, stackAt, topInode } from './nodes.ts';
import { isListed } from './remove.ts';
import { hashName } from './table.ts';
import { isOpaque, isWhiteout } from './whiteouts.ts';

/**
 * Entries from the `skip`th on, into the buffer: {ino u32, mode u32, length u8, name}, without "." and "..". The result is
 * their number, 0 at the end. Upper entries come first, each branch in the order of creation.
 */
export function readdir(at: i32, skip: u32): i32 {
  const node = address(at);
  if (!isDir(topInode(node))) return ENOTDIR;
  const count = load<u32>(node + N_COUNT);
  let out = BUFFER;
  let written: i32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    for (let dentry = load<u32>(stackAt(node, index) + I_WHAT); dentry != 0; dentry = load<u32>(dentry + D_AFTER)) {
      if (!isListed(node, index, dentry)) continue;
      if (skip > 0) {
        skip--;
        continue;
      }
      const length = <u32>load<u8>(dentry + D_LENGTH);
      if (out + 9 + length > BUFFER + BUFFER_SIZE) return written;
      store<u32>(out, inoOf(node, index, dentry));
      store<u32>(out + 4, load<u32>(load<u32>(dentry + D_INODE) + I_MODE));
      memory.copy(out + 8, dentry + D_LENGTH, length + 1);
      out += 9 + length;
      written++;
    }
  }
  return written;
}

/** D3: d_ino is st_ino. */
function inoOf(node: u32, index: u32, dentry: u32): u32 {
  const length = <u32>load<u8>(dentry + D_LENGTH);
  const known = findNode(node, dentry + D_NAME, length, hashName(dentry + D_NAME, length));
  if (known != 0) return load<u32>(known + N_INO);
  const mount = mountOf(node);
  const inode = load<u32>(dentry + D_INODE);
  return publicIno(mount, inode, isDir(inode) ? nextDirectory(node, index, dentry) : 0);
}

/** The directory that the one of branch `index` would merge with next, or 0. */
function nextDirectory(node: u32, index: u32, dentry: u32): u32 {
  const mount = mountOf(node);
  if (load<u32>(mount + M_FLAVOUR) == FLAVOUR_AUFS || isOpaque(mount, load<u32>(dentry + D_INODE))) return 0;
  for (let below = index + 1; below < load<u32>(node + N_COUNT); below++) {
    const found = findName(stackAt(node, below), dentry + D_NAME, load<u8>(dentry + D_LENGTH));
    if (found == 0) continue;
    const inode = load<u32>(found + D_INODE);
    return isDir(inode) && !isWhiteout(mount, inode) ? inode : 0;
  }
  return 0;
}
