/** A plan performed by the simulated kernel: up to the moment when the container's program runs, in virtual time. */
import { execError, InternalError, stepError, SyscallError, SYSTEM_SLOTS, UnsupportedError, type Candidate, type ChildStep, type Facts, type LaunchPlan } from '@tsc-box/model';
import * as C from '../abi/constants.ts';
import { errnoName } from '../abi/errno.ts';
import { moveTask, tasksBelow, type Cgroup } from '../kernel/cgroup/tree.ts';
import { closeAll, createFile, fileOf, install, type OpenFile } from '../kernel/fd.ts';
import { headOf } from '../kernel/exec.ts';
import { createPipe, openEnd, type Pipe } from '../kernel/pipe.ts';
import { deadlockReport, runUntil } from '../kernel/sched.ts';
import { sendSignal } from '../kernel/signal.ts';
import { createChild } from '../kernel/task.ts';
import type { Task } from '../kernel/types.ts';
import { wake } from '../kernel/wait.ts';
import { endNamespace } from '../vfs/mount.ts';
import { find } from '../vfs/path.ts';
import { makeCgroups, removeCgroups } from './cgroups.ts';
import { hostCall, mustCall } from './host.ts';
import { bytesOf, planProgram } from './plan-program.ts';

/** A container that runs. */
export interface Launched {
  readonly task: Task;
  /** The command itself: a child of `task` where process 1 is a reaper, or a pid namespace was joined. */
  readonly cgroups: readonly Cgroup[];
  /** The launcher's ends: what it writes to, and reads from. */
  readonly stdin: Pipe | undefined;
  readonly stdout: Pipe | undefined;
  readonly stderr: Pipe | undefined;
  readonly console: OpenFile | undefined;
}

export type Stdio = 'null' | 'pipe';

/** Calls of plans that the simulated kernel does not have: refused before anything is done. */
const REFUSED: Readonly<Partial<Record<ChildStep['call'], string>>> = { seccomp: 'seccomp filters', sched_setscheduler: 'scheduling policies other than SCHED_OTHER', ioprio_set: 'I/O priorities', personality: 'personalities' };

function checkSteps(plan: LaunchPlan): void {
  for (const step of plan.child) {
    const what = REFUSED[step.call];
    if (what !== undefined) throw new UnsupportedError({ attempted: `${step.why} in the simulated kernel`, detail: `it has no ${what}`, hint: 'leave out the option, or use the Linux kernel' });
  }
}

/** @throws the typed error of the step that was refused, with nothing left behind. */
export function launchPlan(init: Task, plan: LaunchPlan, stdio: { readonly stdin: Stdio; readonly stdout: Stdio; readonly stderr: Stdio }, facts: Facts): Launched {
  checkSteps(plan);
  const cgroups = plan.prepare.flatMap((step) => (step.call === 'cgroup' ? makeCgroups(init, step.args.path, step.args.resources) : []));
  const world = new Map<string, number>();
  const ends = openStdio(init, plan.terminal ? { stdin: 'null', stdout: 'null', stderr: 'null' } : stdio, world);
  let failure: { readonly step: ChildStep; readonly errno: string } | undefined;
  let master: OpenFile | undefined;
  let task: Task | number | undefined;
  try {
    const ready = openNamespaces(init, plan, world);
    const procs = openProcs(init, plan);
    task = createChild(init, plan.clone.flags.reduce((bits, name) => bits | ((C as unknown as Readonly<Record<string, number>>)[name] ?? 0), 0), planProgram(plan, {
      slots: world, cgroups: procs, onFailure: (step, errno) => { failure = { step, errno }; },
      onConsole(fd) {
        const file = fd < 0 || typeof task !== 'object' ? undefined : fileOf(task, fd);
        if (file === undefined) return;
        file.refs += 1;
        master = file;
      },
    }));
    if (typeof task === 'number') throw new SyscallError({ attempted: 'start the container process', step: 'clone', syscall: 'clone3', errno: errnoName(task) });
    init.kernel.mountNamespaces.add(task.ns.mnt);
    for (const cgroup of cgroups) if (cgroup.hierarchy.version === 2) moveTask(task, cgroup);
    writeMaps(task, plan, ready);
  } catch (error) {
    closeAll(init);
    removeCgroups(cgroups);
    throw error;
  }
  const started = task;
  closeAll(init);
  const isUp = (): boolean => failure !== undefined || started.state === 'zombie' || started.state === 'dead' || hasExecuted(started, cgroups);
  const alive = runUntil(init.kernel, isUp);
  if (failure === undefined && alive && started.state !== 'zombie' && started.state !== 'dead') return { task: started, cgroups, ...ends, console: master };
  if (failure === undefined && hasExecuted(started, cgroups)) return { task: started, cgroups, ...ends, console: master };
  const error = failure === undefined ? new InternalError('launch in the simulated kernel', deadlockReport(init.kernel)) : describe(started, failure.step, failure.errno, facts);
  endAll(init, started, cgroups);
  throw error;
}

