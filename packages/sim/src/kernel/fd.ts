/** Descriptors and open files: open(2), dup(2), fcntl(2). */
import type { CallValue, DirectoryEntry } from '../abi/calls.ts';
import { FD_CLOEXEC, RLIMIT_NOFILE } from '../abi/constants.ts';
import { EBADF, EINVAL, EMFILE } from '../abi/errno.ts';
import type { FsContextFile } from '../vfs/fscontext.ts';
import type { Mount, Position } from '../vfs/mount.ts';
import type { Namespace } from './nsproxy.ts';
import type { Blocked, Task } from './types.ts';
import type { WaitQueue } from './wait.ts';

/** What an open file can do. What is missing is EINVAL, or EBADF for its access mode. */
export interface FileOps {
  /** At the file's own place, and moving it, when `offset` is undefined. */
  readonly read?: (task: Task, count: number, offset: number | undefined) => Uint8Array | number | Blocked;
  readonly write?: (task: Task, data: Uint8Array, offset: number | undefined) => number | Blocked;
  readonly poll?: () => number;
  /** Woken when `poll` may have changed. */
  readonly queues?: readonly WaitQueue[];
  readonly size?: () => number;
  readonly readdir?: (task: Task, count: number) => readonly DirectoryEntry[] | number;
  readonly rewind?: () => void;
  readonly ioctl?: (task: Task, request: number, value: unknown) => CallValue<'ioctl'> | Blocked;
  /** The last descriptor is closed. */
  readonly release?: () => void;
}

/** An open file description. */
export interface OpenFile {
  readonly ops: FileOps;
  /** Access mode and status flags. */
  flags: number;
  position: number;
  refs: number;
  /** Where it was found; of pipes and the like a name to show in /proc/PID/fd. */
  readonly at: Position | undefined;
  readonly label: string;
  /** A tree that open_tree(2) or fsmount(2) made: attached at most once. */
  readonly tree?: { mount: Mount; attached: boolean };
  readonly context?: FsContextFile;
  readonly namespace?: Namespace;
}

interface Slot {
  readonly file: OpenFile;
  flags: number;
}

export interface FileTable {
  readonly slots: (Slot | undefined)[];
}

export function createTable(): FileTable {
  return { slots: [] };
}

export function createFile(ops: FileOps, flags: number, label: string, more: Pick<OpenFile, 'tree' | 'context' | 'namespace'> & { readonly at?: Position } = {}): OpenFile {
  const { at } = more;
  if (at !== undefined) {
    at.mount.users += 1;
    at.mount.fs.hold(at.node);
  }
  return { ops, flags, position: 0, refs: 0, label, ...more, at };
}

export function fileOf(task: Task, fd: number): OpenFile | undefined {
  return task.files.slots[fd]?.file;
}

/** Puts a file at the lowest free number from `from` on. */
export function install(task: Task, file: OpenFile, cloexec: boolean, from = 0): number {
  const { slots } = task.files;
  let fd = from;
  while (slots[fd] !== undefined) fd += 1;
  if (fd >= (task.rlimits[RLIMIT_NOFILE]?.soft ?? 1024)) {
    if (file.refs === 0) drop(file);
    return -EMFILE;
  }
  file.refs += 1;
  slots[fd] = { file, flags: cloexec ? FD_CLOEXEC : 0 };
  return fd;
}

function drop(file: OpenFile): void {
  file.ops.release?.();
  if (file.at === undefined) return;
  file.at.mount.users -= 1;
  file.at.mount.fs.letGo(file.at.node);
}

export function close(task: Task, fd: number): number {
  const slot = task.files.slots[fd];
  if (slot === undefined) return -EBADF;
  task.files.slots[fd] = undefined;
  slot.file.refs -= 1;
  if (slot.file.refs === 0) drop(slot.file);
  return 0;
}

export function closeAll(task: Task, keep?: (flags: number) => boolean): void {
  for (const [fd, slot] of task.files.slots.entries()) if (slot !== undefined && keep?.(slot.flags) !== true) close(task, fd);
}

/** A copy for a child: the same open files. */
export function copyTable(table: FileTable): FileTable {
  return {
    slots: table.slots.map((slot) => {
      if (slot === undefined) return undefined;
      slot.file.refs += 1;
      return { file: slot.file, flags: slot.flags };
    }),
  };
}

/** dup2(2) and dup3(2). */
export function dupTo(task: Task, from: number, to: number, cloexec: boolean): number {
  const file = fileOf(task, from);
  if (file === undefined || to < 0) return -EBADF;
  if (to >= (task.rlimits[RLIMIT_NOFILE]?.soft ?? 1024)) return -EBADF;
  file.refs += 1;
  close(task, to);
  const { slots } = task.files;
  while (slots.length < to) slots.push(undefined);
  slots[to] = { file, flags: cloexec ? FD_CLOEXEC : 0 };
  return to;
}

export function descriptorFlags(task: Task, fd: number, set?: number): number {
  const slot = task.files.slots[fd];
  if (slot === undefined) return -EBADF;
  if (set === undefined) return slot.flags;
  if ((set & ~FD_CLOEXEC) !== 0) return -EINVAL;
  slot.flags = set;
  return 0;
}
