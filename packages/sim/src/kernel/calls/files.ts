/** Calls on descriptors: open(2), read(2), write(2), lseek(2), dup(2), pipe(2), fcntl(2), getdents(2), poll(2), ioctl(2). */
import type { CallName } from '../../abi/calls.ts';
import { F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_SETFD, F_SETFL, FD_CLOEXEC, O_ACCMODE, O_APPEND, O_CLOEXEC, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_WRONLY, POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, RESOLVE_BENEATH, RESOLVE_IN_ROOT, SEEK_CUR, SEEK_END, SEEK_SET, SIOCSIFFLAGS, TIOCGPTPEER } from '../../abi/constants.ts';
import { EBADF, EINVAL, ENOTDIR, ENOTTY, EPERM, ESPIPE } from '../../abi/errno.ts';
import { openAt, withPlace } from '../../vfs/open.ts';
import { CAP_NET_ADMIN, capable } from '../cred.ts';
import { close, createFile, descriptorFlags, dupTo, fileOf, install, type OpenFile } from '../fd.ts';
import { createPipe, openEnd } from '../pipe.ts';
import { openSlave } from '../tty.ts';
import { BLOCKED, type Blocked, type Task } from '../types.ts';
import { sleepFor, waitOn } from '../wait.ts';
import type { Handlers } from './table.ts';

export type FileCall = Extract<CallName, 'openat' | 'openat2' | 'close' | 'close_range' | 'read' | 'pread64' | 'write' | 'pwrite64' | 'lseek' | 'dup' | 'dup2' | 'dup3' | 'pipe2' | 'fcntl' | 'getdents64' | 'sync' | 'fsync' | 'poll' | 'ioctl' | 'socket'>;

const COUNT_MAX = 0x7ffff000;

function readable(task: Task, fd: number): OpenFile | undefined {
  const file = fileOf(task, fd);
  return file === undefined || (file.flags & O_PATH) !== 0 || (file.flags & O_ACCMODE) === O_WRONLY ? undefined : file;
}

function writable(task: Task, fd: number): OpenFile | undefined {
  const file = fileOf(task, fd);
  return file === undefined || (file.flags & O_PATH) !== 0 || (file.flags & O_ACCMODE) === O_RDONLY ? undefined : file;
}

function read(task: Task, fd: number, count: number, offset: number | undefined): Uint8Array | number | Blocked {
  const file = readable(task, fd);
  if (file === undefined) return -EBADF;
  if (count < 0) return -EINVAL;
  return file.ops.read?.(task, Math.min(count, COUNT_MAX), offset) ?? -EINVAL;
}

function seek(task: Task, fd: number, offset: number, whence: number): number {
  const file = fileOf(task, fd);
  if (file === undefined) return -EBADF;
  if (file.at === undefined) return -ESPIPE;
  const { at } = file;
  const size = (): number => at.mount.fs.stat(at.node, task).size;
  const base = whence === SEEK_SET ? 0 : whence === SEEK_CUR ? file.position : whence === SEEK_END ? size() : -1;
  if (base < 0 || base + offset < 0) return -EINVAL;
  if (file.ops.rewind !== undefined) {
    if (base + offset !== 0) return -EINVAL;
    file.ops.rewind();
  }
  file.position = base + offset;
  return file.position;
}

function fcntl(task: Task, fd: number, cmd: number, arg: number): number {
  const file = fileOf(task, fd);
  if (file === undefined) return -EBADF;
  switch (cmd) {
    case F_DUPFD: case F_DUPFD_CLOEXEC: return arg < 0 ? -EINVAL : install(task, file, cmd === F_DUPFD_CLOEXEC, arg);
    case F_GETFD: return descriptorFlags(task, fd);
    case F_SETFD: return descriptorFlags(task, fd, arg);
    case F_GETFL: return file.flags & ~O_CLOEXEC;
    case F_SETFL:
      file.flags = (file.flags & ~(O_APPEND | O_NONBLOCK)) | (arg & (O_APPEND | O_NONBLOCK));
      return 0;
    default: return -EINVAL;
  }
}

function poll(task: Task, fds: readonly { readonly fd: number; readonly events: number }[], timeout: number): readonly number[] | Blocked {
  const result = fds.map(({ fd, events }) => {
    if (fd < 0) return 0;
    const file = fileOf(task, fd);
    return file === undefined ? POLLNVAL : (file.ops.poll?.() ?? POLLIN | POLLOUT) & (events | POLLERR | POLLHUP);
  });
  if (timeout === 0 || result.some((revents) => revents !== 0)) return result;
  if (timeout > 0 && sleepFor(task, timeout) === 'over') return result;
  for (const { fd } of fds) for (const queue of fileOf(task, fd)?.ops.queues ?? []) waitOn(task, queue);
  return BLOCKED;
}