/** The command runs, in this task or the one that it started. */
function hasExecuted(task: Task, cgroups: readonly Cgroup[]): boolean {
  if (task.executed) return true;
  for (const child of task.children) if (child.executed) return true;
  return cgroups.some((cgroup) => [...cgroup.tasks].some(({ executed }) => executed));
}

function openStdio(init: Task, stdio: { readonly stdin: Stdio; readonly stdout: Stdio; readonly stderr: Stdio }, slots: Map<string, number>): { stdin: Pipe | undefined; stdout: Pipe | undefined; stderr: Pipe | undefined } {
  const ends: { stdin: Pipe | undefined; stdout: Pipe | undefined; stderr: Pipe | undefined } = { stdin: undefined, stdout: undefined, stderr: undefined };
  // Below 3 nothing may lie: dup3 of a step would take it away.
  for (let fd = 0; fd < 3; fd += 1) mustCall(init, 'open /dev/null in the simulated machine', 'openat', { dirfd: C.AT_FDCWD, path: '/dev/null', flags: C.O_RDWR, mode: 0 });
  for (const name of ['stdin', 'stdout', 'stderr'] as const) {
    if (stdio[name] === 'null') {
      slots.set(SYSTEM_SLOTS[name], mustCall(init, 'open /dev/null in the simulated machine', 'openat', { dirfd: C.AT_FDCWD, path: '/dev/null', flags: C.O_RDWR, mode: 0 }));
      continue;
    }
    const pipe = createPipe();
    slots.set(SYSTEM_SLOTS[name], install(init, openEnd(pipe, name === 'stdin' ? 'read' : 'write', 0), false));
    // The launcher's own end.
    if (name === 'stdin') pipe.writers += 1;
    else pipe.readers += 1;
    ends[name] = pipe;
  }
  for (const slot of [SYSTEM_SLOTS.reaper, SYSTEM_SLOTS.consoleSocket, SYSTEM_SLOTS.idMapsWrite]) slots.set(slot, install(init, createFile({}, C.O_RDWR, 'socket'), false));
  const alive = createPipe();
  slots.set(SYSTEM_SLOTS.parentAliveWrite, install(init, openEnd(alive, 'write', 0), false));
  alive.readers += 1;
  return ends;
}

/** Descriptors of the namespaces to join, and the pipe on which the child waits for its id maps. */
function openNamespaces(init: Task, plan: LaunchPlan, slots: Map<string, number>): Pipe {
  for (const step of plan.prepare) {
    if (step.call !== 'open') continue;
    const fd = hostCall(init, 'openat', { dirfd: C.AT_FDCWD, path: bytesOf(step.args.path), flags: C.O_RDONLY, mode: 0 });
    if (fd < 0) throw new SyscallError({ attempted: `${step.why}: open "${step.args.path}"`, step: step.id, syscall: 'open', errno: errnoName(fd), path: step.args.path });
    slots.set(step.result, fd);
  }
  const ready = createPipe();
  slots.set(SYSTEM_SLOTS.idMapsReady, install(init, openEnd(ready, 'read', 0), false));
  ready.writers += 1;
  return ready;
}

