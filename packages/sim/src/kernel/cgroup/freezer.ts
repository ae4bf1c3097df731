/** The freezer: cgroup-v2.rst "cgroup.freeze"; cgroup-v1/freezer-subsystem.rst. */
import type { Task } from '../types.ts';
import { isFrozenAt, signalEvents, tasksBelow, wakeFrozen, type Cgroup } from './tree.ts';

/** A fatal signal gets through on version 2. */
export function isFrozenTask(task: Task): boolean {
  if (task.pending.has(9)) return false;
  return task.cgroups.some(isFrozenAt);
}

export function setFrozen(cgroup: Cgroup, freeze: boolean): void {
  if (cgroup.freeze === freeze) return;
  cgroup.freeze = freeze;
  if (!isFrozenAt(cgroup)) wakeFrozen(cgroup);
  for (const task of tasksBelow(cgroup)) signalEvents(task.cgroups[cgroup.hierarchy.index] ?? cgroup);
  signalEvents(cgroup);
}
