/** Arguments of each call of a plan, as the system call takes them. One function a call; the order of arguments is that of section 2 of the manual. */
import { CAPABILITY_NUMBERS, SIGNAL_NUMBERS, type CallArgs, type CallName, type Fd } from '@tsc-box/model';
import type { Arg, Program, RefAt } from '../launcher/program.ts';
import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, flagsValue, flagValue, type Architecture } from './constants.ts';

export interface Encoder {
  readonly program: Program;
  readonly architecture: Architecture;
  readonly seccomp: Uint8Array | undefined;
  fd(fd: Fd): Arg;
  /** Adds a record that copies a value to a place in the data. */
  copy(value: Arg, to: RefAt): void;
}

/** Calls that need more than one record, or a number that the System gives, are in encode.ts. */
export type PlainCall = Exclude<CallName, 'execve' | 'clone3' | 'clone' | 'statx' | 'read' | 'setpriority' | 'ioprio_set' | 'close_range' | 'execveat' | 'faccessat'>;

type Encode<C extends CallName> = (args: CallArgs[C], e: Encoder) => readonly Arg[];

const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 0x4;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
const SIG_SETMASK = 2;
const SIGSET_BYTES = 8;
const SECCOMP_SET_MODE_FILTER = 1;
const TYPE_BITS = { c: 0o020000, b: 0o060000, p: 0o010000, f: 0o100000 } as const;
const O_CREAT_FREE_MODE = 0;
const OPEN_HOW_BYTES = 24;
const MOUNT_ATTR_BYTES = 32;
const IFF_UP = 1;

export const PLAIN_CALLS: { readonly [C in PlainCall]: Encode<C> } = {
  mount: (a, e) => [text(e, a.source), text(e, a.target), text(e, a.fstype), flags(e, a.flags), a.data === '' ? 0 : text(e, a.data)],
  umount2: (a, e) => [text(e, a.target), flags(e, a.flags)],
  fsopen: (a, e) => [text(e, a.fsname), FSOPEN_CLOEXEC],
  fsconfig: (a, e) => [e.fd(a.fd), flagValue(a.cmd, e.architecture), a.key === undefined ? 0 : text(e, a.key), a.value === undefined ? 0 : text(e, a.value), 0],
  fsmount: (a, e) => [e.fd(a.fd), FSMOUNT_CLOEXEC, flags(e, a.attributes)],
  open_tree: (a, e) => [e.fd(a.dirfd), text(e, a.path), flags(e, a.flags)],
  move_mount: (a, e) => [e.fd(a.from), text(e, ''), e.fd(a.to), text(e, a.toPath), MOVE_MOUNT_F_EMPTY_PATH | (a.toPath === '' ? MOVE_MOUNT_T_EMPTY_PATH : 0)],
  mount_setattr: (a, e) => encodeMountSetattr(a, e),
  pivot_root: (a, e) => [text(e, a.newRoot), text(e, a.putOld)],
  chroot: (a, e) => [text(e, a.path)],
  openat2: (a, e) => {
    const how = e.program.pointers([flags(e, a.flags), O_CREAT_FREE_MODE, flags(e, a.resolve)]);
    return [e.fd(a.dirfd), text(e, a.path), how, OPEN_HOW_BYTES];
  },
  mkdirat: (a, e) => [e.fd(a.dirfd), text(e, a.path), a.mode],
  mknodat: (a, e) => [e.fd(a.dirfd), text(e, a.path), TYPE_BITS[a.type] | a.mode, deviceNumber(a.major, a.minor)],
  symlinkat: (a, e) => [text(e, a.target), e.fd(a.dirfd), text(e, a.path)],
  fchownat: (a, e) => [e.fd(a.dirfd), text(e, a.path), a.uid, a.gid, AT_SYMLINK_NOFOLLOW],
  write: (a, e) => {
    return [e.fd(a.fd), text(e, a.data), byteLength(a.data)];
  },
  close: (a, e) => [e.fd(a.fd)],
  dup3: (a, e) => [e.fd(a.from), a.to, 0],
  chdir: (a, e) => [text(e, a.path)],
  fchdir: (a, e) => [e.fd(a.fd)],
  setns: (a, e) => [e.fd(a.fd), flagValue(a.nstype, e.architecture)],
  unshare: (a, e) => [flags(e, a.flags)],
  sethostname: (a, e) => [text(e, a.name), byteLength(a.name)],
  setdomainname: (a, e) => [text(e, a.name), byteLength(a.name)],
  setsid: () => [],
  // F_SETFD
  fcntl: (a) => [a.fd, 2, a.value],
  setgroups: (a, e) => [a.groups.length, e.program.bytes(halves(a.groups), 4)],
  setresgid: (a) => [a.gid, a.gid, a.gid],
  setresuid: (a) => [a.uid, a.uid, a.uid],
  capset: (a, e) => encodeCapset(a, e),
  prctl: (a, e) => [flagValue(a.option, e.architecture), ...pad(a.args.map((arg) => (typeof arg === 'number' ? arg : flagValue(arg, e.architecture))), 4)],
  prlimit64: (a, e) => [0, flagValue(a.resource, e.architecture), e.program.pointers([limit(a.soft), limit(a.hard)]), 0],
  umask: (a) => [a.mask],
  seccomp: (a, e) => encodeSeccomp(a, e),
  rt_sigprocmask: (a, e) => [SIG_SETMASK, e.program.pointers([a.set.length === 0 ? 0 : signalSet(a.set)]), 0, SIGSET_BYTES],
  // struct kernel_sigaction: handler, flags, restorer (x86), mask. All zero: SIG_DFL.
  rt_sigaction: (a, e) => [SIGNAL_NUMBERS[a.signal] ?? 0, e.program.pointers([0, 0, 0, 0]), 0, SIGSET_BYTES],
  ioctl: (a, e) => [e.fd(a.fd), flagValue(a.request, e.architecture), ioctlValue(a, e)],
  // AF_INET, SOCK_DGRAM | SOCK_CLOEXEC
  socket: () => [2, 2 | 0o2000000, 0],
  sendmsg: (a, e) => encodeSendmsg(a, e),
  sched_setscheduler: (a, e) => [0, flagValue(a.policy, e.architecture), e.program.bytes(halves([a.priority]), 4)],
  personality: (a, e) => [flagValue(a.domain, e.architecture)],
};

