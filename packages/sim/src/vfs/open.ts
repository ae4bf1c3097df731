/** open(2): from a name to an open file. */
import { O_ACCMODE, O_APPEND, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY, O_TRUNC, O_WRONLY, MOUNT_ATTR_NODEV, POLLIN, POLLOUT, S_IFCHR, S_IFBLK, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK, S_ISGID } from '../abi/constants.ts';
import { EACCES, EEXIST, EISDIR, ELOOP, ENOENT, ENOTDIR, ENXIO, EROFS } from '../abi/errno.ts';
import type { DirectoryEntry } from '../abi/calls.ts';
import { mayAccess } from '../kernel/cred.ts';
import { createFile, install, type FileOps, type OpenFile } from '../kernel/fd.ts';
import { createPipe, openEnd } from '../kernel/pipe.ts';
import type { Task } from '../kernel/types.ts';
import { openDevice, openPts } from './dev.ts';
import type { NodeEntry, NodeStat } from './filesystem.ts';
import { isReadOnly, type Position } from './mount.ts';
import { find, startOf, walk } from './path.ts';

export function statOf(task: Task, { mount, node }: Position): NodeStat {
  return mount.fs.stat(node, task);
}

/** open(2), openat2(2). */
export function openAt(task: Task, dirfd: number, path: string, flags: number, mode: number, resolve: number): number {
  const file = openFile(task, dirfd, path, flags, mode, resolve);
  return typeof file === 'number' ? file : install(task, file, (flags & O_CLOEXEC) !== 0);
}

function openFile(task: Task, dirfd: number, path: string, flags: number, mode: number, resolve: number): OpenFile | number {
  const creates = (flags & O_CREAT) !== 0 && (flags & O_PATH) === 0;
  const exclusive = creates && (flags & O_EXCL) !== 0;
  const follow = (flags & O_NOFOLLOW) === 0 && !exclusive;
  if (!creates) {
    const position = find(task, dirfd, path, { follow, resolve });
    return typeof position === 'number' ? position : openPosition(task, position, flags);
  }
  const walked = walk(task, dirfd, path, { follow, resolve });
  if (typeof walked === 'number') return walked;
  if (walked.found !== undefined) {
    if (exclusive) return -EEXIST;
    return (statOf(task, walked.found).mode & S_IFMT) === S_IFDIR ? -EISDIR : openPosition(task, walked.found, flags);
  }
  if (walked.slash) return -EISDIR;
  const made = createIn(task, walked.dir, walked.name, S_IFREG | (mode & 0o7777 & ~task.fs.umask));
  return typeof made === 'number' ? made : openPosition(task, made, flags & ~O_TRUNC, true);
}

/** May names be made or removed in it? */
export function mayChange(task: Task, dir: Position): number {
  if (isReadOnly(dir.mount)) return -EROFS;
  const stat = statOf(task, dir);
  if ((stat.mode & S_IFMT) !== S_IFDIR) return -ENOTDIR;
  return mayAccess(task.cred, stat, 3) ? 0 : -EACCES;
}

/** A new object, owned by the caller; in a setgid directory of its group: inode(7). */
export function createIn(task: Task, dir: Position, name: string, mode: number, rdev = 0, target = ''): Position | number {
  if (name === '') return -EEXIST;
  const refused = mayChange(task, dir);
  if (refused < 0) return refused;
  const above = statOf(task, dir);
  if (above.removed === true) return -ENOENT;
  const inherits = (above.mode & S_ISGID) !== 0;
  const type = mode & S_IFMT;
  const full = inherits && type === S_IFDIR ? mode | S_ISGID : mode;
  const node = dir.mount.fs.create(dir.node, name, { mode: full, uid: task.cred.euid, gid: inherits ? above.gid : task.cred.egid, rdev, target }, task);
  if (node < 0) return node;
  // The union drops the setgid bit of new directories, as overlayfs's helpers do.
  if (type === S_IFDIR && (full & S_ISGID) !== 0) dir.mount.fs.setAttributes(node, { mode: full & 0o7777 });
  return { mount: dir.mount, node };
}

const WANTS = [4, 2, 6, 6] as const;