function openProcs(init: Task, plan: LaunchPlan): number[] {
  const step = plan.prepare.find(({ call }) => call === 'cgroup');
  if (step?.call !== 'cgroup') return [];
  return init.kernel.hierarchies.filter(({ version }) => version === 1).map(({ mountpoint }) => mustCall(init, 'open the cgroup in the simulated machine', 'openat', { dirfd: C.AT_FDCWD, path: `${mountpoint}${step.args.path}/cgroup.procs`, flags: C.O_WRONLY, mode: 0 }));
}

function writeMaps(task: Task, { clone }: LaunchPlan, ready: Pipe): void {
  const maps = clone.idMaps;
  if (maps === undefined) return;
  const rows = (list: NonNullable<typeof maps>['uid']): { inside: number; outside: number; count: number }[] => list.map(({ containerID, hostID, size }) => ({ inside: containerID, outside: hostID, count: size }));
  const { user } = task.cred;
  user.uidMap = rows(maps.uid);
  user.gidMap = rows(maps.gid);
  user.setgroups = maps.setgroups;
  ready.chunks.push(Uint8Array.of(0));
  ready.length = 1;
  wake(ready.readable);
}

function describe(task: Task, step: ChildStep, errno: string, facts: Facts): Error {
  if (step.call !== 'execve') return stepError(step, errno, facts);
  const candidates: Candidate[] = step.args.candidates.map((path) => {
    const position = find(task, C.AT_FDCWD, bytesOf(path), { follow: true });
    if (typeof position === 'number') return { path, mode: 0, head: new Uint8Array(0) };
    return { path, mode: position.mount.fs.stat(position.node, task).mode, head: headOf(position) };
  });
  const elf = errno === 'ENOEXEC' ? candidates.find(({ mode, head }) => mode !== 0 && head[0] === 0x7f && head[1] === 0x45) : undefined;
  if (elf !== undefined) return unsimulated(elf, step.args.argv[0] ?? '');
  return execError({ command: step.args.argv[0] ?? '', candidates, errno, architecture: facts.architecture });
}

const MACHINES: Readonly<Record<number, string>> = { 3: 'i386', 40: 'arm', 62: 'x86-64', 183: 'arm64' };

/** A machine-code program that the simulator has no command for. */
function unsimulated({ path, head }: Candidate, command: string): SyscallError {
  const machine = MACHINES[(head[18] ?? 0) | ((head[19] ?? 0) << 8)] ?? 'unknown';
  return new SyscallError({
    code: 'ERR_TSCBOX_COMMAND_NOT_EXECUTABLE', step: 'exec', syscall: 'execve', attempted: `execute ${JSON.stringify(command)} in the simulated kernel`, errno: 'ENOEXEC', path,
    reason: `${path} is a program of ${machine} machine code, and the simulator has no command of that name`, hint: 'run it on the Linux kernel, or use one of the commands of the image `demo`',
  });
}

/** Kills what is left, lets it end, and removes the cgroups. */
export function endAll(init: Task, task: Task, cgroups: readonly Cgroup[]): void {
  const left = (): Task[] => [...new Set([...(task.state === 'zombie' || task.state === 'dead' ? [] : [task]), ...cgroups.flatMap(tasksBelow)])];
  for (const one of left()) {
    one.pending.add(C.SIGKILL);
    sendSignal(one, C.SIGKILL, init);
    if (one.state !== 'sleeping') continue;
    one.state = 'runnable';
    init.kernel.runnable.push(one);
  }
  runUntil(init.kernel, () => left().length === 0);
  // Process 1 takes it out of the table at its next turn.
  if (task.parent === init) runUntil(init.kernel, () => task.state === 'dead');
  removeCgroups(cgroups);
  const { mnt } = task.ns;
  const { tasks, mountNamespaces } = init.kernel;
  if (mnt !== init.ns.mnt && mountNamespaces.has(mnt) && ![...tasks].some(({ ns }) => ns.mnt === mnt)) endNamespace(mnt, mountNamespaces);
}
