/** Performs a launch plan on this kernel: prepare, clone, id maps, wait for exec; on failure everything is taken back. */
import { closeSync, openSync } from 'node:fs';
import { assert, explainClone, SYSTEM_SLOTS, SyscallError, UnsupportedError, type ExitStatus, type Facts, type LaunchedProcess, type LaunchRequest, type PrepareStep } from '@tsc-box/model';
import { createCgroup, type CgroupHandle } from '../cgroup/manage.ts';
import { makePipe, makeSocketPair, receiveDescriptor, resizeTerminal, writeByte } from '../ffi/descriptors.unsafe.ts';
import { openPidfd, reapNow, signalPidfd, waitWhileEqual, type Reaped } from '../ffi/process.unsafe.ts';
import { openReaperFile, type ReaperFile } from '../launcher/reaper-file.unsafe.ts';
import { mapProgramMemory, runLauncher, type CloneArgs, type ProgramMemory } from '../launcher/run.unsafe.ts';
import { seccompProgram } from '../seccomp/compile.ts';
import { listenForChildren, waitForChild } from './children.ts';
import { flagsValue } from './constants.ts';
import { encodePlan, type EncodedPlan } from './encode.ts';
import { launchError } from './failure.ts';
import { writeIdMaps } from './id-maps.ts';
import { startTimeOf } from './process-identity.ts';
import { openStdio, type OpenedStdio } from './stdio.ts';
import { createUndo, type Undo } from './undo.ts';

const CLONE_VM = 0x100;
const CLONE_VFORK = 0x4000;
const CLONE_CHILD_CLEARTID = 0x200000;
const SIGCHLD = 17;
const SIGKILL = 9;

interface Prepared {
  readonly slots: Map<string, number>;
  readonly cgroup: CgroupHandle | undefined;
  readonly stdio: OpenedStdio;
  /** Write end of the pipe that releases the child once its ids are mapped. */
  readonly release: number | undefined;
  /** Where the terminal's master side arrives. */
  readonly console: number | undefined;
  readonly reaper: ReaperFile | undefined;
}

/** @throws SyscallError, UnsupportedError of the step that failed. */
export function launch(request: LaunchRequest, facts: Facts): LaunchedProcess {
  const failure = createUndo();
  const child = createUndo();
  try {
    const prepared = prepare(request, facts, child, failure);
    const started = start(request, facts, prepared);
    child.run();
    return launched(started, prepared, request.plan.clone.flags.includes('CLONE_NEWPID'));
  } catch (error) {
    child.run();
    failure.run();
    throw error;
  }
}

function prepare({ plan, stdio }: LaunchRequest, facts: Facts, child: Undo, failure: Undo): Prepared {
  const slots = new Map<string, number>();
  let cgroup: CgroupHandle | undefined;
  for (const step of plan.prepare) {
    if (step.call === 'cgroup') cgroup = prepareCgroup(step, facts, child, failure);
    else if (step.call === 'open') slots.set(step.result, prepareOpen(step, child));
    else throw new UnsupportedError({ attempted: step.call, detail: 'this version can not' });
  }
  const opened = openStdio(stdio, child, failure);
  for (const [name, fd] of opened.slots) slots.set(name, fd);
  let release: number | undefined;
  if (plan.clone.idMaps !== undefined) {
    const [read, write] = makePipe();
    child.add(() => closeSync(read));
    child.add(() => closeSync(write));
    slots.set(SYSTEM_SLOTS.idMapsReady, read).set(SYSTEM_SLOTS.idMapsWrite, write);
    release = write;
  }
  if (plan.child.some((step) => step.id === 'parent-alive')) {
    const [read, write] = makePipe();
    child.add(() => closeSync(read));
    child.add(() => closeSync(write));
    slots.set(SYSTEM_SLOTS.parentAliveRead, read).set(SYSTEM_SLOTS.parentAliveWrite, write);
  }
  let console: number | undefined;
  if (plan.terminal) {
    const [ours, theirs] = makeSocketPair();
    child.add(() => closeSync(ours));
    child.add(() => closeSync(theirs));
    slots.set(SYSTEM_SLOTS.consoleSocket, theirs);
    console = ours;
  }
  const reaper = plan.child.some((step) => step.call === 'clone') ? openReaperFile(facts.architecture) : undefined;
  if (reaper !== undefined) {
    child.add(() => closeSync(reaper.fd));
    slots.set(SYSTEM_SLOTS.reaper, reaper.fd);
  }
  return { slots, cgroup, stdio: opened, release, console, reaper };
}

function prepareCgroup(step: Extract<PrepareStep, { call: 'cgroup' }>, facts: Facts, child: Undo, failure: Undo): CgroupHandle {
  const cgroup = createCgroup(facts, step.args.path, step.args.resources);
  child.add(() => cgroup.closeFds());
  failure.add(() => cgroup.remove());
  return cgroup;
}

function prepareOpen(step: Extract<PrepareStep, { call: 'open' }>, child: Undo): number {
  try {
    const fd = openSync(step.args.path, 'r');
    child.add(() => closeSync(fd));
    return fd;
  } catch (error) {
    throw prepareError(step, error);
  }
}

function prepareError(step: Extract<PrepareStep, { call: 'open' }>, error: unknown): SyscallError {
  const errno = (error as NodeJS.ErrnoException).code;
  const reason = errno === 'ENOENT' ? 'it does not exist' : errno === 'EACCES' ? 'this user may not open it' : undefined;
  return new SyscallError({ attempted: `${step.call} "${step.args.path}" (${step.why})`, step: step.id, syscall: step.call, errno, path: step.args.path, reason, cause: error });
}

interface Started {
  readonly pid: number;
  readonly pidfd: number;
  readonly terminal: number | undefined;
}

