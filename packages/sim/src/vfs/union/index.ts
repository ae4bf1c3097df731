export { errnoName, makeDevice, RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT, splitDevice, XATTR_CREATE, XATTR_REPLACE } from './abi.ts';
export { createByteStore, openMemfsStore, type AdoptedBytes, type ByteStore } from './byte-store.ts';
export { changesOfLayer } from './changes.ts';
export { DirectoryStream } from './directory-stream.ts';
export { type InodeAttributes, type LayerEntry, LayerFiles } from './layer-files.ts';
export { loadLayer, openLoader, type Loader, type LoadOptions } from './load-layer.ts';
export type { UnionEntry, UnionStat, UnionTime } from './scratch.ts';
export { openUnion, Union, type AttributeChanges, type MountBranch, type MountOptions, type NewObject, type UnionSnapshot, type WalkResult } from './union.ts';
