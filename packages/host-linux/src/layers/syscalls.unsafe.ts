/**
 * The file system calls that Node lacks, through koffi: openat2(2), the *at calls, extended attributes. Loaded at first use.
 * Names are byte strings (one character per byte). Each call throws `SyscallError` with the errno's name.
 */
import { closeSync, constants } from 'node:fs';
import { koffi } from '../ffi/koffi.unsafe.ts';
import { SyscallError } from '@tsc-box/model';

const SYS_OPENAT2 = 437;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_IN_ROOT = 0x10;
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

type Call = (...args: readonly (number | bigint | Uint8Array | null)[]) => number;

interface Calls {
  readonly errno: () => string;
  readonly openat2: Call;
  readonly openat: Call;
  readonly mkdirat: Call;
  readonly mknodat: Call;
  readonly symlinkat: Call;
  readonly linkat: Call;
  readonly unlinkat: Call;
  readonly renameat: Call;
  readonly fchownat: Call;
  readonly utimensat: Call;
  readonly futimens: Call;
  readonly lsetxattr: Call;
  readonly lgetxattr: Call;
  readonly llistxattr: Call;
  readonly syncfs: Call;
}

let loaded: Calls | undefined;

function calls(): Calls {
  if (loaded !== undefined) return loaded;
  const ffi = koffi();
  const own = ffi.load(null);
  const names = new Map(Object.entries(ffi.os.errno).map(([name, value]) => [value, name]));
  const bind = (signature: string): Call => own.func(signature) as unknown as Call;
  loaded = {
    errno: () => names.get(ffi.errno()) ?? String(ffi.errno()),
    openat2: bind('long syscall(long number, int dirfd, const uint8_t *path, const uint8_t *how, size_t size)'),
    openat: bind('int openat(int dirfd, const uint8_t *path, int flags, uint mode)'),
    mkdirat: bind('int mkdirat(int dirfd, const uint8_t *path, uint mode)'),
    mknodat: bind('int mknodat(int dirfd, const uint8_t *path, uint mode, uint64_t device)'),
    symlinkat: bind('int symlinkat(const uint8_t *target, int dirfd, const uint8_t *path)'),
    linkat: bind('int linkat(int olddirfd, const uint8_t *oldpath, int newdirfd, const uint8_t *newpath, int flags)'),
    renameat: bind('int renameat(int olddirfd, const uint8_t *oldpath, int newdirfd, const uint8_t *newpath)'),
    unlinkat: bind('int unlinkat(int dirfd, const uint8_t *path, int flags)'),
    fchownat: bind('int fchownat(int dirfd, const uint8_t *path, uint owner, uint group, int flags)'),
    utimensat: bind('int utimensat(int dirfd, const uint8_t *path, const uint8_t *times, int flags)'),
    futimens: bind('int futimens(int fd, const uint8_t *times)'),
    lsetxattr: bind('int lsetxattr(const uint8_t *path, const uint8_t *name, const uint8_t *value, size_t size, int flags)'),
    lgetxattr: bind('long lgetxattr(const uint8_t *path, const uint8_t *name, _Out_ uint8_t *value, size_t size)'),
    llistxattr: bind('long llistxattr(const uint8_t *path, _Out_ uint8_t *list, size_t size)'),
    syncfs: bind('int syncfs(int fd)'),
  };
  return loaded;
}

const cString = (bytes: string): Buffer => Buffer.from(`${bytes}\0`, 'latin1');
const textOfBytes = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('utf8');

function fail(syscall: string, path: string): never {
  const errno = calls().errno();
  throw new SyscallError({ attempted: `${syscall} "${textOfBytes(path)}"`, syscall, errno, path: textOfBytes(path) });
}

const check = (result: number, syscall: string, path: string): void => {
  if (Number(result) < 0) fail(syscall, path);
};

let openat2Missing = false;

/** An O_PATH descriptor of a directory below `root`. The path has no ".." and the kernel refuses any symbolic link in it. */
export function openDirectoryBelow(root: number, path: string): number {
  const name = path === '' ? '.' : path;
  if (openat2Missing) return openStepwise(root, name);
  const how = new BigUint64Array([BigInt(O_PATH | O_DIRECTORY | O_CLOEXEC), 0n, BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS)]);
  for (;;) {
    const fd = Number(calls().openat2(SYS_OPENAT2, root, cString(name), new Uint8Array(how.buffer), 24));
    if (fd >= 0) return fd;
    const errno = calls().errno();
    if (errno === 'EAGAIN') continue;
    // Before Linux 5.6, or refused by the seccomp profile of an old container runtime.
    if (errno !== 'ENOSYS' && errno !== 'EPERM') throw new SyscallError({ attempted: `openat2 "${textOfBytes(name)}"`, syscall: 'openat2', errno, path: textOfBytes(name) });
    openat2Missing = true;
    return openStepwise(root, name);
  }
}

/**
 * An object below `root` with all links resolved inside it, as a process with that root would: openat2(2), RESOLVE_IN_ROOT.
 * `follow: false` leaves a link at the end as it is.
 */
export function openInRoot(root: number, path: string, follow: boolean): number {
  const how = new BigUint64Array([BigInt(O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW)), 0n, BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)]);
  for (;;) {
    const fd = Number(calls().openat2(SYS_OPENAT2, root, cString(path === '' ? '.' : path), new Uint8Array(how.buffer), 24));
    if (fd >= 0) return fd;
    const errno = calls().errno();
    // Somebody renamed a directory meanwhile: the kernel could not be sure.
    if (errno !== 'EAGAIN') throw new SyscallError({ attempted: `openat2 "${textOfBytes(path)}"`, syscall: 'openat2', errno, path: textOfBytes(path) });
  }
}

