/** Calls on names and attributes: stat(2), mkdir(2), unlink(2), rename(2), link(2), symlink(2), chmod(2), chown(2), utimensat(2), xattr(7), chdir(2). */
import type { CallName, Stat, TimeSpec } from '../../abi/calls.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_EACCESS, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, O_ACCMODE, O_PATH, O_RDONLY, S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISGID, S_ISUID, S_ISVTX, UTIME_NOW, UTIME_OMIT } from '../../abi/constants.ts';
import { EACCES, EBADF, EBUSY, EEXIST, EFBIG, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, EROFS, ERANGE, EXDEV } from '../../abi/errno.ts';
import { wallTime } from '../../det/clock.ts';
import { isReadOnly, moveCwd, type Position } from '../../vfs/mount.ts';
import { createIn, mayChange, objectAt, statOf } from '../../vfs/open.ts';
import { find, pathOf, walk, type Walked } from '../../vfs/path.ts';
import { CAP_CHOWN, CAP_FOWNER, CAP_FSETID, CAP_MKNOD, CAP_SYS_ADMIN, CAP_SYS_CHROOT, capable, capableOver, inGroup, makeId, mayAccess, shownId, type Credentials } from '../cred.ts';
import { fileOf } from '../fd.ts';
import type { Task } from '../types.ts';
import type { Handlers } from './table.ts';

export type NamesCall = Extract<CallName, 'newfstatat' | 'faccessat2' | 'mkdirat' | 'unlinkat' | 'renameat2' | 'linkat' | 'symlinkat' | 'readlinkat' | 'mknodat' | 'fchmodat' | 'fchownat' | 'utimensat' | 'truncate' | 'ftruncate' | 'getxattr' | 'setxattr' | 'listxattr' | 'removexattr' | 'statfs' | 'chdir' | 'fchdir' | 'getcwd' | 'chroot' | 'umask'>;

/** What stat(2) says of an object to this task. */
export function showStat(task: Task, position: Position): Stat {
  const stat = statOf(task, position);
  const { user } = task.cred;
  return {
    dev: position.mount.fs.dev, ino: stat.ino, mode: stat.mode, nlink: stat.nlink, uid: shownId(user.uidMap, stat.uid), gid: shownId(user.gidMap, stat.gid), rdev: stat.rdev, size: stat.size,
    blocks: Math.ceil(stat.size / 4096) * 8, atime: stat.atime, mtime: stat.mtime, ctime: stat.ctime, mountId: position.mount.id,
  };
}

/** Of a pipe, a socket and the like. */
function namelessStat(task: Task, label: string): Stat {
  const now = wallTime(task.kernel.clock);
  return { dev: 0, ino: 1, mode: label === 'pipe' || label === 'fifo' ? 0o010600 : 0o140777, nlink: 1, uid: task.cred.euid, gid: task.cred.egid, rdev: 0, size: 0, blocks: 0, atime: now, mtime: now, ctime: now, mountId: 0 };
}

function parentOf(task: Task, dirfd: number, path: string): Walked | number {
  return walk(task, dirfd, path, { follow: false });
}

function make(task: Task, dirfd: number, path: string, mode: number, rdev = 0, target = ''): number {
  const walked = parentOf(task, dirfd, path);
  if (typeof walked === 'number') return walked;
  if (walked.found !== undefined) return -EEXIST;
  if (walked.slash && (mode & S_IFMT) !== S_IFDIR) return -ENOENT;
  const made = createIn(task, walked.dir, walked.name, mode, rdev, target);
  return typeof made === 'number' ? made : 0;
}

/** The sticky bit of a directory: inode(7). */
function stickyRefuses(cred: Credentials, dir: { readonly mode: number; readonly uid: number; readonly gid: number }, object: { readonly uid: number; readonly gid: number }): boolean {
  return (dir.mode & S_ISVTX) !== 0 && dir.uid !== cred.euid && object.uid !== cred.euid && !capableOver(cred, CAP_FOWNER, object.uid, object.gid);
}