function openPosition(task: Task, position: Position, flags: number, fresh = false): OpenFile | number {
  const { mount, node } = position;
  const behind = task.kernel.nsfs.fileAt(position);
  if (behind !== undefined) return behind;
  const stat = statOf(task, position);
  const type = stat.mode & S_IFMT;
  if ((flags & O_DIRECTORY) !== 0 && type !== S_IFDIR) return -ENOTDIR;
  if ((flags & O_PATH) !== 0) return createFile({}, flags & (O_PATH | O_CLOEXEC), '', { at: position });
  if (type === S_IFLNK) return -ELOOP;
  const writes = (flags & O_ACCMODE) !== O_RDONLY;
  if (type === S_IFDIR && (writes || (flags & O_TRUNC) !== 0)) return -EISDIR;
  if (!fresh && !mayAccess(task.cred, stat, WANTS[flags & O_ACCMODE] ?? 4)) return -EACCES;
  if (mount.fs.type === 'nsfs') return openNamespace(task, position, flags);
  if (writes && type === S_IFREG && isReadOnly(mount)) return -EROFS;
  switch (type) {
    case S_IFDIR: return createFile(directoryOps(task, position), flags, '', { at: position });
    case S_IFCHR: case S_IFBLK: return openNode(task, position, stat, flags);
    case S_IFIFO: return openFifo(task, position, stat, flags);
    case S_IFSOCK: return -ENXIO;
    default: {
      const special = mount.fs.open?.(node, flags, task);
      if (typeof special === 'number') return special;
      if (special !== undefined) return createFile(special, flags, '', { at: position });
      if (writes || (flags & O_TRUNC) !== 0) {
        const refused = mount.fs.openForWriting(node, (flags & O_TRUNC) !== 0);
        if (refused < 0) return refused;
      }
      return openRegular(position, flags);
    }
  }
}

function openNamespace(task: Task, position: Position, flags: number): OpenFile | number {
  const namespace = task.kernel.nsfs.namespaces.get(position.mount.fs.name(position.node));
  return namespace === undefined ? -ENOENT : createFile({}, flags, '', { at: position, namespace });
}

function openNode(task: Task, position: Position, { rdev, mode }: NodeStat, flags: number): OpenFile | number {
  if ((position.mount.attributes & MOUNT_ATTR_NODEV) !== 0) return -EACCES;
  if ((mode & S_IFMT) === S_IFBLK) return -ENXIO;
  const pty = position.mount.fs.type === 'devpts';
  const ops = pty ? openPts(task, position.mount.fs, rdev, flags) : openDevice(task, rdev, flags);
  if (typeof ops === 'number') return ops;
  return 'ops' in ops ? withPlace(ops, position) : createFile(ops, flags, '', { at: position });
}

/** Terminals are open files already: only their place is added. */
export function withPlace(file: OpenFile, position: Position): OpenFile {
  position.mount.users += 1;
  return Object.assign(file, { at: position });
}

function openRegular(position: Position, flags: number): OpenFile {
  const { fs } = position.mount;
  const { node } = position;
  const ops: FileOps = {
    read(_task, count, offset) {
      const buffer = new Uint8Array(Math.min(count, Math.max(0, fs.stat(node, _task).size - (offset ?? file.position))));
      const length = fs.read(node, buffer, offset ?? file.position);
      if (length < 0) return length;
      if (offset === undefined) file.position += length;
      return length === buffer.length ? buffer : buffer.subarray(0, length);
    },
    write(task, data, offset) {
      const at = offset ?? ((file.flags & O_APPEND) === 0 ? file.position : fs.stat(node, task).size);
      const length = fs.write(node, data, at);
      if (length >= 0 && offset === undefined) file.position = at + length;
      return length;
    },
    poll: () => POLLIN | POLLOUT,
  };
  const file = createFile(ops, flags, '', { at: position });
  return file;
}

function directoryOps(task: Task, position: Position): FileOps {
  let entries: readonly NodeEntry[] | undefined;
  let next = 0;
  const { mount, node } = position;
  const list = (viewer: Task): readonly NodeEntry[] | number => {
    const found = mount.fs.readdir(node, viewer);
    if (typeof found === 'number') return found;
    const { ino } = mount.fs.stat(node, task);
    return [{ name: '.', ino, mode: S_IFDIR }, { name: '..', ino, mode: S_IFDIR }, ...found];
  };
  return {
    readdir(viewer, count) {
      if (entries === undefined) {
        const found = list(viewer);
        if (typeof found === 'number') return found;
        entries = found;
      }
      const part: DirectoryEntry[] = entries.slice(next, next + count).map(({ name, ino, mode }) => ({ name, ino, type: mode & S_IFMT }));
      next += part.length;
      return part;
    },
    read: () => -EISDIR,
    rewind() {
      entries = undefined;
      next = 0;
    },
  };
}

/** fifo(7). DIFFERS: opening one end does not wait for the other; reading and writing do. */
function openFifo(task: Task, position: Position, { ino }: NodeStat, flags: number): OpenFile | number {
  const key = `${String(position.mount.fs.dev)}:${String(ino)}`;
  const { fifos } = task.kernel;
  const pipe = fifos.get(key) ?? createPipe();
  fifos.set(key, pipe);
  const access = flags & O_ACCMODE;
  if (access === O_WRONLY && pipe.readers === 0 && (flags & O_NONBLOCK) !== 0) return -ENXIO;
  const file = openEnd(pipe, access === O_WRONLY ? 'write' : 'read', flags & O_NONBLOCK, 'fifo');
  return file;
}

/** The object of a call with AT_EMPTY_PATH, or of a name. */
export function objectAt(task: Task, dirfd: number, path: string, options: { readonly follow: boolean; readonly empty?: boolean }): Position | number {
  if (path === '' && options.empty === true) return startOf(task, dirfd);
  return find(task, dirfd, path, { follow: options.follow });
}
