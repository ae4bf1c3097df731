/**
 * A launch behind a monitor: a process between ours and the container's that becomes the monitor (launcher/monitor.ts). It makes the
 * container's process by a clone of its own, so that it is the parent, and tells us by a pipe how far it is. We give it leave to go on
 * once we know its child by pid and start time: it reaps nothing before that. When we die earlier, it ends its child and itself.
 */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { assert, type Facts, type MonitorRequest } from '@tsc-box/model';
import { duplicate } from '../ffi/descriptors.unsafe.ts';
import type { Arg, Label, Ref } from '../launcher/program.ts';
import { openExecutable } from '../launcher/memory-file.unsafe.ts';
import { buildMonitor, MONITOR_FDS, type MonitoredOutput } from '../launcher/monitor.ts';
import type { StaticElf } from '../launcher/static-elf.ts';
import { flagsValue } from './constants.ts';
import type { EncodedPlan } from './encode.ts';
import { openPipe, type Pipe, type Prepared } from './prepare.ts';
import type { Undo } from './undo.ts';

/** syscall_64.tbl; include/uapi/asm-generic/unistd.h. */
const NUMBERS = {
  x64: { read: 0, write: 1, close: 3, rt_sigaction: 13, ioctl: 16, recvmsg: 47, fcntl: 72, chdir: 80, setsid: 112, futex: 202, exit_group: 231, waitid: 247, dup3: 292, execveat: 322, pidfd_send_signal: 424, pidfd_open: 434, clone3: 435, close_range: 436, prctl: 157 },
  arm64: { dup3: 24, fcntl: 25, ioctl: 29, chdir: 49, close: 57, read: 63, write: 64, exit_group: 94, waitid: 95, futex: 98, rt_sigaction: 134, setsid: 157, recvmsg: 212, execveat: 281, pidfd_send_signal: 424, pidfd_open: 434, clone3: 435, close_range: 436, prctl: 167 },
} as const;
const [COMPARE, BRANCH, REPORT] = [-1, -2, -3];

const CLONE_FLAGS = 0x100 + 0x1000 + 0x4000 + 0x100000 + 0x200000; // CLONE_VM, PIDFD, VFORK, PARENT_SETTID, CHILD_CLEARTID
const CLONE_INTO_CGROUP = 0x200000000;
const [SIGKILL, SIGCHLD] = [9, 17];
const [P_PID, WEXITED, WALL] = [1, 4, 0x40000000];
const [F_SETFL, F_DUPFD_CLOEXEC] = [4, 1030];
const MSG_CMSG_CLOEXEC = 0x40000000;
const TIOCGPTPEER = 0x5441;
const CLOSE_RANGE_CLOEXEC = 4;
const PR_SET_PDEATHSIG = 1;
const AT_EMPTY_PATH = 0x1000;
const EACCES = 13;
const LOW_HALF = 0xffffffff;
const LAST_FD = 0xffffffff;
/** Above every number that the monitor gives: dup3(2) of one must not close another. */
const LEAST_FD = 32;
const CLONED = 'c';
const STARTED = 's';

/** What the launcher must have opened before the clone. */
export interface MonitorFiles {
  readonly journal: number;
  readonly exit: number;
  readonly program: number;
  /** Our ends of the container's pipes. */
  readonly stdin: number | undefined;
  readonly stdout: number | undefined;
  readonly stderr: number | undefined;
  /** Written by the monitor: how far it is. */
  readonly progress: Pipe;
  /** Read by it: it may go on. */
  readonly leave: Pipe;
}

const monitors = new Map<string, StaticElf>();

/** Opens the journal, the exit file and the monitor itself. All of it is closed when the monitor has it. */
export function openMonitorFiles(request: MonitorRequest, prepared: Prepared, facts: Facts, child: Undo): MonitorFiles {
  const keep = (fd: number): number => {
    child.add(() => closeSync(fd));
    return fd;
  };
  const high = (fd: number): number => keep(duplicate(fd, LEAST_FD));
  const file = (path: string, flags: number): number => high(keep(openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | flags, 0o600)));
  const { stdin, stdout, stderr } = prepared.stdio.ours;
  const outputs: MonitoredOutput[] = [...(stdout === undefined ? [] : ['stdout' as const]), ...(stderr === undefined ? [] : ['stderr' as const]), ...(prepared.console === undefined ? [] : ['terminal' as const])];
  const key = `${facts.architecture} ${outputs.join(' ')}`;
  let elf = monitors.get(key);
  if (elf === undefined) monitors.set(key, (elf = buildMonitor(facts.architecture, outputs)));
  const own = (fd: number | undefined): number | undefined => (fd === undefined ? undefined : high(fd));
  return {
    journal: file(request.journal, 0), exit: file(request.exit, constants.O_TRUNC),
    program: high(keep(openExecutable('tsc-box-monitor', elf.bytes, request.exit.slice(0, request.exit.lastIndexOf('/')) || '/'))),
    stdin: own(stdin), stdout: own(stdout), stderr: own(stderr), progress: openPipe(child), leave: openPipe(child),
  };
}