function start(request: LaunchRequest, facts: Facts, prepared: Prepared): Started {
  const { plan } = request;
  const seccomp = plan.seccomp !== undefined && plan.child.some((step) => step.call === 'seccomp')
    ? seccompProgram(plan.seccomp, facts, request.cacheDir) : undefined;
  const encoded = encodePlan(plan.child, { architecture: facts.architecture, slots: prepared.slots, cgroups: prepared.cgroup?.procsFds ?? [], seccomp, terminal: plan.terminal, ...(prepared.reaper === undefined ? {} : { reaper: prepared.reaper }) });
  const { program } = encoded;
  const { report } = program;
  const pidfdAt = program.bytes(new Uint8Array(8), 8);
  const alive = program.bytes(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), 8);
  const layout = program.finish();
  const memory = mapProgramMemory(layout.size);
  try {
    program.write(memory.address, memory.bytes);
    const word = (ref: typeof report, offset = 0): number => memory.bytes.readUInt32LE(program.offsetOf(ref) + offset);
    // The child stops by itself at the id maps; else the launcher stands still until it has exec'ed.
    const waits = plan.clone.idMaps !== undefined;
    listenForChildren();
    const pid = clone(request, facts, {
      flags: flagsValue(plan.clone.flags, facts.architecture) + CLONE_VM + CLONE_CHILD_CLEARTID + (waits ? 0 : CLONE_VFORK),
      pidfd: program.addressOf(memory.address, pidfdAt), childTid: program.addressOf(memory.address, alive), exitSignal: SIGCHLD, cgroup: prepared.cgroup?.directoryFd,
    }, program.addressOf(memory.address, report), program.entryAddress(memory.address));
    let current: Started = { pid, pidfd: word(pidfdAt), terminal: undefined };
    try {
      if (waits) mapIds(request, prepared, pid);
      waitWhileEqual(program.addressOf(memory.address, alive), 1);
      if (encoded.nested !== undefined) current = followNested(encoded, memory, current, word);
      if (word(report) !== 0) {
        const address = Number(memory.bytes.readBigUInt64LE(program.offsetOf(report) + 8));
        throw launchError(encoded, memory, word(report), address, facts);
      }
      return { ...current, terminal: prepared.console === undefined ? undefined : receiveDescriptor(prepared.console) };
    } catch (error) {
      // The child runs in our memory until it has ended: nothing is freed before.
      signalPidfd(current.pidfd, SIGKILL);
      reapNow(current.pidfd);
      closeSync(current.pidfd);
      throw error;
    }
  } finally {
    memory.free();
  }
}

function clone(request: LaunchRequest, facts: Facts, cloneArgs: CloneArgs, report: number, entry: number): number {
  try {
    return runLauncher({ cloneArgs, entry, report });
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno === undefined) throw error;
    const { flags } = request.plan.clone;
    const cause = explainClone(flags, error.errno, facts);
    throw new SyscallError({ attempted: `make the process with ${flags.length === 0 ? 'no new namespace' : flags.join('|')}`, step: 'clone', syscall: 'clone3', errno: error.errno, args: { flags }, reason: cause?.reason, hint: cause?.hint, cause: error });
  }
}

function mapIds({ plan }: LaunchRequest, { release }: Prepared, pid: number): void {
  assert(plan.clone.idMaps !== undefined && release !== undefined, 'a plan with id maps has a pipe');
  writeIdMaps(pid, plan.clone.idMaps);
  writeByte(release);
}

/** The first process has ended, by its nested clone or by a failure; the one it made is our child and goes on. */
function followNested({ nested, program }: EncodedPlan, memory: ProgramMemory, first: Started, word: (ref: NonNullable<EncodedPlan['nested']>['pid']) => number): Started {
  assert(nested !== undefined, 'the plan has a nested clone');
  const pid = word(nested.pid);
  if (pid === 0) return first;
  waitWhileEqual(program.addressOf(memory.address, nested.alive), 1);
  reapNow(first.pidfd);
  closeSync(first.pidfd);
  return { pid, pidfd: openPidfd(pid), terminal: undefined };
}

function launched({ pid, pidfd, terminal }: Started, { cgroup, stdio }: Prepared, ownPids: boolean): LaunchedProcess {
  let ended = false;
  let last: Reaped | undefined;
  const reaped = waitForChild(pidfd);
  const status = reaped.then((exit): ExitStatus => {
    ended = true;
    last = exit;
    // Any process of it: behind an init or a shell the first one ends by itself, with the code of the one that was killed. A success needs no explanation.
    const oomKilled = exit.code !== 0 && (cgroup?.usage().oomKills ?? 0) > 0;
    return { code: exit.code, ...(exit.signal === undefined ? {} : { signal: exit.signal }), ...(oomKilled ? { oomKilled } : {}) };
  });
  return {
    pid, startTime: startTimeOf(pid) ?? 0,
    ...(terminal === undefined ? {} : { terminal }), ...stdio.ours,
    wait: () => status,
    kill: (signal) => !ended && signalPidfd(pidfd, signal),
    resize(height, width) {
      if (terminal !== undefined) resizeTerminal(terminal, height, width);
    },
    usage() {
      const usage = cgroup?.usage();
      const peakMemory = usage?.peakMemory;
      const cpuTimeUs = usage?.cpuTimeUs ?? last?.cpuTimeUs;
      return { ...(peakMemory === undefined ? {} : { peakMemory }), ...(cpuTimeUs === undefined ? {} : { cpuTimeUs }) };
    },
    cleanup() {
      if (!ended) signalPidfd(pidfd, SIGKILL);
      // With a pid namespace of its own, everything has ended with the first process.
      if (!ended || !ownPids) cgroup?.kill();
      cgroup?.remove();
    },
  };
}
