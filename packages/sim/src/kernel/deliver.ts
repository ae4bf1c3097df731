/** What a pending signal does to its task: sigaction(2), signal(7). */
import type { CallResult } from '../abi/calls.ts';
import { SA_RESTART, SIGKILL, SIGSTOP } from '../abi/constants.ts';
import { EINTR } from '../abi/errno.ts';
import { clearCall, IGNORED, notifyParent, STOPS, UNBLOCKABLE } from './signal.ts';
import { exitTask } from './task.ts';
import type { Task } from './types.ts';
import { leaveQueues } from './wait.ts';

/** Calls that EINTR whatever SA_RESTART says: signal(7), "Interruption of system calls". */
const NEVER_RESTARTED: ReadonlySet<string> = new Set(['pause', 'poll', 'nanosleep']);

/** The lowest pending signal that is not blocked; 0 without one. */
export function nextSignal(task: Task): number {
  let least = 0;
  for (const signal of task.pending) {
    if (signal === SIGKILL) return SIGKILL;
    if ((least === 0 || signal < least) && (signal === SIGSTOP || !task.blocked.has(signal))) least = signal;
  }
  return least;
}

/** Acts on one pending signal. False when the task can not go on now: it has ended, or is stopped. */
export function deliver(task: Task, signal: number): boolean {
  task.pending.delete(signal);
  const action = task.actions.get(signal);
  const handler = action?.handler ?? 'SIG_DFL';
  if (handler === 'SIG_IGN' && !UNBLOCKABLE.has(signal)) return true;
  if (typeof handler === 'function') {
    enterHandler(task, signal, action?.flags ?? 0, [...(action?.mask ?? []), signal], () => handler(signal));
    return true;
  }
  if (IGNORED.has(signal)) return true;
  if (STOPS.has(signal)) {
    stop(task, signal);
    return false;
  }
  exitTask(task, signal);
  return false;
}

function stop(task: Task, signal: number): void {
  leaveQueues(task);
  task.state = 'stopped';
  task.stopSignal = signal;
  task.report = 'stopped';
  notifyParent(task, task.parent);
}

function enterHandler(task: Task, signal: number, flags: number, mask: readonly number[], start: () => Task['frames'][number]['run']): void {
  const { call } = task;
  const again = call !== undefined && (flags & SA_RESTART) !== 0 && !NEVER_RESTARTED.has(call.call);
  const value: CallResult = call === undefined ? task.value : task.progress !== undefined && call.call === 'write' ? task.progress : -EINTR;
  task.frames.push({ run: start(), restore: { mask: task.blocked, call: again ? call : undefined, value } });
  clearCall(task);
  task.blocked = new Set([...task.blocked, ...mask]);
  task.value = signal;
}

/** Ends of a signal's handler. */
export function leaveHandler(task: Task): void {
  const { restore } = task.frames.pop() ?? {};
  if (restore === undefined) return;
  task.blocked = restore.mask;
  task.call = restore.call;
  task.value = restore.value;
}