/** An O_PATH descriptor of the directory `name` in the open directory `parent`. Undefined where it is none, or a link. */
export function openChildDirectory(parent: number, name: string): number | undefined {
  const fd = Number(calls().openat(parent, cString(name), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0));
  if (fd >= 0) return fd;
  const errno = calls().errno();
  if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP') return undefined;
  throw new SyscallError({ attempted: `openat "${textOfBytes(name)}"`, syscall: 'openat', errno, path: textOfBytes(name) });
}

/** The same with one openat per component. */
export function openStepwise(root: number, path: string): number {
  let fd = root;
  for (const component of path.split('/')) {
    const next = Number(calls().openat(fd, cString(component), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0));
    const errno = next < 0 ? calls().errno() : '';
    if (fd !== root) closeSync(fd);
    if (next < 0) throw new SyscallError({ attempted: `openat "${textOfBytes(path)}"`, syscall: 'openat', errno, path: textOfBytes(path) });
    fd = next;
  }
  return fd;
}

export function createFile(parent: number, name: string): number {
  const fd = Number(calls().openat(parent, cString(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600));
  return fd < 0 ? fail('openat', name) : fd;
}

/** Does not follow `name`. Only for chmod and the like through /proc/self/fd. */
export function openPath(parent: number, name: string): number {
  const fd = Number(calls().openat(parent, cString(name), O_PATH | O_NOFOLLOW | O_CLOEXEC, 0));
  return fd < 0 ? fail('openat', name) : fd;
}

export const makeDirectory = (parent: number, name: string): void => check(calls().mkdirat(parent, cString(name), 0o700), 'mkdirat', name);

/** `mode` holds the type, S_IFCHR and so on. Whiteouts are character devices 0:0 and need no privilege. */
export function makeNode(parent: number, name: string, mode: number, major: number, minor: number): void {
  // makedev(3): the middle bits are the major number's, the minor number's lie around them.
  const device = (BigInt(major & 0xfff) << 8n) | (BigInt(major >>> 12) << 44n) | BigInt(minor & 0xff) | (BigInt(minor >>> 8) << 20n);
  check(calls().mknodat(parent, cString(name), mode, device), 'mknodat', name);
}

export const makeSymlink = (parent: number, name: string, target: string): void => check(calls().symlinkat(cString(target), parent, cString(name)), 'symlinkat', name);

/** Links a symbolic link itself, not what it points to. */
export const makeLink = (fromParent: number, from: string, parent: number, name: string): void => check(calls().linkat(fromParent, cString(from), parent, cString(name), 0), 'linkat', name);

export const unlinkName = (parent: number, name: string): void => check(calls().unlinkat(parent, cString(name), 0), 'unlinkat', name);

/** Within one directory: takes the place of what has the name `to`. Two links to one file stay as they are. */
export const renameIn = (parent: number, from: string, to: string): void => check(calls().renameat(parent, cString(from), parent, cString(to)), 'renameat', to);

export const removeDirectory = (parent: number, name: string): void => check(calls().unlinkat(parent, cString(name), AT_REMOVEDIR), 'unlinkat', name);

export const changeOwner = (parent: number, name: string, uid: number, gid: number): void => check(calls().fchownat(parent, cString(name), uid, gid, AT_SYMLINK_NOFOLLOW), 'fchownat', name);

export interface KernelTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** With no name, the times of the open file `parent`. Symbolic links are not followed. */
export function changeTimes(parent: number, name: string | undefined, atime: KernelTime, mtime: KernelTime): void {
  const times = new BigInt64Array([atime.seconds, atime.nanoseconds, mtime.seconds, mtime.nanoseconds].map((part) => BigInt(part)));
  const bytes = new Uint8Array(times.buffer);
  if (name === undefined) return check(calls().futimens(parent, bytes), 'futimens', pathBelow(parent, ''));
  check(calls().utimensat(parent, cString(name), bytes, AT_SYMLINK_NOFOLLOW), 'utimensat', name);
}

/** A path that reaches `name` in the open directory `parent`, for calls without an *at form. */
export const pathBelow = (parent: number, name: string): string => `/proc/self/fd/${String(parent)}/${name}`;

export const setXattr = (path: string, name: string, value: Uint8Array): void => check(calls().lsetxattr(cString(path), cString(name), value, value.length, 0), 'lsetxattr', path);

/** Undefined when there is none, or the file system has none. */
export function getXattr(path: string, name: string): Uint8Array | undefined {
  const { lgetxattr, errno } = calls();
  for (let size = 256; ; size = 65536) {
    const value = new Uint8Array(size);
    const length = Number(lgetxattr(cString(path), cString(name), value, size));
    if (length >= 0) return value.subarray(0, length);
    const why = errno();
    if (why === 'ENODATA' || why === 'EOPNOTSUPP' || why === 'ENOTSUP') return undefined;
    if (why !== 'ERANGE' || size === 65536) fail('lgetxattr', path);
  }
}

/** Names as byte strings. */
export function listXattrs(path: string): string[] {
  const { llistxattr, errno } = calls();
  for (let size = 1024; ; size = 65536) {
    const list = new Uint8Array(size);
    const length = Number(llistxattr(cString(path), list, size));
    if (length >= 0) return Buffer.from(list.buffer, 0, length).toString('latin1').split('\0').filter((name) => name !== '');
    const why = errno();
    if (why === 'EOPNOTSUPP' || why === 'ENOTSUP') return [];
    if (why !== 'ERANGE' || size === 65536) fail('llistxattr', path);
  }
}

/** Writes the file system of an open file to disk. */
export const syncFileSystem = (fd: number): void => check(calls().syncfs(fd), 'syncfs', `/proc/self/fd/${String(fd)}`);
