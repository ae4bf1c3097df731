/** The machine's own hands: calls made as process 1, which never block, for what a launcher does outside of a container. */
import { SyscallError } from '@tsc-box/model';
import type { Call, CallArguments, CallName, CallValue } from '../abi/calls.ts';
import { AT_FDCWD, O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY } from '../abi/constants.ts';
import { EEXIST, errnoName, errnoText } from '../abi/errno.ts';
import { callHandler } from '../kernel/calls/table.ts';
import { BLOCKED, type Task } from '../kernel/types.ts';
import { leaveQueues } from '../kernel/wait.ts';

/** One call as `task`: EAGAIN where it would wait. */
export function hostCall<C extends CallName>(task: Task, call: C, args: CallArguments<C>): CallValue<C> | number {
  const { call: waiting, progress, timer, state } = task;
  task.progress = undefined;
  // The pair (call, args) is tied by C.
  const result = callHandler(task, { call, ...args } as unknown as Call);
  Object.assign(task, { call: waiting, progress, timer, state });
  if (result !== BLOCKED) return result;
  leaveQueues(task);
  return -11;
}

/** A call that must succeed. @throws SyscallError with what was tried. */
export function mustCall<C extends CallName>(task: Task, attempted: string, call: C, args: CallArguments<C>): CallValue<C> | number {
  const result = hostCall(task, call, args);
  if (typeof result === 'number' && result < 0) throw new SyscallError({ attempted, syscall: call, errno: errnoName(result), detail: errnoText(result).toLowerCase() });
  return result;
}

/** mkdir -p. */
export function makeDirectories(task: Task, path: string, mode = 0o755): void {
  const parts = path.split('/').filter((part) => part !== '');
  for (let count = 1; count <= parts.length; count += 1) {
    const at = `/${parts.slice(0, count).join('/')}`;
    const result = hostCall(task, 'mkdirat', { dirfd: AT_FDCWD, path: at, mode });
    if (result < 0 && result !== -EEXIST) throw new SyscallError({ attempted: `make the directory "${at}" in the simulated machine`, syscall: 'mkdirat', errno: errnoName(result), path: at });
  }
}

/** A file's bytes. @throws SyscallError where it can't be read. */
export function readFile(task: Task, path: string): Uint8Array {
  const fd = mustCall(task, `open "${path}" in the simulated machine`, 'openat', { dirfd: AT_FDCWD, path, flags: O_RDONLY, mode: 0 });
  const chunks: Uint8Array[] = [];
  for (;;) {
    const bytes = mustCall(task, `read "${path}" in the simulated machine`, 'read', { fd, count: 1 << 20 });
    if (typeof bytes === 'number' || bytes.length === 0) break;
    chunks.push(bytes.slice());
  }
  hostCall(task, 'close', { fd });
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** The error number of a write, or 0. The file is made where its file system allows it. */
export function writeFile(task: Task, path: string, data: Uint8Array, create = true): number {
  const fd = hostCall(task, 'openat', { dirfd: AT_FDCWD, path, flags: O_WRONLY | (create ? O_CREAT | O_TRUNC : 0), mode: 0o644 });
  if (fd < 0) return fd;
  const result = hostCall(task, 'write', { fd, data });
  hostCall(task, 'close', { fd });
  return Math.min(0, result);
}
