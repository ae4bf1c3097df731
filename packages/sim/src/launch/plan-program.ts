/** The child's side of a launch: the steps of the plan as calls, one after the other. */
import { CAPABILITY_NUMBERS, SIGNAL_NUMBERS, SYSTEM_SLOTS, type ChildStep, type Fd, type LaunchPlan } from '@tsc-box/model';
import * as C from '../abi/constants.ts';
import type { Call, CallResult, Program } from '../abi/calls.ts';
import { errnoName } from '../abi/errno.ts';
import { latin1, toBytes } from '../det/trace.ts';
import { device } from '../vfs/dev.ts';

/** What a launch hands to its child. */
export interface LaunchWorld {
  /** Descriptors of the System's slots, by name. */
  readonly slots: ReadonlyMap<string, number>;
  /** cgroup.procs of each v1 hierarchy. */
  readonly cgroups: readonly number[];
  /** Runs between the steps and the descriptor of the terminal's master side. */
  readonly onConsole: (fd: number) => void;
  /** A step was refused: the launch is over. */
  readonly onFailure: (step: ChildStep, errno: string) => void;
}

/** Numbers of the constants that plans name. */
const NUMBERS: Readonly<Record<string, number>> = { ...(C as unknown as Readonly<Record<string, number>>), MOUNT_ATTR_RELATIME: 0, ...SIGNAL_NUMBERS };

function flag(name: string): number {
  const value = NUMBERS[name];
  if (value === undefined) throw new Error(`the plan names ${name}, which the simulated kernel does not know`);
  return value;
}

const flags = (names: readonly string[]): number => names.reduce((bits, name) => bits | flag(name), 0);
const capabilities = (names: readonly string[]): bigint => names.reduce((bits, name) => bits | (1n << BigInt(CAPABILITY_NUMBERS[name] ?? 0)), 0n);
/** Paths and names of plans are text; the kernel's are bytes. */
export function bytesOf(text: string): string {
  for (let index = 0; index < text.length; index += 1) if (text.charCodeAt(index) > 0x7f) return latin1(new TextEncoder().encode(text));
  return text;
}

type Fds = (fd: Fd) => number;

/** A file's call, or undefined for another kind of step. */
function fileCall(step: ChildStep, fd: Fds): Call | undefined {
  switch (step.call) {
    case 'openat2': return { call: 'openat2', dirfd: fd(step.args.dirfd), path: bytesOf(step.args.path), flags: flags(step.args.flags), mode: 0, resolve: flags(step.args.resolve) };
    case 'mkdirat': return { call: 'mkdirat', dirfd: fd(step.args.dirfd), path: bytesOf(step.args.path), mode: step.args.mode };
    case 'mknodat': {
      const { dirfd, path, type, mode, major, minor } = step.args;
      return { call: 'mknodat', dirfd: fd(dirfd), path: bytesOf(path), mode: mode | { c: C.S_IFCHR, b: C.S_IFBLK, p: C.S_IFIFO, f: C.S_IFREG }[type], dev: device(major, minor) };
    }
    case 'symlinkat': return { call: 'symlinkat', target: bytesOf(step.args.target), dirfd: fd(step.args.dirfd), path: bytesOf(step.args.path) };
    case 'fchownat': return { call: 'fchownat', dirfd: fd(step.args.dirfd), path: bytesOf(step.args.path), uid: step.args.uid, gid: step.args.gid, flags: C.AT_SYMLINK_NOFOLLOW };
    case 'write': return { call: 'write', fd: fd(step.args.fd), data: toBytes(bytesOf(step.args.data)) };
    case 'read': return { call: 'read', fd: fd(step.args.fd), count: step.args.count };
    case 'close': return { call: 'close', fd: fd(step.args.fd) };
    case 'dup3': return { call: 'dup2', from: fd(step.args.from), to: step.args.to };
    case 'chdir': return { call: 'chdir', path: bytesOf(step.args.path) };
    case 'fchdir': return { call: 'fchdir', fd: fd(step.args.fd) };
    case 'chroot': return { call: 'chroot', path: bytesOf(step.args.path) };
    case 'umask': return { call: 'umask', mask: step.args.mask };
    case 'socket': return { call: 'socket', domain: 2, type: 2 };
    case 'ioctl': {
      const { request, value } = step.args;
      const given = typeof value === 'number' ? value : 'height' in value ? { rows: value.height, columns: value.width } : 0;
      return { call: 'ioctl', fd: fd(step.args.fd), request: flag(request), value: given };
    }
    default: return undefined;
  }
}

