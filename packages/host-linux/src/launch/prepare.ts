/** What a launch makes before the clone: cgroups, descriptors, pipes. */
import { closeSync, openSync } from 'node:fs';
import { SYSTEM_SLOTS, SyscallError, type Facts, type LaunchRequest, type PrepareStep } from '@tsc-box/model';
import { openCgroupsOf, type JoinableCgroups } from '../cgroup/join.ts';
import { createCgroup, type CgroupHandle } from '../cgroup/manage.ts';
import { makePipe, makeSocketPair } from '../ffi/descriptors.unsafe.ts';
import { openPidfd } from '../ffi/process.unsafe.ts';
import { openReaperFile, type ReaperFile } from '../launcher/reaper-file.ts';
import { isRunning } from './process-identity.ts';
import { openStdio, type OpenedStdio } from './stdio.ts';
import type { Undo } from './undo.ts';

export interface Prepared {
  readonly slots: Map<string, number>;
  readonly cgroup: CgroupHandle | undefined;
  /** Descriptors of cgroup.procs that the child joins by, and of the v2 directory that it begins in. */
  readonly cgroups: readonly number[];
  readonly cgroupDirectory: number | undefined;
  readonly stdio: OpenedStdio;
  /** Pipe that releases the child once its ids are mapped. */
  readonly release: Pipe | undefined;
  /** Where the child tells that it waits for hooks, and where it is told to go on. */
  readonly hooks: { readonly setUp: Pipe; readonly goOn: Pipe } | undefined;
  /** Where the terminal's master side arrives. */
  readonly console: number | undefined;
  readonly reaper: ReaperFile | undefined;
}

export interface Pipe {
  readonly read: number;
  readonly write: number;
  /** Before the child needs it no more. Safe to call more than once. */
  closeWrite(): void;
}

/** `child` closes what only the child needs, `failure` undoes what a failed launch leaves. @throws SyscallError, UnsupportedError of the step that failed. */
export function prepare({ plan, stdio }: LaunchRequest, facts: Facts, child: Undo, failure: Undo): Prepared {
  const slots = new Map<string, number>();
  let cgroup: CgroupHandle | undefined;
  let joined: JoinableCgroups | undefined;
  for (const step of plan.prepare) {
    switch (step.call) {
      case 'cgroup':
        cgroup = keepCgroup(createCgroup(facts, step.args.path, step.args.resources), child, failure);
        break;
      case 'cgroup_of':
        joined = openCgroupsOf(facts, step.args.pid);
        child.add(joined.closeFds);
        // The pid was still its own when its cgroups were read.
        if (!isRunning(step.args.pid, step.args.startTime)) throw goneError(step);
        break;
      case 'open':
        slots.set(step.result, opened(() => openSync(step.args.path, 'r'), step, child));
        break;
      case 'pidfd_open':
        slots.set(step.result, openProcess(step, child));
        break;
    }
  }
  const streams = openStdio(stdio, child, failure);
  for (const [name, fd] of streams.slots) slots.set(name, fd);
  const pipe = (): Pipe => openPipe(child);
  let release: Pipe | undefined;
  if (plan.clone.idMaps !== undefined) {
    release = pipe();
    slots.set(SYSTEM_SLOTS.idMapsReady, release.read).set(SYSTEM_SLOTS.idMapsWrite, release.write);
  }
  if (plan.child.some((step) => step.id === 'parent-alive')) {
    const { read, write } = pipe();
    slots.set(SYSTEM_SLOTS.parentAliveRead, read).set(SYSTEM_SLOTS.parentAliveWrite, write);
  }
  let hooks: { readonly setUp: Pipe; readonly goOn: Pipe } | undefined;
  if (plan.child.some((step) => step.id === 'hooks.wait')) {
    hooks = { setUp: pipe(), goOn: pipe() };
    slots.set(SYSTEM_SLOTS.setUpWrite, hooks.setUp.write).set(SYSTEM_SLOTS.goOnRead, hooks.goOn.read).set(SYSTEM_SLOTS.goOnWrite, hooks.goOn.write);
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
  return { slots, cgroup, cgroups: (cgroup ?? joined)?.taskFds ?? [], cgroupDirectory: cgroup?.directoryFd, stdio: streams, release, hooks, console, reaper };
}

/** A pipe that is closed, both ends, when the child needs it no more. */
export function openPipe(child: Undo): Pipe {
  const [read, write] = makePipe();
  let open = true;
  const closeWrite = (): void => {
    if (open) closeSync(write);
    open = false;
  };
  child.add(() => closeSync(read));
  child.add(closeWrite);
  return { read, write, closeWrite };
}

function keepCgroup(cgroup: CgroupHandle, child: Undo, failure: Undo): CgroupHandle {
  child.add(() => cgroup.closeFds());
  failure.add(() => cgroup.remove());
  return cgroup;
}

function opened(open: () => number, step: Extract<PrepareStep, { call: 'open' }>, child: Undo): number {
  try {
    const fd = open();
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

/** The descriptor is opened first: the start time that is read then can only be that of the process behind it. */
function openProcess(step: Extract<PrepareStep, { call: 'pidfd_open' }>, child: Undo): number {
  const { args } = step;
  let pidfd: number;
  try {
    pidfd = openPidfd(args.pid);
  } catch (error) {
    throw error instanceof SyscallError && error.errno === 'ESRCH' ? goneError(step, error) : error;
  }
  child.add(() => closeSync(pidfd));
  if (!isRunning(args.pid, args.startTime)) throw goneError(step);
  return pidfd;
}

function goneError({ id, call, args, why }: Extract<PrepareStep, { call: 'pidfd_open' | 'cgroup_of' }>, cause?: unknown): SyscallError {
  return new SyscallError({ attempted: `open process ${String(args.pid)} (${why})`, step: id, syscall: call, errno: 'ESRCH', reason: 'it has ended', cause });
}
