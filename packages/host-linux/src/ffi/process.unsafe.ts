/** Processes by pidfd: pidfd_open(2), pidfd_send_signal(2), waitid(2), futex(2). */
import { SyscallError } from '@tsc-box/model';
import { scratch, systemCall, trySystemCall } from './libc.unsafe.ts';

const P_PIDFD = 3;
const [WNOHANG, WEXITED] = [1, 4];
const WALL = 0x40000000;
/** si_code of siginfo_t: the process exited by itself. */
const CLD_EXITED = 1;
const FUTEX_WAIT = 0;
const POLLIN = 1;

export interface Reaped {
  /** Exit status, or 128 + signal. */
  readonly code: number;
  readonly signal?: number;
  /** Bytes: the largest resident set of the process and its waited-for children. */
  readonly peakMemory: number;
  /** Microseconds of user and system time, with waited-for children. */
  readonly cpuTimeUs: number;
}

export function openPidfd(pid: number): number {
  return systemCall('pidfd_open', [pid, 0], `open process ${pid}`);
}

/** A copy of a descriptor of that process, close-on-exec; the errno's name where there is none (EBADF) or it is not allowed (EPERM). */
export function descriptorOf(pidfd: number, fd: number): number | string {
  return trySystemCall('pidfd_getfd', [pidfd, fd, 0]);
}

/** False when the process is gone. */
export function signalPidfd(pidfd: number, signal: number): boolean {
  const result = trySystemCall('pidfd_send_signal', [pidfd, signal, 0, 0]);
  if (result === 0) return true;
  if (result === 'ESRCH') return false;
  throw new SyscallError({ attempted: `send signal ${signal}`, syscall: 'pidfd_send_signal', errno: String(result) });
}

/** The status of an ended child, which is then gone; undefined while it runs. */
export function reapPidfd(pidfd: number): Reaped | undefined {
  return waitFor(pidfd, WEXITED | WNOHANG | WALL);
}

/** Waits, standing still, until the child has ended. Only for one that is about to. */
export function reapNow(pidfd: number): Reaped | undefined {
  return waitFor(pidfd, WEXITED | WALL);
}

/** Stands still until the process has ended, or for so many milliseconds. False when it still runs then. */
export function waitEnd(pidfd: number, milliseconds: number): boolean {
  const { address, bytes } = scratch();
  bytes.fill(0, 0, 64);
  // struct pollfd { fd, events, revents }; struct timespec.
  bytes.writeInt32LE(pidfd, 0);
  bytes.writeInt16LE(POLLIN, 4);
  bytes.writeBigInt64LE(BigInt(Math.floor(milliseconds / 1000)), 16);
  bytes.writeBigInt64LE(BigInt(Math.floor(milliseconds % 1000) * 1_000_000), 24);
  const result = trySystemCall('ppoll', [address, 1, address + 16, 0, 8]);
  return result === 1;
}

function waitFor(pidfd: number, options: number): Reaped | undefined {
  const { address, bytes } = scratch();
  bytes.fill(0, 0, 128);
  let result: number | string;
  do result = trySystemCall('waitid', [P_PIDFD, pidfd, address, options, address + 128]);
  while (result === 'EINTR');
  if (result === 'ECHILD') return { code: 255, peakMemory: 0, cpuTimeUs: 0 };
  if (result !== 0) throw new SyscallError({ attempted: 'wait for the process', syscall: 'waitid', errno: String(result) });
  // siginfo_t: signo, errno, code, padding, then pid at 16, uid, status.
  if (bytes.readInt32LE(16) === 0) return undefined;
  const status = bytes.readInt32LE(24);
  const exited = bytes.readInt32LE(8) === CLD_EXITED;
  // struct rusage: user time, system time (seconds, microseconds each), largest resident set in KiB.
  const time = [128, 144].reduce((sum, at) => sum + Number(bytes.readBigInt64LE(at)) * 1e6 + Number(bytes.readBigInt64LE(at + 8)), 0);
  return { code: exited ? status : 128 + status, ...(exited ? {} : { signal: status }), peakMemory: Number(bytes.readBigInt64LE(160)) * 1024, cpuTimeUs: time };
}

/** Stands still while the 32-bit word at `address` is `value`. The kernel wakes it: clone(2), CLONE_CHILD_CLEARTID. */
export function waitWhileEqual(address: number, value: number): void {
  for (;;) {
    const result = trySystemCall('futex', [address, FUTEX_WAIT, value, 0]);
    if (result === 'EAGAIN') return;
    if (result !== 0 && result !== 'EINTR') throw new SyscallError({ attempted: 'wait until the process executes', syscall: 'futex', errno: String(result) });
  }
}
