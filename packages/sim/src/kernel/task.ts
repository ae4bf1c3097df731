/** Tasks: clone(2), exit_group(2), reparenting, the end of a pid namespace. */
import type { Program, ProgramContext } from '../abi/calls.ts';
import { CLONE_NEWPID, SIGCHLD, SIGCONT, SIGHUP, SIGKILL } from '../abi/constants.ts';
import { EAGAIN, ENOMEM } from '../abi/errno.ts';
import { attachTask, chargeTask, detachTask, unchargeMemory } from './cgroup/tree.ts';
import { closeAll, copyTable } from './fd.ts';
import { NAMESPACE_FLAGS, unshare } from './nsproxy.ts';
import { allocate, isInside, numberIn, release } from './pidns.ts';
import { clearCall, reportExit, sendSignal, signalGroup } from './signal.ts';
import type { Frame, Kernel, Task } from './types.ts';
import { createQueue, leaveQueues, reap, wake } from './wait.ts';

export function contextOf(task: Task): ProgramContext {
  const { kernel } = task;
  return { argv: task.argv, env: task.env, random: kernel.random.programs.next, note: (text) => kernel.trace.note(kernel.clock.now, numberIn(task.pid, kernelPids(task)), text) };
}

function kernelPids(task: Task): Task['pid']['ns'] {
  let { ns } = task.pid;
  while (ns.parent !== undefined) ns = ns.parent;
  return ns;
}

/** Number in the machine's own pid namespace. */
export function globalPid(task: Task): number {
  return task.pid.numbers[0] ?? 0;
}

/** clone(2): the child's pid in the caller's namespace. */
export function cloneTask(parent: Task, flags: number, program: Program): number {
  const child = createChild(parent, flags, program);
  return typeof child === 'number' ? child : numberIn(child.pid, parent.ns.pid);
}

export function createChild(parent: Task, flags: number, program: Program): Task | number {
  const { kernel } = parent;
  const space = parent.ns.pidForChildren;
  // A pid namespace whose process 1 has ended takes no more: pid_namespaces(7).
  if ((flags & CLONE_NEWPID) === 0 && space.init !== undefined && space.init.state !== 'runnable' && space.init.frames.length === 0) return -ENOMEM;
  if (chargeTask(parent.cgroups) < 0) return -EAGAIN;
  // Namespaces and credentials are made on a shadow first, so that a refusal leaves nothing behind.
  const shadow: Task = { ...parent, fs: { ...parent.fs } };
  const refused = (flags & NAMESPACE_FLAGS) === 0 ? 0 : unshare(shadow, flags & NAMESPACE_FLAGS, true);
  if (refused < 0) {
    detachTask(parent.cgroups, undefined);
    return refused;
  }
  const pidns = shadow.ns.pidForChildren;
  const child = spawn(kernel, {
    ...shadow, parent, children: new Set(), pid: allocate(pidns), ns: { ...shadow.ns, pid: pidns, pidForChildren: pidns, time: shadow.ns.timeForChildren },
    fs: shadow.fs, files: copyTable(parent.files), actions: new Map(parent.actions), rlimits: [...parent.rlimits], cgroups: [...parent.cgroups], program,
  });
  parent.children.add(child);
  return child;
}

/** Fills what each new task has of its own, and makes it runnable. */
export function spawn(kernel: Kernel, from: Task): Task {
  const { pid } = from;
  const task: Task = {
    ...from, state: 'runnable', frames: [], call: undefined, value: 0, progress: undefined, timer: undefined, queues: new Set(), pending: new Set(), alarm: undefined, parentDeathSignal: 0, subreaper: false,
    memoryPeak: from.memory, cpuTime: 0, childCpuTime: 0, startTime: kernel.clock.now, status: 0, report: undefined, stopSignal: 0, executed: false, childQueue: createQueue('a child'),
  };
  pid.task = task;
  pid.ns.init ??= task;
  task.frames.push({ run: from.program(contextOf(task)) });
  task.fs.cwd.mount.fs.hold(task.fs.cwd.node);
  kernel.tasks.add(task);
  kernel.runnable.push(task);
  attachTask(task);
  return task;
}

/** Replaces what the task runs: the end of execve(2). */
export function replaceProgram(task: Task, program: Program): void {
  const frame: Frame = { run: program(contextOf(task)) };
  task.frames = [frame];
  task.value = 0;
}

/** exit_group(2), or death by a signal. `status` is that of wait4(2): code << 8, or the signal. */
export function exitTask(task: Task, status: number): void {
  if (task.state === 'zombie' || task.state === 'dead') return;
  const { kernel } = task;
  clearCall(task);
  leaveQueues(task);
  if (task.alarm !== undefined) kernel.clock.cancel(task.alarm);
  kernel.computing.delete(task);
  task.state = 'zombie';
  task.status = status;
  task.frames = [];
  closeAll(task);
  task.fs.cwd.mount.fs.letGo(task.fs.cwd.node);
  unchargeMemory(task, task.memory);
  task.memory = 0;
  detachTask(task.cgroups, task);
  if (task.pid.ns.init === task) killNamespace(task);
  adoptChildren(task);
  if (task.terminal !== undefined && task.session === task.pid) hangUp(task);
  if (reportExit(task)) reapOrRelease(task);
}

function reapOrRelease(task: Task): void {
  if (task.parent !== undefined) return reap(task);
  task.kernel.tasks.delete(task);
  release(task.pid);
}

/** All of a pid namespace end with its process 1: pid_namespaces(7). */
function killNamespace(init: Task): void {
  const inside = [...init.kernel.tasks].filter((task) => task !== init && isInside(task.pid.ns, init.pid.ns));
  for (const task of inside) exitTask(task, SIGKILL);
  for (const task of inside) if (task.state === 'zombie') reap(task);
}

/** Orphans go to the nearest subreaper, else to process 1 of the namespace: prctl(2), PR_SET_CHILD_SUBREAPER. */
function adoptChildren(task: Task): void {
  if (task.children.size === 0) return;
  const heir = findReaper(task);
  const orphans = [...task.children];
  task.children.clear();
  for (const child of orphans) {
    child.parent = heir;
    heir?.children.add(child);
    if (child.parentDeathSignal !== 0) sendSignal(child, child.parentDeathSignal, undefined);
    if (child.state === 'zombie' && heir !== undefined) {
      sendSignal(heir, SIGCHLD, child);
      wake(heir.childQueue);
    }
  }
}

function findReaper(task: Task): Task | undefined {
  const { init } = task.pid.ns;
  for (let at = task.parent; at !== undefined && isInside(at.pid.ns, task.pid.ns); at = at.parent) if (at.subreaper && at.state !== 'zombie') return at;
  if (init !== undefined && init !== task && init.state !== 'zombie') return init;
  return task.parent;
}

/** The session's leader ends: its foreground group hangs up. credentials(7). */
function hangUp(leader: Task): void {
  const { terminal } = leader;
  if (terminal === undefined) return;
  if (terminal.foreground !== undefined) for (const signal of [SIGHUP, SIGCONT]) signalGroup(terminal.foreground, signal);
  terminal.session = undefined;
  terminal.foreground = undefined;
  for (const task of leader.kernel.tasks) if (task.session === leader.session) task.terminal = undefined;
}
