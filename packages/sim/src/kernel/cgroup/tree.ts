/** Control groups: the tree, who is where, and charges that go up to the root. cgroups(7), cgroup-v2.rst. */
import { EBUSY, EEXIST, EINVAL, ENOENT, EOPNOTSUPP } from './errors.ts';
import type { Kernel, Task } from '../types.ts';
import { createQueue, wake, type WaitQueue } from '../wait.ts';
import { chargePids } from './pids.ts';
import { createCpu, createIo, createMemory, createPids, type CpuState, type IoState, type MemoryState, type PidsState } from './state.ts';

export interface Hierarchy {
  readonly version: 1 | 2;
  /** v1: those mounted here. v2: those that are there at all. */
  readonly controllers: readonly string[];
  readonly mountpoint: string;
  readonly root: Cgroup;
  readonly index: number;
}

export interface Cgroup {
  readonly hierarchy: Hierarchy;
  readonly name: string;
  readonly parent: Cgroup | undefined;
  readonly children: Map<string, Cgroup>;
  readonly tasks: Set<Task>;
  /** Node of its directory. */
  readonly id: number;
  /** v2: cgroup.subtree_control. */
  readonly subtree: Set<string>;
  readonly cpu: CpuState;
  readonly memory: MemoryState;
  readonly pids: PidsState;
  readonly io: IoState;
  /** cpuset.cpus and cpuset.mems as written; '' is the parent's. */
  cpus: string;
  mems: string;
  /** Its own cgroup.freeze or freezer.state. */
  freeze: boolean;
  removed: boolean;
  uid: number;
  gid: number;
  /** Woken when cgroup.events or memory.events may have changed. */
  readonly events: WaitQueue;
}

export function createCgroup(kernel: Pick<Kernel, 'nextId'>, hierarchy: Hierarchy, parent: Cgroup | undefined, name: string): Cgroup {
  return {
    hierarchy, name, parent, children: new Map(), tasks: new Set(), id: kernel.nextId(), subtree: new Set(), cpu: createCpu(), memory: createMemory(), pids: createPids(), io: createIo(),
    cpus: '', mems: '', freeze: false, removed: false, uid: 0, gid: 0, events: createQueue('events of a cgroup'),
  };
}

export function createHierarchy(kernel: Pick<Kernel, 'nextId'>, version: 1 | 2, controllers: readonly string[], mountpoint: string, index: number): Hierarchy {
  const hierarchy: { -readonly [K in keyof Hierarchy]: Hierarchy[K] } = { version, controllers, mountpoint, index, root: undefined as unknown as Cgroup };
  hierarchy.root = createCgroup(kernel, hierarchy, undefined, '');
  return hierarchy;
}

/** `/a/b`, seen from `from`: with `/..` for what lies above it (cgroup_namespaces(7)). */
export function cgroupPath(cgroup: Cgroup, from?: Cgroup): string {
  const top = from ?? cgroup.hierarchy.root;
  const names: string[] = [];
  let at: Cgroup | undefined = cgroup;
  while (at !== undefined && at !== top) {
    names.unshift(at.name);
    at = at.parent;
  }
  if (at !== undefined) return `/${names.join('/')}`;
  const above = top.parent;
  const outer = above === undefined ? '/' : cgroupPath(cgroup, above);
  return outer === '/' ? '/..' : `/..${outer}`;
}

/** mkdir(2) of a cgroup. */
export function makeCgroup(kernel: Kernel, parent: Cgroup, name: string, uid: number, gid: number): Cgroup | number {
  if (parent.removed) return -ENOENT;
  if (parent.children.has(name)) return -EEXIST;
  const cgroup = createCgroup(kernel, parent.hierarchy, parent, name);
  cgroup.uid = uid;
  cgroup.gid = gid;
  parent.children.set(name, cgroup);
  return cgroup;
}

/** rmdir(2): neither children nor tasks, zombies apart. */
export function removeCgroup(cgroup: Cgroup): number {
  if (cgroup.parent === undefined || cgroup.tasks.size > 0 || cgroup.children.size > 0) return -EBUSY;
  cgroup.parent.children.delete(cgroup.name);
  cgroup.removed = true;
  return 0;
}

/** Controllers whose files a v2 cgroup has: those that its parent gives to its children. */
export function controllersOf(cgroup: Cgroup): readonly string[] {
  if (cgroup.hierarchy.version === 1 || cgroup.parent === undefined) return cgroup.hierarchy.controllers;
  const { parent } = cgroup;
  return cgroup.hierarchy.controllers.filter((name) => parent.subtree.has(name));
}