function mountCall(step: ChildStep, fd: Fds): Call | undefined {
  switch (step.call) {
    case 'mount': return { call: 'mount', source: bytesOf(step.args.source), target: bytesOf(step.args.target), fstype: step.args.fstype, flags: flags(step.args.flags), data: bytesOf(step.args.data) };
    case 'umount2': return { call: 'umount2', target: bytesOf(step.args.target), flags: flags(step.args.flags) };
    case 'fsopen': return { call: 'fsopen', fsname: step.args.fsname };
    case 'fsconfig': return { call: 'fsconfig', fd: fd(step.args.fd), cmd: flag(step.args.cmd), key: step.args.key ?? '', value: bytesOf(step.args.value ?? '') };
    case 'fsmount': return { call: 'fsmount', fd: fd(step.args.fd), attributes: flags(step.args.attributes) };
    case 'open_tree': return { call: 'open_tree', dirfd: fd(step.args.dirfd), path: bytesOf(step.args.path), flags: flags(step.args.flags) };
    case 'move_mount': return { call: 'move_mount', fromDirfd: fd(step.args.from), fromPath: '', toDirfd: fd(step.args.to), toPath: bytesOf(step.args.toPath), flags: 0 };
    case 'mount_setattr': {
      const { dirfd, path, recursive, set, clear, propagation } = step.args;
      const atime = set.some((name) => name.endsWith('ATIME') && name !== 'MOUNT_ATTR_NODIRATIME') ? C.MOUNT_ATTR__ATIME : 0;
      return { call: 'mount_setattr', dirfd: fd(dirfd), path: bytesOf(path), flags: C.AT_EMPTY_PATH | (recursive ? C.AT_RECURSIVE : 0), set: flags(set), clear: flags(clear) | atime, propagation: propagation === undefined ? 0 : flag(propagation) };
    }
    case 'pivot_root': return { call: 'pivot_root', newRoot: bytesOf(step.args.newRoot), putOld: bytesOf(step.args.putOld) };
    case 'setns': return { call: 'setns', fd: fd(step.args.fd), nstype: flag(step.args.nstype) };
    case 'unshare': return { call: 'unshare', flags: flags(step.args.flags) };
    case 'sethostname': return { call: 'sethostname', name: bytesOf(step.args.name) };
    case 'setdomainname': return { call: 'setdomainname', name: bytesOf(step.args.name) };
    default: return undefined;
  }
}

const limit = (value: number): number => (value < 0 || value >= Number.MAX_SAFE_INTEGER ? Infinity : value);

function processCall(step: ChildStep): Call | undefined {
  switch (step.call) {
    case 'setsid': return { call: 'setsid' };
    case 'setgroups': return { call: 'setgroups', groups: step.args.groups };
    case 'setresgid': return { call: 'setresgid', rgid: step.args.gid, egid: step.args.gid, sgid: step.args.gid };
    case 'setresuid': return { call: 'setresuid', ruid: step.args.uid, euid: step.args.uid, suid: step.args.uid };
    case 'capset': return { call: 'capset', effective: capabilities(step.args.effective), permitted: capabilities(step.args.permitted), inheritable: capabilities(step.args.inheritable) };
    case 'prctl': {
      const [first = 0, second = 0] = step.args.args.map((value) => (typeof value === 'string' ? flag(value) : value));
      return { call: 'prctl', option: flag(step.args.option), arg: first, arg2: second };
    }
    case 'prlimit64': return { call: 'prlimit64', pid: 0, resource: flag(step.args.resource), limit: { soft: limit(step.args.soft), hard: limit(step.args.hard) } };
    case 'rt_sigprocmask': return { call: 'rt_sigprocmask', how: 'SIG_SETMASK', set: step.args.set.map(flag) };
    case 'rt_sigaction': return { call: 'rt_sigaction', signal: flag(step.args.signal), action: { handler: 'SIG_DFL' } };
    case 'setpriority': return { call: 'setpriority', pid: 0, nice: step.args.nice };
    default: return undefined;
  }
}

type Steps = Generator<Call, number, CallResult>;

/** One step: its result, or a negative error number. */
function* perform(step: ChildStep, fd: Fds, world: LaunchWorld): Steps {
  const one = fileCall(step, fd) ?? mountCall(step, fd) ?? processCall(step);
  if (one !== undefined) {
    const result = yield one;
    // A read of nothing: the launcher has gone (pipe(7)).
    return typeof result === 'number' ? result : step.call === 'read' && result instanceof Uint8Array && result.length === 0 ? -32 : 0;
  }
  switch (step.call) {
    case 'close_range': return yield* closeRange(step.args.first, step.args.flags.includes('CLOSE_RANGE_CLOEXEC'), (step.args.except ?? []).map(fd));
    case 'statx': {
      const stat = yield { call: 'newfstatat', dirfd: fd(step.args.dirfd), path: bytesOf(step.args.path), flags: C.AT_EMPTY_PATH };
      if (typeof stat !== 'object' || !('rdev' in stat)) return Number(stat);
      return (stat.mode & C.S_IFMT) === C.S_IFCHR && stat.rdev === device(step.args.expect.major, step.args.expect.minor) ? 0 : -19;
    }
    case 'sendmsg':
      world.onConsole(fd(step.args.passFd));
      return 0;
    case 'execve': return yield* execute(step.args);
    // What the simulated kernel has no room for is refused by its own number, and the System says so before it starts.
    default: return -38;
  }
}

