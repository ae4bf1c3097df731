/**
 * AUFS: hard links survive a copy-up. The copy gets a further name in `.wh..wh.plnk`, made of the source's number, by which
 * the source's other names find it. Linux: fs/aufs/plink.c.
 */
import { BRANCH_RW, D_INODE, I_MODE, L_ROOT, NAME_TMP, S_IFDIR } from './abi.ts';
import { addName, findName, newInode } from './inodes.ts';
import { handle } from './memory.ts';
import { branchCount, branchFlags, branchLayer, branchOf } from './nodes.ts';

const PLNK: u32 = <u32>memory.data<u8>([46, 119, 104, 46, 46, 119, 104, 46, 112, 108, 110, 107]);
const KEY: u32 = NAME_TMP + 512;

/** "INODE.BRANCH" in decimal. */
function keyOf(mount: u32, source: u32): u32 {
  let length = writeNumber(KEY, <u32>handle(source));
  store<u8>(KEY + length++, 0x2e);
  return length + writeNumber(KEY + length, branchOf(mount, source));
}

function writeNumber(at: u32, value: u32): u32 {
  let digits: u32 = 1;
  for (let rest = value; rest >= 10; rest /= 10) digits++;
  for (let index = digits; index > 0; index--) {
    store<u8>(at + index - 1, <u8>(0x30 + (value % 10)));
    value /= 10;
  }
  return digits;
}

function linkDirectory(layer: u32): u32 {
  const dentry = findName(load<u32>(layer + L_ROOT), PLNK, 12);
  return dentry == 0 ? 0 : load<u32>(dentry + D_INODE);
}

/** The copy of `source` in a writable branch, or 0. */
export function findPseudoLink(mount: u32, source: u32): u32 {
  const length = keyOf(mount, source);
  for (let index: u32 = 0; index < branchCount(mount); index++) {
    if ((branchFlags(mount, index) & BRANCH_RW) == 0) continue;
    const directory = linkDirectory(branchLayer(mount, index));
    const dentry = directory == 0 ? 0 : findName(directory, KEY, length);
    if (dentry != 0) return load<u32>(dentry + D_INODE);
  }
  return 0;
}

export function addPseudoLink(mount: u32, layer: u32, source: u32, copy: u32): void {
  let directory = linkDirectory(layer);
  if (directory == 0) {
    directory = newInode(layer, S_IFDIR | 0x1c0, 0, 0, 0);
    addName(load<u32>(layer + L_ROOT), PLNK, 12, directory);
  }
  if ((load<u32>(copy + I_MODE) & 0xf000) == S_IFDIR) return;
  addName(directory, KEY, keyOf(mount, source), copy);
}
