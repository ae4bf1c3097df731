/** The host's copy of the numbers in assembly/abi.ts: a test compares them. */

export const H_FREED = 1084;
export const PATH_A = 4096;
export const PATH_B = 12288;
export const STAT = 20480;
export const BUFFER = 65536;
export const BUFFER_SIZE = 131072;

export const FLAVOURS = { plain: 0, overlay: 1, aufs: 2 } as const;
export const MOUNT_RDONLY = 1;
export const MOUNT_USERXATTR = 2;
export const BRANCH_RW = 1;
export const BRANCH_WH = 2;

export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;
export const RENAME_WHITEOUT = 4;
export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;

/** Names of the errno that operations give, by number. */
export const ERRNO_NAMES: Readonly<Record<number, string>> = {
  1: 'EPERM', 2: 'ENOENT', 5: 'EIO', 7: 'E2BIG', 13: 'EACCES', 16: 'EBUSY', 17: 'EEXIST', 18: 'EXDEV', 20: 'ENOTDIR', 21: 'EISDIR', 22: 'EINVAL', 27: 'EFBIG', 28: 'ENOSPC', 30: 'EROFS', 34: 'ERANGE', 36: 'ENAMETOOLONG', 39: 'ENOTEMPTY', 40: 'ELOOP',
  61: 'ENODATA', 95: 'EOPNOTSUPP',
};

/** `ENOENT` for -2. */
export function errnoName(result: number): string {
  return ERRNO_NAMES[-result] ?? `errno ${String(-result)}`;
}

/** st_rdev as the assembly keeps it, of the form of makedev(3) for 12-bit majors and 20-bit minors. */
export function makeDevice(major: number, minor: number): number {
  return ((major << 20) | minor) >>> 0;
}

export function splitDevice(device: number): { readonly major: number; readonly minor: number } {
  return { major: device >>> 20, minor: device & 0xfffff };
}
