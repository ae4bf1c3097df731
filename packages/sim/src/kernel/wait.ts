/** Waiting: queues of tasks, and wait4(2). */
import type { CallArguments, WaitResult } from '../abi/calls.ts';
import { WCONTINUED, WNOHANG, WUNTRACED } from '../abi/constants.ts';
import { ECHILD } from '../abi/errno.ts';
import { numberIn, release } from './pidns.ts';
import { BLOCKED, type Blocked, type Task } from './types.ts';

/** Tasks that wait for one thing. A woken task makes its call again. */
export interface WaitQueue {
  readonly what: string;
  readonly tasks: Set<Task>;
}

export function createQueue(what: string): WaitQueue {
  return { what, tasks: new Set() };
}

/** Puts the task to sleep until the queue is woken, or a signal comes. */
export function waitOn(task: Task, queue: WaitQueue): Blocked {
  queue.tasks.add(task);
  task.queues.add(queue);
  return BLOCKED;
}

/** As `waitOn`, for `duration` nanoseconds from the first try on; then the call is made again with `timedOut`. */
export function sleepFor(task: Task, duration: number): Blocked | 'over' {
  const { clock } = task.kernel;
  task.progress ??= clock.now + duration;
  if (clock.now >= task.progress) return 'over';
  task.timer ??= clock.after(task.progress - clock.now, () => {
    task.timer = undefined;
    wakeTask(task);
  });
  return BLOCKED;
}

export function wake(queue: WaitQueue): void {
  if (queue.tasks.size === 0) return;
  const tasks = [...queue.tasks];
  for (const task of tasks) wakeTask(task);
}

/** A stopped task stays stopped: it goes on where it was at SIGCONT. */
export function wakeTask(task: Task): void {
  leaveQueues(task);
  if (task.state !== 'sleeping') return;
  task.state = 'runnable';
  task.kernel.runnable.push(task);
}

export function leaveQueues(task: Task): void {
  if (task.queues.size === 0) return;
  for (const queue of task.queues) queue.tasks.delete(task);
  task.queues.clear();
}

function matches(task: Task, child: Task, pid: number): boolean {
  if (pid > 0) return numberIn(child.pid, task.ns.pid) === pid;
  if (pid === 0) return child.group === task.group;
  return pid === -1 || numberIn(child.group, task.ns.pid) === -pid;
}

/** wait4(2). */
export function wait4(task: Task, { pid, options }: CallArguments<'wait4'>): WaitResult | number | Blocked {
  let some = false;
  for (const child of task.children) {
    if (!matches(task, child, pid)) continue;
    some = true;
    const result = reportOf(task, child, options);
    if (result !== undefined) return result;
  }
  if (!some) return -ECHILD;
  if ((options & WNOHANG) !== 0) return { pid: 0, status: 0, cpuTime: 0, maxRss: 0 };
  return waitOn(task, task.childQueue);
}

function reportOf(task: Task, child: Task, options: number): WaitResult | undefined {
  const result = (status: number): WaitResult => ({ pid: numberIn(child.pid, task.ns.pid), status, cpuTime: child.cpuTime + child.childCpuTime, maxRss: child.memoryPeak });
  if (child.state === 'zombie') {
    const value = result(child.status);
    reap(child);
    return value;
  }
  const { report } = child;
  if (report === undefined || (options & (report === 'stopped' ? WUNTRACED : WCONTINUED)) === 0) return undefined;
  child.report = undefined;
  return result(report === 'stopped' ? (child.stopSignal << 8) | 0x7f : 0xffff);
}

/** Takes a zombie out of the process table. */
export function reap(child: Task): void {
  const { parent } = child;
  if (parent !== undefined) {
    parent.children.delete(child);
    parent.childCpuTime += child.cpuTime + child.childCpuTime;
  }
  child.state = 'dead';
  child.kernel.tasks.delete(child);
  release(child.pid);
}