function text(e: Encoder, value: string): Arg {
  return e.program.cstring(value);
}

function flags(e: Encoder, names: readonly string[]): number {
  return flagsValue(names, e.architecture);
}

function byteLength(value: string): number {
  return Buffer.byteLength(value);
}

function pad(values: readonly number[], length: number): number[] {
  return [...values, ...Array<number>(length - values.length).fill(0)];
}

function halves(values: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values.length === 0 ? [0] : values).buffer);
}

/** RLIM_INFINITY is written as -1, or as any number JavaScript can't hold. */
function limit(value: number): bigint {
  return value < 0 || value >= 2 ** 64 ? 2n ** 64n - 1n : BigInt(value);
}

/** new_encode_dev() of include/linux/kdev_t.h. */
function deviceNumber(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

function signalSet(names: readonly string[]): bigint {
  return names.reduce((set, name) => set | (1n << BigInt((SIGNAL_NUMBERS[name] ?? 1) - 1)), 0n);
}

/** struct mount_attr { attr_set, attr_clr, propagation, userns_fd }. */
function encodeMountSetattr(a: CallArgs['mount_setattr'], e: Encoder): Arg[] {
  const set = flags(e, a.set);
  const attr = e.program.pointers([set, flags(e, a.clear), a.propagation === undefined ? 0 : flagValue(a.propagation, e.architecture), 0]);
  const at = (a.path === '' ? AT_EMPTY_PATH : 0) | (a.recursive ? flagValue('AT_RECURSIVE', e.architecture) : 0);
  return [e.fd(a.dirfd), text(e, a.path), at, attr, MOUNT_ATTR_BYTES];
}

/** capget(2): _LINUX_CAPABILITY_VERSION_3, pid 0; two sets of 32 bits each. */
function encodeCapset(a: CallArgs['capset'], e: Encoder): Arg[] {
  const data = new Uint32Array(6);
  for (const [column, names] of [a.effective, a.permitted, a.inheritable].entries()) {
    for (const name of names) {
      const number = CAPABILITY_NUMBERS[name] ?? 0;
      const index = column + (number >= 32 ? 3 : 0);
      data[index] = (data[index] ?? 0) | (1 << (number % 32));
    }
  }
  return [e.program.bytes(halves([0x20080522, 0]), 8), e.program.bytes(new Uint8Array(data.buffer), 8)];
}

/** struct sock_fprog { u16 len; filter pointer }. */
function encodeSeccomp(a: CallArgs['seccomp'], e: Encoder): Arg[] {
  const filter = e.seccomp ?? new Uint8Array();
  return [SECCOMP_SET_MODE_FILTER, flags(e, a.flags), e.program.pointers([filter.length / 8, e.program.bytes(filter, 8)])];
}

/** TIOCSPTLCK takes a pointer to an int; TIOCGPTPEER and TIOCSCTTY take the value itself: ioctl_tty(2). */
function ioctlValue({ request, value }: CallArgs['ioctl'], e: Encoder): Arg {
  if (typeof value === 'object' && 'interface' in value) {
    const ifreq = new Uint8Array(40);
    ifreq.set(new TextEncoder().encode(value.interface).subarray(0, 15));
    ifreq[16] = IFF_UP;
    return e.program.bytes(ifreq, 8);
  }
  if (typeof value === 'object') return e.program.bytes(new Uint8Array(Uint16Array.of(value.height, value.width, 0, 0).buffer), 8);
  return request === 'TIOCSPTLCK' ? e.program.bytes(halves([value]), 4) : value;
}

/** One byte and one descriptor: unix(7), SCM_RIGHTS. The descriptor is copied into the control message by the record before. */
function encodeSendmsg(a: CallArgs['sendmsg'], e: Encoder): Arg[] {
  const { program } = e;
  const iov = program.pointers([program.bytes(new Uint8Array(8), 8), 1]);
  const control = program.bytes(new Uint8Array(Uint32Array.of(20, 0, 1, 1, 0, 0).buffer), 8);
  e.copy(e.fd(a.passFd), { ref: control, offset: 16 });
  return [e.fd(a.fd), program.pointers([0, 0, iov, 1, control, 24, 0]), 0];
}