/** Why a name may not go: 0 when it may. */
function mayRemove(task: Task, walked: Walked): number {
  if (walked.found === undefined) return -ENOENT;
  const refused = mayChange(task, walked.dir);
  if (refused < 0) return refused;
  if (stickyRefuses(task.cred, statOf(task, walked.dir), statOf(task, walked.found))) return -EPERM;
  return walked.found.mount === walked.dir.mount ? 0 : -EBUSY;
}

function unlinkAt(task: Task, dirfd: number, path: string, flags: number): number {
  const walked = parentOf(task, dirfd, path);
  if (typeof walked === 'number') return walked;
  const directory = (flags & AT_REMOVEDIR) !== 0;
  if (walked.name === '') return !directory ? -EISDIR : path.endsWith('.') && !path.endsWith('..') ? -EINVAL : path.endsWith('..') ? -ENOTEMPTY : -EBUSY;
  const refused = mayRemove(task, walked);
  if (refused < 0 || walked.found === undefined) return refused;
  const { fs } = walked.dir.mount;
  const isDirectory = (statOf(task, walked.found).mode & S_IFMT) === S_IFDIR;
  if (directory) return isDirectory ? fs.rmdir(walked.dir.node, walked.name, task) : -ENOTDIR;
  return isDirectory ? -EISDIR : walked.slash ? -ENOTDIR : fs.unlink(walked.dir.node, walked.name, task);
}

function renameAt(task: Task, from: Walked | number, to: Walked | number, flags: number): number {
  if (typeof from === 'number') return from;
  if (typeof to === 'number') return to;
  if (from.name === '' || to.name === '') return -EBUSY;
  if (from.dir.mount !== to.dir.mount) return -EXDEV;
  const refused = mayRemove(task, from);
  if (refused < 0) return refused;
  const target = to.found === undefined ? mayChange(task, to.dir) : (flags & 1) !== 0 ? -EEXIST : mayRemove(task, to);
  if (target < 0) return target;
  return from.dir.mount.fs.rename(from.dir.node, from.name, to.dir.node, to.name, flags);
}

function ownerOf(task: Task, position: Position): { readonly refused: number; readonly stat: ReturnType<typeof statOf> } {
  const stat = statOf(task, position);
  if (isReadOnly(position.mount)) return { refused: -EROFS, stat };
  return { refused: stat.uid === task.cred.euid || capableOver(task.cred, CAP_FOWNER, stat.uid, stat.gid) ? 0 : -EPERM, stat };
}

function chmod(task: Task, position: Position | number, mode: number): number {
  if (typeof position === 'number') return position;
  const { refused, stat } = ownerOf(task, position);
  if (refused < 0) return refused;
  if ((stat.mode & S_IFMT) === S_IFLNK) return -95;
  // chmod(2): the setgid bit goes when the caller is not of the group.
  const keeps = inGroup(task.cred, stat.gid) || capableOver(task.cred, CAP_FSETID, stat.uid, stat.gid);
  return position.mount.fs.setAttributes(position.node, { mode: mode & 0o7777 & (keeps ? 0o7777 : ~S_ISGID) });
}

function chown(task: Task, position: Position | number, uid: number, gid: number): number {
  if (typeof position === 'number') return position;
  if (isReadOnly(position.mount)) return -EROFS;
  const { cred } = task;
  const stat = statOf(task, position);
  const newUid = uid === -1 ? stat.uid : makeId(cred.user.uidMap, uid);
  const newGid = gid === -1 ? stat.gid : makeId(cred.user.gidMap, gid);
  if (newUid < 0 || newGid < 0) return -EINVAL;
  const owner = stat.uid === cred.euid;
  const allowed = capableOver(cred, CAP_CHOWN, stat.uid, stat.gid) || (owner && newUid === stat.uid && (newGid === stat.gid || inGroup(cred, newGid)));
  if (!allowed) return -EPERM;
  // chown(2): setuid and setgid go, for a file that can be executed.
  const drop = (stat.mode & S_IFMT) === S_IFREG ? stat.mode & ~S_ISUID & ((stat.mode & 0o010) === 0 ? 0o7777 : ~S_ISGID) & 0o7777 : stat.mode & 0o7777;
  return position.mount.fs.setAttributes(position.node, { uid: newUid, gid: newGid, ...(drop === (stat.mode & 0o7777) ? {} : { mode: drop }) });
}

