/** Process ids: pid_namespaces(7). A task has a number in its namespace and in each one above. */
import type { UserNamespace } from './cred.ts';
import type { Kernel, Task } from './types.ts';

export interface PidNamespace {
  readonly kind: 'pid';
  readonly id: number;
  readonly level: number;
  readonly parent: PidNamespace | undefined;
  readonly owner: UserNamespace;
  /** DIFFERS: numbers are not given again, as there is no pid_max to wrap at. */
  last: number;
  /** Process 1; undefined before it is made, dead afterwards. */
  init: Task | undefined;
  readonly numbers: Map<number, Pid>;
}

/** struct pid: the numbers of one process, one for each level. */
export interface Pid {
  readonly numbers: readonly number[];
  readonly ns: PidNamespace;
  task: Task | undefined;
}

/** pid_namespaces(7), "Nesting PID namespaces". */
export const LEVEL_MAX = 32;

export function createPidNamespace(kernel: Kernel, parent: PidNamespace | undefined, owner: UserNamespace): PidNamespace {
  return { kind: 'pid', id: kernel.nextId(), level: parent === undefined ? 0 : parent.level + 1, parent, owner, last: 0, init: undefined, numbers: new Map() };
}

export function allocate(ns: PidNamespace): Pid {
  const numbers: number[] = [];
  const pid: Pid = { numbers, ns, task: undefined };
  for (let at: PidNamespace | undefined = ns; at !== undefined; at = at.parent) {
    at.last += 1;
    numbers[at.level] = at.last;
    at.numbers.set(at.last, pid);
  }
  return pid;
}

export function release(pid: Pid): void {
  pid.task = undefined;
  for (let at: PidNamespace | undefined = pid.ns; at !== undefined; at = at.parent) at.numbers.delete(pid.numbers[at.level] ?? 0);
}

/** The number that `ns` knows it by: 0 where it can't be seen. */
export function numberIn(pid: Pid, ns: PidNamespace): number {
  let at: PidNamespace | undefined = pid.ns;
  while (at !== undefined && at.level > ns.level) at = at.parent;
  return at === ns ? (pid.numbers[ns.level] ?? 0) : 0;
}

/** The task of a number in `ns`. */
export function findTask(ns: PidNamespace, number: number): Task | undefined {
  return ns.numbers.get(number)?.task;
}

/** True for `ns` itself and those inside. */
export function isInside(inner: PidNamespace, ns: PidNamespace): boolean {
  let at: PidNamespace | undefined = inner;
  while (at !== undefined && at.level > ns.level) at = at.parent;
  return at === ns;
}
