/** The memory controller: charges, limits, the OOM killer. cgroup-v2.rst "Memory"; cgroup-v1/memory.rst. */
import { SIGKILL } from '../../abi/constants.ts';
import { ENOMEM } from '../../abi/errno.ts';
import { sendSignal } from '../signal.ts';
import type { Task } from '../types.ts';
import { wake } from '../wait.ts';
import { tasksBelow, type Cgroup } from './tree.ts';

/** The first cgroup up the tree that has no room. */
function overLimit(task: Task, bytes: number): Cgroup | undefined {
  for (const cgroup of task.cgroups) {
    for (let at: Cgroup | undefined = cgroup; at !== undefined; at = at.parent) if (at.memory.usage + bytes > at.memory.max) return at;
  }
  return undefined;
}

/** Charges, or lets the OOM killer make room. False when the task itself was killed for it, or may not go on. */
export function chargeMemory(task: Task, bytes: number): number {
  // Each round kills something, so it ends.
  for (let full = overLimit(task, bytes); full !== undefined; full = overLimit(task, bytes)) {
    full.memory.events.max += 1;
    full.memory.events.oom += 1;
    wake(full.events);
    const victims = oomKill(full);
    if (victims.length === 0 || victims.includes(task)) return -ENOMEM;
  }
  task.memory += bytes;
  task.memoryPeak = Math.max(task.memoryPeak, task.memory);
  for (const cgroup of task.cgroups) {
    for (let at: Cgroup | undefined = cgroup; at !== undefined; at = at.parent) {
      at.memory.usage += bytes;
      if (at.memory.usage > at.memory.peak) at.memory.peak = at.memory.usage;
      if (at.memory.usage > at.memory.high) at.memory.events.high += 1;
    }
  }
  return 0;
}

/** badness: memory and oom_score_adj in thousandths of the limit (proc(5), oom_score_adj). -1000 is never chosen. */
function oomKill(cgroup: Cgroup): Task[] {
  const limit = cgroup.memory.max;
  let worst: Task | undefined;
  let most = -Infinity;
  for (const task of tasksBelow(cgroup)) {
    if (task.oomScoreAdj === -1000 || task.state === 'zombie' || task.state === 'dead') continue;
    const score = task.memory + (task.oomScoreAdj * limit) / 1000;
    if (score <= most) continue;
    most = score;
    worst = task;
  }
  if (worst === undefined) return [];
  const group = oomGroupOf(worst, cgroup);
  const victims = group === undefined ? [worst] : tasksBelow(group).filter(({ oomScoreAdj }) => oomScoreAdj !== -1000);
  if (group !== undefined) group.memory.events.groupKill += 1;
  for (const victim of victims) kill(victim, cgroup.hierarchy.index);
  return victims;
}

function kill(victim: Task, hierarchy: number): void {
  for (let at = victim.cgroups[hierarchy]; at !== undefined; at = at.parent) {
    at.memory.events.oomKill += 1;
    wake(at.events);
  }
  // What it holds is free at once, as by the OOM reaper.
  for (const cgroup of victim.cgroups) for (let at: Cgroup | undefined = cgroup; at !== undefined; at = at.parent) at.memory.usage -= victim.memory;
  victim.memory = 0;
  victim.pending.add(SIGKILL);
  sendSignal(victim, SIGKILL, undefined);
  if (victim.state === 'sleeping') {
    victim.state = 'runnable';
    victim.kernel.runnable.push(victim);
  }
}

/** The highest cgroup with memory.oom.group between the victim and the one that ran out. */
function oomGroupOf(victim: Task, out: Cgroup): Cgroup | undefined {
  let found: Cgroup | undefined;
  for (let at = victim.cgroups[out.hierarchy.index]; at !== undefined; at = at.parent) {
    if (at.memory.oomGroup) found = at;
    if (at === out) break;
  }
  return found;
}
