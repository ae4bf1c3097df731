/** What the host calls. One instance holds all layers and mounts of a simulated machine. */
import { H_GENERATION, H_NAMES, H_NODES, H_TIME, H_TIME_NS, H_TOP, H_USED } from './abi.ts';
import { address, initMemory } from './memory.ts';
import { hold as holdNode, letGo as letGoNode, shrinkNodes } from './nodes.ts';
import { initTable } from './table.ts';
import {
  copyUp, checkWritable, dataOf, dataReplace, dataSharesOf, dataWritten, getXattr, inodeLoadData, listXattr, removeXattr, setAttributes, setXattr, sizeAllowed, touchAccessTime,
} from './attributes.ts';
import { create, createUnnamed, link } from './create.ts';
import { takeFreed } from './inodes.ts';
import {
  entryAdd, entryFind, entryLink, entryList, entryRemove, entryReplace, inodeDropXattr, inodeGetXattr, inodeListXattrs, inodePutXattr, inodeSet, inodeStat, inodeTarget, layerBytes,
  layerCreate, layerDestroy, layerLimit, layerRoot,
} from './layers.ts';
import { lookup, nodeBranch, nodeInode, nodeName, nodeStat, readlink, walk } from './lookup.ts';
import { mountCreate, mountDestroy, mountRoot, mountSetReadOnly } from './mounts.ts';
import { readdir } from './readdir.ts';
import { rmdir, unlink } from './remove.ts';
import { rename } from './rename.ts';

export { copyUp, checkWritable, dataOf, dataReplace, dataSharesOf, dataWritten, getXattr, inodeLoadData, listXattr, removeXattr, setAttributes, setXattr, sizeAllowed, touchAccessTime };
export { create, createUnnamed, link };
export { takeFreed };
export {
  entryAdd, entryFind, entryLink, entryList, entryRemove, entryReplace, inodeDropXattr, inodeGetXattr, inodeListXattrs, inodePutXattr, inodeSet, inodeStat, inodeTarget, layerBytes,
  layerCreate, layerDestroy, layerLimit, layerRoot,
};
export { lookup, nodeBranch, nodeInode, nodeName, nodeStat, readlink, walk };
export { mountCreate, mountDestroy, mountRoot, mountSetReadOnly };
export { readdir };
export { rmdir, unlink };
export { rename };

/** Once, on fresh memory. */
export function init(): void {
  initMemory();
  initTable(H_NAMES);
  initTable(H_NODES);
}

/** The time that changes get: seconds since 1970 and nanoseconds. */
export function setTime(seconds: f64, nanoseconds: u32): void {
  store<f64>(H_TIME, seconds);
  store<u32>(H_TIME_NS, nanoseconds);
}

export function hold(node: i32): void {
  holdNode(address(node));
}

export function letGo(node: i32): void {
  letGoNode(address(node));
}

export function shrink(mount: i32): void {
  shrinkNodes(address(mount));
}

export function generation(): u32 {
  return load<u32>(H_GENERATION);
}

/** End of the memory in use: what a snapshot copies. */
export function memoryEnd(): u32 {
  return load<u32>(H_TOP);
}

/** Bytes in live records. */
export function memoryUsed(): u32 {
  return load<u32>(H_USED);
}