function closeRange(task: Task, first: number, last: number, cloexec: boolean): number {
  if (first > last) return -EINVAL;
  const { slots } = task.files;
  for (let fd = first; fd <= Math.min(last, slots.length - 1); fd += 1) {
    if (slots[fd] === undefined) continue;
    if (cloexec) descriptorFlags(task, fd, FD_CLOEXEC);
    else close(task, fd);
  }
  return 0;
}

export const FILE_CALLS: Handlers<FileCall> = {
  openat: (task, { dirfd, path, flags, mode }) => openAt(task, dirfd, path, flags, mode, 0),
  openat2: (task, { dirfd, path, flags, mode, resolve }) => ((resolve & RESOLVE_BENEATH) !== 0 && (resolve & RESOLVE_IN_ROOT) !== 0 ? -EINVAL : openAt(task, dirfd, path, flags, mode, resolve)),
  close: (task, { fd }) => close(task, fd),
  close_range: (task, { first, last, cloexec }) => closeRange(task, first, last, cloexec),
  read: (task, { fd, count }) => read(task, fd, count, undefined),
  pread64: (task, { fd, count, offset }) => (offset < 0 ? -EINVAL : fileOf(task, fd)?.at === undefined ? -ESPIPE : read(task, fd, count, offset)),
  write: (task, { fd, data }) => {
    const file = writable(task, fd);
    return file === undefined ? -EBADF : (file.ops.write?.(task, data, undefined) ?? -EINVAL);
  },
  pwrite64(task, { fd, data, offset }) {
    const file = writable(task, fd);
    if (file === undefined) return -EBADF;
    return offset < 0 ? -EINVAL : file.at === undefined ? -ESPIPE : (file.ops.write?.(task, data, offset) ?? -EINVAL);
  },
  lseek: (task, { fd, offset, whence }) => seek(task, fd, offset, whence),
  dup(task, { fd }) {
    const file = fileOf(task, fd);
    return file === undefined ? -EBADF : install(task, file, false);
  },
  dup2: (task, { from, to }) => (from === to ? (fileOf(task, from) === undefined ? -EBADF : to) : dupTo(task, from, to, false)),
  dup3: (task, { from, to, flags }) => (from === to || (flags & ~O_CLOEXEC) !== 0 ? -EINVAL : dupTo(task, from, to, flags !== 0)),
  pipe2(task, { flags }) {
    const pipe = createPipe();
    const cloexec = (flags & O_CLOEXEC) !== 0;
    const first = install(task, openEnd(pipe, 'read', flags & O_NONBLOCK), cloexec);
    if (first < 0) return first;
    const second = install(task, openEnd(pipe, 'write', flags & O_NONBLOCK), cloexec);
    if (second >= 0) return [first, second];
    close(task, first);
    return second;
  },
  fcntl: (task, { fd, cmd, arg }) => fcntl(task, fd, cmd, arg),
  getdents64(task, { fd, count }) {
    const file = readable(task, fd);
    if (file === undefined) return -EBADF;
    return file.ops.readdir?.(task, count) ?? -ENOTDIR;
  },
  sync: () => 0,
  fsync: (task, { fd }) => (fileOf(task, fd) === undefined ? -EBADF : fileOf(task, fd)?.at === undefined ? -EINVAL : 0),
  socket: (task, { domain }) => (domain === 2 ? install(task, createFile({}, O_RDWR, 'socket'), false) : -97),
  poll: (task, { fds, timeout }) => poll(task, fds, timeout),
  ioctl(task, { fd, request, value }) {
    const file = fileOf(task, fd);
    if (file === undefined || (file.flags & O_PATH) !== 0) return -EBADF;
    if (request === SIOCSIFFLAGS && file.label === 'socket') return raiseLoopback(task);
    if (request === TIOCGPTPEER) {
      const terminal = task.kernel.masters.get(file);
      if (terminal === undefined) return -ENOTTY;
      const slave = openSlave(terminal, 0);
      if (typeof slave === 'number') return slave;
      // It lies in the devpts of its master: ioctl_tty(2), TIOCGPTPEER.
      const mount = file.at?.mount;
      const placed = mount === undefined ? slave : withPlace(slave, { mount, node: mount.fs.lookup(mount.fs.root, String(terminal.number), task) });
      return install(task, placed, (Number(value) & O_CLOEXEC) !== 0);
    }
    return file.ops.ioctl?.(task, request, value) ?? -ENOTTY;
  },
};

function raiseLoopback(task: Task): number {
  if (!capable(task.cred, CAP_NET_ADMIN, task.ns.net.owner)) return -EPERM;
  task.ns.net.loopbackUp = true;
  return 0;
}