function* closeRange(first: number, cloexec: boolean, except: readonly number[]): Steps {
  let from = first;
  for (const kept of [...except].sort((a, b) => a - b)) {
    if (kept > from) yield { call: 'close_range', first: from, last: kept - 1, cloexec };
    from = kept + 1;
  }
  return Number(yield { call: 'close_range', first: from, last: 0x7fffffff, cloexec });
}

/** As execvp(3): the first candidate that can be executed; EACCES is told when one of them was there. */
function* execute({ candidates, argv, envp }: { readonly candidates: readonly string[]; readonly argv: readonly string[]; readonly envp: readonly string[] }): Steps {
  let errno = -2;
  for (const path of candidates) {
    const result = Number(yield { call: 'execve', path: bytesOf(path), argv: argv.map(bytesOf), env: envp.map(bytesOf) });
    if (result === -13) errno = result;
    else if (result !== -2 && result !== -20) return result;
  }
  return errno;
}

/** The steps from one on. A clone step's child goes on with the rest. */
export function planProgram(plan: LaunchPlan, world: LaunchWorld, start = 0, known: ReadonlyMap<string, number> = new Map()): Program {
  return function* launch(): Steps {
    const slots = new Map([...world.slots, ...known]);
    const places = new Map(plan.child.map((step, index) => [step.id, index]));
    const fd: Fds = (value) => (value === 'AT_FDCWD' ? C.AT_FDCWD : typeof value === 'number' ? value : (slots.get(value.slot) ?? -1));
    for (let index = start; index < plan.child.length;) {
      const step = plan.child[index];
      if (step === undefined) break;
      if (step.call === 'clone3' || step.call === 'clone') return yield* cloneStep(plan, world, step, index, slots);
      const result = step.call === 'write' && typeof step.args.fd === 'object' && step.args.fd.slot === SYSTEM_SLOTS.cgroups ? yield* joinCgroups(world) : yield* perform(step, fd, world);
      if (result >= 0) {
        if (step.result !== undefined) slots.set(step.result, result);
        index = step.onSuccess === undefined ? index + 1 : (places.get(step.onSuccess) ?? index + 1);
        continue;
      }
      const errno = errnoName(result);
      const { onError } = step;
      const applies = onError.action !== 'fail' && (onError.errno === undefined || onError.errno === errno);
      if (!applies) {
        world.onFailure(step, errno);
        return 127;
      }
      index = onError.action === 'jump' ? (places.get(onError.to) ?? index + 1) : index + 1;
    }
    return 127;
  };
}

function* joinCgroups({ cgroups }: LaunchWorld): Steps {
  for (const fd of cgroups) {
    const result = Number(yield { call: 'write', fd, data: toBytes('0') });
    if (result < 0) return result;
  }
  return 0;
}

const FORWARDED = [C.SIGHUP, C.SIGINT, C.SIGQUIT, C.SIGUSR1, C.SIGUSR2, C.SIGTERM, C.SIGCONT, C.SIGWINCH];

/** The child takes the rest of the plan; this process reaps, passes signals on, and ends as the child does. */
function* cloneStep(plan: LaunchPlan, world: LaunchWorld, step: ChildStep & { readonly call: 'clone' | 'clone3' }, index: number, slots: ReadonlyMap<string, number>): Steps {
  const made = Number(yield { call: 'clone', flags: step.call === 'clone3' ? flags(step.args.flags) : 0, child: planProgram(plan, world, index + 1, slots) });
  if (made < 0) {
    world.onFailure(step, errnoName(made));
    return 127;
  }
  yield { call: 'close_range', first: 0, last: 0x7fffffff, cloexec: false };
  for (const signal of FORWARDED) {
    yield {
      call: 'rt_sigaction', signal,
      action: { flags: C.SA_RESTART, handler: function* forward(number): Generator<Call, void, CallResult> { yield { call: 'kill', pid: made, signal: number }; } },
    };
  }
  yield { call: 'rt_sigprocmask', how: 'SIG_SETMASK', set: [] };
  for (;;) {
    const result = yield { call: 'wait4', pid: -1, options: 0 };
    if (typeof result !== 'object' || !('status' in result) || result.pid !== made) continue;
    return (result.status & 0x7f) === 0 ? result.status >> 8 : 128 + (result.status & 0x7f);
  }
}