export interface MonitorRecords {
  readonly entry: Label;
  /** Pid of the process that the plan begins with. */
  readonly first: Ref;
  /** The record that makes it. */
  readonly clone: Label;
}

export interface MonitorOptions {
  readonly facts: Facts;
  readonly flags: readonly string[];
  readonly cgroup: number | undefined;
  readonly prepared: Prepared;
  readonly files: MonitorFiles;
  /** In the argument list of the monitor, for `ps`. */
  readonly id: string;
}

type Call = (name: keyof (typeof NUMBERS)['x64'], args: readonly Arg[], options?: { readonly store?: Ref; readonly fail?: Label; readonly next?: Label }) => void;

/** Adds the monitor's records after those of the plan. A record of it that must not fail reports. */
export function addMonitor(encoded: EncodedPlan, options: MonitorOptions): MonitorRecords {
  const { program, nested } = encoded;
  const { facts, files, prepared } = options;
  const nr = NUMBERS[facts.architecture];
  const call: Call = (name, args, more = {}) => program.record({ nr: nr[name], args, ...more });
  const [entry, cloned, parent, failed, abandoned, refused] = [program.label(), program.label(), program.label(), program.label(), program.label(), program.label()];
  const first = program.slot('monitor.first');
  const firstAlive = program.pointers([1]);
  const returned = program.slot('monitor.returned');
  const pidfd = program.slot('monitor.pidfd');
  const info = program.bytes(new Uint8Array(128), 8);
  const byte = program.bytes(new Uint8Array(8), 8);
  const got = program.slot('monitor.got');

  program.place(entry);
  // Of the pipes whose end tells that we died, it may not hold our side.
  call('close', [files.leave.write]);
  call('prctl', [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  call('setsid', []);
  // An ignored SIGCHLD would reap the child unseen: wait(2), NOTES.
  call('rt_sigaction', [SIGCHLD, program.pointers([0, 0, 0, 0]), 0, 8]);
  const flags = flagsValue(options.flags, facts.architecture) + CLONE_FLAGS + (options.cgroup === undefined ? 0 : CLONE_INTO_CGROUP);
  const args = program.pointers([flags, pidfd, firstAlive, first, SIGCHLD, 0, 0, 0, 0, 0, options.cgroup ?? 0]);
  program.place(cloned);
  // With CLONE_VFORK the child stores its 0 first, and this process the pid once the child has exec'ed or ended.
  call('clone3', [args, 88], { store: returned });
  const child = program.label();
  program.record({ nr: BRANCH, args: [{ load: returned }], fail: parent, next: child });
  program.place(child);
  if (prepared.release === undefined) program.record({ nr: BRANCH, args: [0], fail: child, next: program.first });
  else call('write', [files.progress.write, program.cstring(CLONED), 1], { next: program.first });

  program.place(parent);
  // From here on our death is seen by the pipe, and the child is ended with it.
  call('prctl', [PR_SET_PDEATHSIG, 0, 0, 0, 0]);
  if (nested !== undefined) addFollow(encoded, call, { first, pidfd, failed });
  program.record({ nr: COMPARE, args: [{ load: program.report }, 0, -1, 0], fail: failed });
  call('write', [files.progress.write, program.cstring(STARTED), 1], { fail: abandoned });
  call('read', [files.leave.read, byte, 1], { store: got, fail: abandoned });
  program.record({ nr: COMPARE, args: [{ load: got }, 1, -1, 0], fail: abandoned });
  addDescriptors(encoded, call, { ...options, pidfd, refused });
  call('chdir', [program.cstring('/')]);
  call('execveat', [files.program, program.cstring(''), program.pointers(['tsc-box-monitor', options.id].map((text) => program.cstring(text))), program.pointers([]), AT_EMPTY_PATH], { fail: refused });

  program.place(failed);
  call('waitid', [P_PID, { load: first }, info, WEXITED | WALL, 0], { fail: abandoned });
  program.place(abandoned);
  kill(call, program.label(), program, pidfd);
  call('exit_group', [1]);
  program.place(refused);
  kill(call, program.label(), program, pidfd);
  program.record({ nr: REPORT, args: [EACCES] });
  return { entry, clone: cloned, first };
}

function kill(call: Call, next: Label, program: EncodedPlan['program'], pidfd: Ref): void {
  call('pidfd_send_signal', [{ load: pidfd }, SIGKILL, 0, 0], { fail: next });
  program.place(next);
}

/** The first process has ended; the one that it made with CLONE_PARENT is a child of the monitor's too. */
function addFollow({ program, nested }: EncodedPlan, call: Call, { first, pidfd, failed }: { readonly first: Ref; readonly pidfd: Ref; readonly failed: Label }): void {
  assert(nested !== undefined, 'the plan has a nested clone');
  const [wait, check, ended] = [program.label(), program.label(), program.label()];
  program.record({ nr: COMPARE, args: [{ load: nested.pid }, 0, LOW_HALF, 0], next: failed, fail: wait });
  program.place(wait);
  call('futex', [nested.alive, 0, 1, 0], { next: check, fail: check });
  program.place(check);
  program.record({ nr: COMPARE, args: [{ load: nested.alive }, 0, LOW_HALF, 0], fail: wait });
  call('waitid', [P_PID, { load: first }, 0, WEXITED | WALL, 0], { fail: ended });
  program.place(ended);
  call('pidfd_open', [{ load: nested.pid }, 0], { store: pidfd, fail: failed });
}

function addDescriptors({ program }: EncodedPlan, call: Call, { files, prepared, pidfd, refused }: MonitorOptions & { readonly pidfd: Ref; readonly refused: Label }): void {
  const O_NONBLOCK = constants.O_NONBLOCK;
  const high = (name: string, fd: Arg): Arg => {
    const slot = program.slot(name);
    call('fcntl', [fd, F_DUPFD_CLOEXEC, LEAST_FD], { store: slot, fail: refused });
    return { load: slot };
  };
  const sources: Partial<Record<keyof typeof MONITOR_FDS, Arg>> = { journal: files.journal, exit: files.exit, pidfd: high('monitor.pidfd.high', { load: pidfd }) };
  for (const name of ['stdin', 'stdout', 'stderr'] as const) if (files[name] !== undefined) sources[name] = files[name];
  if (prepared.console !== undefined) {
    const control = program.bytes(new Uint8Array(24), 8);
    const iov = program.pointers([program.bytes(new Uint8Array(8), 8), 1]);
    call('recvmsg', [prepared.console, program.pointers([0, 0, iov, 1, control, 24, 0]), MSG_CMSG_CLOEXEC], { fail: refused });
    sources.terminal = high('monitor.terminal', { load: { ref: control, offset: 16 } });
    const slave = program.slot('monitor.slave');
    // While one holds the other side open the terminal is not hung up: a process may close it and open it again.
    call('ioctl', [sources.terminal, TIOCGPTPEER, constants.O_RDWR | constants.O_NOCTTY | 0o2000000], { store: slave, fail: refused });
    sources.slave = high('monitor.slave.high', { load: slave });
  }
  for (const [name, fd] of Object.entries(MONITOR_FDS)) {
    const source = sources[name as keyof typeof MONITOR_FDS];
    if (source === undefined) call('close_range', [fd, fd, 0], { fail: refused });
    else call('dup3', [source, fd, 0], { fail: refused });
  }
  for (const name of ['stdout', 'stderr', 'terminal'] as const) if (sources[name] !== undefined) call('fcntl', [MONITOR_FDS[name], F_SETFL, (name === 'terminal' ? constants.O_RDWR : 0) | O_NONBLOCK], { fail: refused });
  call('close_range', [0, 2, 0], { fail: refused });
  call('close_range', [MONITOR_FDS.slave + 1, LAST_FD, CLOSE_RANGE_CLOEXEC], { fail: refused });
}

/** What the monitor says next; undefined when it has ended. Stands still meanwhile. */
export function readProgress({ progress }: MonitorFiles): 'cloned' | 'started' | undefined {
  const buffer = Buffer.alloc(1);
  if (readSync(progress.read, buffer) === 0) return undefined;
  return buffer.toString('latin1') === CLONED ? 'cloned' : 'started';
}
