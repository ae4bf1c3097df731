/**
 * Numbers that the WebAssembly and its host share: where things lie in linear memory, record layouts, errno.
 * Linux counterparts: fs/overlayfs/ovl_entry.h, include/linux/fs.h. The host's copy is src/vfs/union/abi.ts.
 *
 * A *handle* is the address of a record divided by 8: always positive, so that a result is a handle or -errno.
 */

// Fixed places below the heap.
export const HEADER: u32 = 1024;
export const FREE_LISTS: u32 = 2048;
export const PATH_A: u32 = 4096;
export const PATH_B: u32 = 12288;
export const STAT: u32 = 20480;
export const NAME_TMP: u32 = 21504;
export const STACK_TMP: u32 = 24576;
export const BUFFER: u32 = 65536;
export const BUFFER_SIZE: u32 = 131072;
export const HEAP: u32 = 262144;

// Header cells. All state lies in memory, none in WebAssembly globals: a snapshot is a copy of memory.
export const H_TOP: u32 = HEADER;
export const H_USED: u32 = HEADER + 4;
export const H_GENERATION: u32 = HEADER + 8;
export const H_NAMES: u32 = HEADER + 16;
export const H_NODES: u32 = HEADER + 32;
export const H_TIME: u32 = HEADER + 48;
export const H_TIME_NS: u32 = HEADER + 56;
export const H_FREED: u32 = HEADER + 60;

/** Table: buckets, mask, count. */
export const T_BUCKETS: u32 = 0;
export const T_MASK: u32 = 4;
export const T_COUNT: u32 = 8;

/** Hashed records, in both tables: hash, owner (directory or parent), next in bucket. */
export const R_HASH: u32 = 0;
export const R_OWNER: u32 = 4;
export const R_NEXT: u32 = 8;

// Layer: root inode, users, entries, limit and use in bytes of data (f64).
export const LAYER_SIZE: u32 = 40;
export const L_ROOT: u32 = 0;
export const L_USERS: u32 = 4;
export const L_ENTRIES: u32 = 8;
export const L_LIMIT: u32 = 16;
export const L_BYTES: u32 = 24;

// Inode of a layer. Directories are longer.
export const INODE_SIZE: u32 = 88;
export const DIR_SIZE: u32 = 104;
export const I_MODE: u32 = 0;
export const I_UID: u32 = 4;
export const I_GID: u32 = 8;
export const I_NLINK: u32 = 12;
export const I_SIZE: u32 = 16;
export const I_ATIME: u32 = 24;
export const I_MTIME: u32 = 32;
export const I_CTIME: u32 = 40;
export const I_ATIME_NS: u32 = 48;
export const I_MTIME_NS: u32 = 52;
export const I_CTIME_NS: u32 = 56;
/** Device number, data record, symbolic link's target, or a directory's first name. */
export const I_WHAT: u32 = 60;
export const I_XATTRS: u32 = 64;
export const I_LAYER: u32 = 68;
/** Handle of the lower inode that this one was copied up from, 0 for none (`overlay.origin`). */
export const I_ORIGIN: u32 = 72;
export const I_FLAGS: u32 = 76;
/** Nodes that hold it. */
export const I_PINS: u32 = 80;
export const I_LAST: u32 = 88;
export const I_COUNT: u32 = 92;

// Name in a directory of a layer.
export const D_INODE: u32 = 12;
export const D_AFTER: u32 = 16;
export const D_BEFORE: u32 = 20;
export const D_LENGTH: u32 = 24;
export const D_NAME: u32 = 25;

// Data record: number of the host's file, inodes that share it.
export const DATA_SIZE: u32 = 8;

// Mount.
export const MOUNT_SIZE: u32 = 32;
export const M_FLAVOUR: u32 = 0;
export const M_FLAGS: u32 = 4;
export const M_ROOT: u32 = 8;
export const M_WHITEOUT: u32 = 12;
export const M_BRANCHES: u32 = 16;
export const M_COUNT: u32 = 20;
export const M_NODES: u32 = 24;

export const FLAVOUR_PLAIN: u32 = 0;
export const FLAVOUR_OVERLAY: u32 = 1;
export const FLAVOUR_AUFS: u32 = 2;
export const MOUNT_RDONLY: u32 = 1;
export const MOUNT_USERXATTR: u32 = 2;

// Branch permissions, as in aufs(5). An overlay's upper layer is BRANCH_RW, its lower ones BRANCH_RO | BRANCH_WH.
export const BRANCH_RW: u32 = 1;
export const BRANCH_WH: u32 = 2;

// Node: an object of a mounted tree, under one name.
export const NODE_SIZE: u32 = 40;
export const N_PARENT: u32 = 0;
export const N_MOUNT: u32 = 4;
/** Its inode; for directories of more than one branch the address of a list of inodes, top first. */
export const N_STACK: u32 = 8;
export const N_COUNT: u32 = 12;
export const N_REFS: u32 = 16;
/** Nodes whose parent it is, removed ones that are still held too. */
export const N_CHILDREN: u32 = 20;
export const N_INO: u32 = 24;
export const N_FLAGS: u32 = 28;
/** Its key in the table of nodes: hash, owner, next, then these. */
export const N_KEY: u32 = 32;
export const K_NODE: u32 = 12;
export const K_LENGTH: u32 = 16;
export const K_NAME: u32 = 17;
/** It has no name any more. */
export const NODE_DEAD: u32 = 1;
/** AUFS: its inode lies in a writable branch, its name does not yet. */
export const NODE_PSEUDO_LINK: u32 = 2;
/** Made by O_TMPFILE: link(2) may give it its first name. */
export const NODE_UNNAMED: u32 = 4;

// Flags of an inode that come from its extended attributes: `trusted.` as they are, `user.` shifted by 8.
export const X_OPAQUE: u32 = 1;
export const X_WHITEOUTS: u32 = 2;
export const X_WHITEOUT: u32 = 4;
export const X_REDIRECT: u32 = 8;
export const X_METACOPY: u32 = 16;

export const S_IFMT: u32 = 0xf000;
export const S_IFLNK: u32 = 0xa000;
export const S_IFREG: u32 = 0x8000;
export const S_IFBLK: u32 = 0x6000;
export const S_IFDIR: u32 = 0x4000;
export const S_IFCHR: u32 = 0x2000;
export const S_ISUID: u32 = 0x800;
export const S_ISGID: u32 = 0x400;

export const EPERM: i32 = -1;
export const ENOENT: i32 = -2;
export const EIO: i32 = -5;
export const E2BIG: i32 = -7;
export const EACCES: i32 = -13;
export const EEXIST: i32 = -17;
export const EXDEV: i32 = -18;
export const ENOTDIR: i32 = -20;
export const EISDIR: i32 = -21;
export const EINVAL: i32 = -22;
export const ENOSPC: i32 = -28;
export const EROFS: i32 = -30;
export const ERANGE: i32 = -34;
export const ENAMETOOLONG: i32 = -36;
export const ENOTEMPTY: i32 = -39;
export const ENODATA: i32 = -61;
export const EOPNOTSUPP: i32 = -95;

export const RENAME_NOREPLACE: u32 = 1;
export const RENAME_EXCHANGE: u32 = 2;
export const RENAME_WHITEOUT: u32 = 4;
export const XATTR_CREATE: u32 = 1;
export const XATTR_REPLACE: u32 = 2;