function chosenTime(task: Task, time: TimeSpec): TimeSpec | undefined {
  return time.nanoseconds === UTIME_OMIT ? undefined : time.nanoseconds === UTIME_NOW ? wallTime(task.kernel.clock) : time;
}

function setTimes(task: Task, position: Position | number, first: TimeSpec, second: TimeSpec): number {
  if (typeof position === 'number') return position;
  const { refused, stat } = ownerOf(task, position);
  const now = first.nanoseconds === UTIME_NOW && second.nanoseconds === UTIME_NOW;
  if (refused < 0 && !(refused === -EPERM && now && mayAccess(task.cred, stat, 2))) return refused === -EPERM && now ? -EACCES : refused;
  const atime = chosenTime(task, first);
  const mtime = chosenTime(task, second);
  return position.mount.fs.setAttributes(position.node, { ...(atime === undefined ? {} : { atime }), ...(mtime === undefined ? {} : { mtime }) });
}

function truncate(task: Task, position: Position | number, length: number): number {
  if (typeof position === 'number') return position;
  const type = statOf(task, position).mode & S_IFMT;
  if (length < 0) return -EINVAL;
  if (length > 2 ** 31) return -EFBIG;
  if (type !== S_IFREG) return type === S_IFDIR ? -EISDIR : -EINVAL;
  return isReadOnly(position.mount) ? -EROFS : position.mount.fs.truncate(position.node, length);
}

/** An extended attribute that the task may see, or set: xattr(7), "Extended attribute namespaces". */
function mayXattr(task: Task, position: Position, name: string, want: 2 | 4): number {
  const stat = statOf(task, position);
  if (want === 2 && isReadOnly(position.mount)) return -EROFS;
  if (name.startsWith('trusted.')) return capable(task.cred, CAP_SYS_ADMIN, task.kernel.initialUser) ? 0 : want === 2 ? -EPERM : -61;
  if (name.startsWith('security.')) return want === 4 || (task.cred.effective & CAP_SYS_ADMIN) !== 0n ? 0 : -EPERM;
  if (name.startsWith('system.')) return want === 4 ? 0 : ownerOf(task, position).refused;
  if (!name.startsWith('user.')) return -95;
  const type = stat.mode & S_IFMT;
  if (type !== S_IFREG && type !== S_IFDIR) return want === 2 ? -EPERM : -61;
  return mayAccess(task.cred, stat, want) ? 0 : -EACCES;
}

function mknod(task: Task, dirfd: number, path: string, mode: number, dev: number): number {
  const type = (mode & S_IFMT) === 0 ? S_IFREG : mode & S_IFMT;
  if (type === S_IFDIR || type === S_IFLNK) return -EPERM;
  // A character device 0:0 is a whiteout, which anyone may make.
  if ((type === S_IFCHR || type === S_IFBLK) && dev !== 0 && !capable(task.cred, CAP_MKNOD, task.kernel.initialUser)) return -EPERM;
  return make(task, dirfd, path, type | (mode & 0o7777 & ~task.fs.umask), dev);
}

function changeDirectory(task: Task, position: Position | number): number {
  if (typeof position === 'number') return position;
  const stat = statOf(task, position);
  if ((stat.mode & S_IFMT) !== S_IFDIR) return -ENOTDIR;
  if (!mayAccess(task.cred, stat, 1)) return -EACCES;
  moveCwd(task.fs, position);
  return 0;
}

