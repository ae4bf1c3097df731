/** The cpu controller: weight, quota a period, throttling on virtual time. cgroup-v2.rst "CPU"; scheduler/sched-bwc.rst. */
import type { Task } from '../types.ts';
import { isFrozenTask } from './freezer.ts';
import type { CpuState } from './state.ts';
import type { Cgroup } from './tree.ts';

const NS = 1000;

function chain(task: Task): Cgroup[] {
  const found: Cgroup[] = [];
  for (const cgroup of task.cgroups) for (let at: Cgroup | undefined = cgroup; at !== undefined; at = at.parent) found.push(at);
  return found;
}

export function isFrozen(task: Task): boolean {
  return isFrozenTask(task);
}

/** Starts new periods where one is over. False while a cgroup of the task has used up its quota. */
export function cpuRunnable(task: Task): boolean {
  let able = true;
  for (const cgroup of chain(task)) {
    const { cpu } = cgroup;
    if (cpu.quota === Infinity) continue;
    startPeriod(task, cpu);
    if (cpu.used >= cpu.quota * NS) able = false;
  }
  return able;
}

function startPeriod(task: Task, cpu: CpuState): void {
  const { clock } = task.kernel;
  if (clock.now < cpu.periodEnd) return;
  const length = cpu.period * NS;
  if (cpu.throttledSince !== undefined) {
    cpu.throttledTime += cpu.periodEnd - cpu.throttledSince;
    cpu.throttledSince = undefined;
  }
  cpu.periods += 1;
  cpu.periodEnd = clock.now + length;
  cpu.used = 0;
  // So that idle time ends when the quota is there again.
  clock.after(length, () => undefined);
}

/** Charges a slice to all that compute; gives how long it may be, by what is left of the quotas. */
export function runCpu(tasks: readonly Task[], slice: number): number {
  const sharers = new Map<Cgroup, number>();
  for (const task of tasks) for (const cgroup of chain(task)) sharers.set(cgroup, (sharers.get(cgroup) ?? 0) + 1);
  let length = slice;
  for (const [{ cpu }, count] of sharers) if (cpu.quota !== Infinity) length = Math.min(length, Math.ceil((cpu.quota * NS - cpu.used) / count));
  length = Math.max(1, length);
  for (const [{ cpu }, count] of sharers) {
    cpu.usage += length * count;
    if (cpu.quota === Infinity) continue;
    cpu.used += length * count;
    const clock = tasks[0]?.kernel.clock;
    if (cpu.used < cpu.quota * NS || clock === undefined || cpu.throttledSince !== undefined) continue;
    cpu.throttledPeriods += 1;
    cpu.throttledSince = clock.now + length;
  }
  return length;
}

/** Share of CPU: the product of the weights up to the root, and the nice value (1.25 a step, sched(7)). */
export function weightOf(task: Task): number {
  let weight = 100 * 1.25 ** -task.nice;
  for (const cgroup of chain(task)) {
    if (cgroup.parent === undefined) continue;
    const { cpu } = cgroup;
    const own = cpu.idle !== 0 ? 1 : cgroup.hierarchy.version === 1 ? (cpu.shares * 100) / 1024 : cpu.weight;
    weight *= own / 100;
  }
  return Math.max(weight, 0.01);
}