/** cgroup.subtree_control: `+memory -io`. */
export function writeSubtree(cgroup: Cgroup, text: string): number {
  const words = text.trim().split(/\s+/).filter((word) => word !== '');
  const available = controllersOf(cgroup);
  for (const word of words) {
    const name = word.slice(1);
    if (!/^[+-]/.test(word) || !cgroup.hierarchy.controllers.includes(name)) return -EINVAL;
    if (word.startsWith('+') && !available.includes(name)) return -ENOENT;
    if (word.startsWith('-') && [...cgroup.children.values()].some((child) => child.subtree.has(name))) return -EBUSY;
    // "No Internal Process Constraint".
    if (word.startsWith('+') && cgroup.parent !== undefined && cgroup.tasks.size > 0) return -EBUSY;
  }
  for (const word of words) {
    if (word.startsWith('+')) cgroup.subtree.add(word.slice(1));
    else cgroup.subtree.delete(word.slice(1));
  }
  return 0;
}

/** Moves a task: a write to cgroup.procs. */
export function moveTask(task: Task, to: Cgroup): number {
  const { index, version } = to.hierarchy;
  if (version === 2 && to.parent !== undefined && to.subtree.size > 0) return -EBUSY;
  if (to.removed) return -ENOENT;
  const from = task.cgroups[index];
  if (from === undefined || from === to) return from === undefined ? -EOPNOTSUPP : 0;
  from.tasks.delete(task);
  to.tasks.add(task);
  task.cgroups[index] = to;
  // Moving may exceed pids.max: only fork is refused (pids.rst).
  chargePids(from, -1);
  chargePids(to, 1);
  // v2: memory stays charged where it was used (cgroup-v2.rst, "Memory Ownership"). DIFFERS: it moves along, so that what a task holds is one number.
  moveMemory(task, from, to);
  signalEvents(from);
  signalEvents(to);
  if (!isFrozenAt(to)) wakeFrozen(to);
  return 0;
}

function moveMemory(task: Task, from: Cgroup, to: Cgroup): void {
  for (let at: Cgroup | undefined = from; at !== undefined; at = at.parent) at.memory.usage -= task.memory;
  for (let at: Cgroup | undefined = to; at !== undefined; at = at.parent) at.memory.usage += task.memory;
}

/** cgroup.events has changed in it and above. */
export function signalEvents(cgroup: Cgroup): void {
  for (let at: Cgroup | undefined = cgroup; at !== undefined; at = at.parent) wake(at.events);
}

export function isPopulated(cgroup: Cgroup): boolean {
  return cgroup.tasks.size > 0 || [...cgroup.children.values()].some(isPopulated);
}

/** Tasks in it and below. */
export function tasksBelow(cgroup: Cgroup): Task[] {
  return [...cgroup.tasks, ...[...cgroup.children.values()].flatMap(tasksBelow)];
}

/** Room for one more task in each hierarchy; the charge is made. -EAGAIN as fork(2) gives it. */
export function chargeTask(cgroups: readonly Cgroup[]): number {
  for (const cgroup of cgroups) {
    for (let at: Cgroup | undefined = cgroup; at !== undefined; at = at.parent) {
      if (at.pids.current < at.pids.max) continue;
      at.pids.failures += 1;
      wake(at.events);
      return -11;
    }
  }
  for (const cgroup of cgroups) chargePids(cgroup, 1);
  return 0;
}

/** The charge was made by `chargeTask`. */
export function attachTask(task: Task): void {
  for (const cgroup of task.cgroups) cgroup.tasks.add(task);
  if (task.memory > 0) for (const cgroup of task.cgroups) for (let at: Cgroup | undefined = cgroup; at !== undefined; at = at.parent) at.memory.usage += task.memory;
}

export function detachTask(cgroups: readonly Cgroup[], task: Task | undefined): void {
  for (const cgroup of cgroups) {
    chargePids(cgroup, -1);
    if (task === undefined || !cgroup.tasks.delete(task)) continue;
    if (cgroup.tasks.size === 0) signalEvents(cgroup);
  }
}

export function unchargeMemory(task: Task, bytes: number): void {
  if (bytes === 0) return;
  for (const cgroup of task.cgroups) for (let at: Cgroup | undefined = cgroup; at !== undefined; at = at.parent) at.memory.usage -= bytes;
}

/** By itself, or by one above. */
export function isFrozenAt(cgroup: Cgroup): boolean {
  for (let at: Cgroup | undefined = cgroup; at !== undefined; at = at.parent) if (at.freeze) return true;
  return false;
}

/** Those that were kept from running go on. */
export function wakeFrozen(cgroup: Cgroup): void {
  for (const task of tasksBelow(cgroup)) {
    if (task.state !== 'sleeping' || isFrozenAt(cgroup)) continue;
    task.state = 'runnable';
    task.kernel.runnable.push(task);
    for (const queue of task.queues) queue.tasks.delete(task);
    task.queues.clear();
  }
}