function openDescriptor(task: Task, fd: number): Position | number {
  const file = fileOf(task, fd);
  return file === undefined ? -EBADF : file.tree === undefined ? (file.at ?? -ENOTDIR) : { mount: file.tree.mount, node: file.tree.mount.root };
}

const follows = (flags: number): boolean => (flags & AT_SYMLINK_NOFOLLOW) === 0;
const empty = (flags: number): boolean => (flags & AT_EMPTY_PATH) !== 0;

export const NAME_CALLS: Handlers<NamesCall> = {
  newfstatat(task, { dirfd, path, flags }) {
    const file = path === '' && empty(flags) && dirfd !== AT_FDCWD ? fileOf(task, dirfd) : undefined;
    if (file !== undefined && file.at === undefined && file.tree === undefined) return namelessStat(task, file.label);
    const position = objectAt(task, dirfd, path, { follow: follows(flags), empty: empty(flags) });
    return typeof position === 'number' ? position : showStat(task, position);
  },
  faccessat2(task, { dirfd, path, mode, flags }) {
    const position = objectAt(task, dirfd, path, { follow: follows(flags), empty: empty(flags) });
    if (typeof position === 'number' || mode === 0) return typeof position === 'number' ? position : 0;
    const { cred } = task;
    const real = (flags & AT_EACCESS) !== 0 || cred.euid === cred.ruid ? cred : { ...cred, euid: cred.ruid, egid: cred.rgid, effective: cred.ruid === makeId(cred.user.uidMap, 0) ? cred.permitted : 0n };
    const stat = statOf(task, position);
    if ((mode & 2) !== 0 && isReadOnly(position.mount) && [S_IFREG, S_IFDIR, S_IFLNK].includes(stat.mode & S_IFMT)) return -EROFS;
    return mayAccess(real, stat, mode & 7) ? 0 : -EACCES;
  },
  mkdirat: (task, { dirfd, path, mode }) => make(task, dirfd, path, S_IFDIR | (mode & 0o1777 & ~task.fs.umask)),
  unlinkat: (task, { dirfd, path, flags }) => unlinkAt(task, dirfd, path, flags),
  renameat2: (task, { olddirfd, oldpath, newdirfd, newpath, flags }) => renameAt(task, parentOf(task, olddirfd, oldpath), parentOf(task, newdirfd, newpath), flags),
  linkat(task, { olddirfd, oldpath, newdirfd, newpath, flags }) {
    const source = objectAt(task, olddirfd, oldpath, { follow: (flags & AT_SYMLINK_FOLLOW) !== 0, empty: empty(flags) });
    if (typeof source === 'number') return source;
    const walked = parentOf(task, newdirfd, newpath);
    if (typeof walked === 'number') return walked;
    if (walked.found !== undefined) return -EEXIST;
    if (walked.dir.mount !== source.mount) return -EXDEV;
    if ((statOf(task, source).mode & S_IFMT) === S_IFDIR) return -EPERM;
    const refused = mayChange(task, walked.dir);
    if (refused < 0) return refused;
    const made = walked.dir.mount.fs.link(source.node, walked.dir.node, walked.name);
    return made < 0 ? made : 0;
  },
  symlinkat: (task, { dirfd, path, target }) => (target === '' ? -ENOENT : make(task, dirfd, path, S_IFLNK | 0o777, 0, target)),
  readlinkat(task, { dirfd, path }) {
    const position = objectAt(task, dirfd, path, { follow: false, empty: true });
    return typeof position === 'number' ? position : position.mount.fs.readlink(position.node, task);
  },
  mknodat: (task, { dirfd, path, mode, dev }) => mknod(task, dirfd, path, mode, dev),
  fchmodat: (task, { dirfd, path, mode, flags }) => chmod(task, objectAt(task, dirfd, path, { follow: follows(flags), empty: empty(flags) }), mode),
  fchownat: (task, { dirfd, path, uid, gid, flags }) => chown(task, objectAt(task, dirfd, path, { follow: follows(flags), empty: empty(flags) }), uid, gid),
  utimensat: (task, { dirfd, path, atime, mtime, flags }) => setTimes(task, objectAt(task, dirfd, path, { follow: follows(flags), empty: path === '' }), atime, mtime),
  truncate(task, { path, length }) {
    const position = find(task, AT_FDCWD, path, { follow: true });
    if (typeof position !== 'number' && !mayAccess(task.cred, statOf(task, position), 2)) return -EACCES;
    return truncate(task, position, length);
  },
  ftruncate(task, { fd, length }) {
    const file = fileOf(task, fd);
    if (file === undefined || (file.flags & O_PATH) !== 0) return -EBADF;
    return (file.flags & O_ACCMODE) === O_RDONLY || file.at === undefined ? -EINVAL : truncate(task, file.at, length);
  },
  getxattr(task, { dirfd, path, name, follow }) {
    const position = objectAt(task, dirfd, path, { follow, empty: true });
    if (typeof position === 'number') return position;
    const refused = mayXattr(task, position, name, 4);
    return refused < 0 ? refused : position.mount.fs.getXattr(position.node, name);
  },
  setxattr(task, { dirfd, path, name, value, flags, follow }) {
    const position = objectAt(task, dirfd, path, { follow, empty: true });
    if (typeof position === 'number') return position;
    const refused = mayXattr(task, position, name, 2);
    if (refused < 0) return refused;
    return name.length > 255 || name.endsWith('.') ? -ERANGE : position.mount.fs.setXattr(position.node, name, value, flags);
  },
  listxattr(task, { dirfd, path, follow }) {
    const position = objectAt(task, dirfd, path, { follow, empty: true });
    if (typeof position === 'number') return position;
    const trusted = capable(task.cred, CAP_SYS_ADMIN, task.kernel.initialUser);
    return position.mount.fs.listXattrs(position.node).filter((name) => trusted || !name.startsWith('trusted.'));
  },
  removexattr(task, { dirfd, path, name, follow }) {
    const position = objectAt(task, dirfd, path, { follow, empty: true });
    if (typeof position === 'number') return position;
    const refused = mayXattr(task, position, name, 2);
    return refused < 0 ? refused : position.mount.fs.removeXattr(position.node, name);
  },
  statfs(task, { path }) {
    const position = find(task, AT_FDCWD, path, { follow: true });
    if (typeof position === 'number') return position;
    const blocks = Math.floor(task.kernel.machine.memory / 2 / 4096);
    return { type: position.mount.fs.magic, blockSize: 4096, blocks, blocksFree: blocks, files: blocks, filesFree: blocks, flags: position.mount.attributes };
  },
  chdir: (task, { path }) => changeDirectory(task, find(task, AT_FDCWD, path, { follow: true })),
  fchdir: (task, { fd }) => changeDirectory(task, openDescriptor(task, fd)),
  getcwd(task) {
    const { cwd, root } = task.fs;
    if (statOf(task, cwd).removed === true) return -ENOENT;
    return pathOf(cwd, root) ?? `(unreachable)${pathOf(cwd, { mount: cwd.mount, node: cwd.mount.root }) ?? ''}`;
  },
  chroot(task, { path }) {
    const position = find(task, AT_FDCWD, path, { follow: true });
    if (typeof position === 'number') return position;
    if ((statOf(task, position).mode & S_IFMT) !== S_IFDIR) return -ENOTDIR;
    if (!capable(task.cred, CAP_SYS_CHROOT, task.cred.user)) return -EPERM;
    task.fs.root = position;
    return 0;
  },
  umask(task, { mask }) {
    const { umask } = task.fs;
    task.fs.umask = mask & 0o777;
    return umask;
  },
};
