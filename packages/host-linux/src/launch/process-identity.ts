/** A process named for good: its pid and when it started. proc(5), /proc/PID/stat. */
import { closeSync, openSync, readSync } from 'node:fs';
import type { ProcessIdentity } from '@tsc-box/model';
import { openPidfd, signalPidfd } from '../ffi/process.unsafe.ts';

const START_TIME_FIELD = 22;

/** Clock ticks after boot; undefined when the process is gone. A zombie has a start time too. */
export function startTimeOf(pid: number): number | undefined {
  return readStat(pid)?.startTime;
}

/** Its parent's pid; undefined when it is gone. */
export function parentOf(pid: number): number | undefined {
  return readStat(pid)?.parent;
}

export function isRunning(pid: number, startTime: number): boolean {
  const stat = readStat(pid);
  return stat !== undefined && stat.startTime === startTime && stat.state !== 'Z' && stat.state !== 'X';
}

const SIGKILL = 9;

/** Kills the process of that pid only if it is the one that started then. */
export function killExactly(pid: number, startTime: number): void {
  signalExactly({ pid, startTime }, SIGKILL);
}

/** The pidfd is opened first, so that it can't be another's by the time it is used. False when the process is gone. @throws SyscallError */
export function signalExactly({ pid, startTime }: ProcessIdentity, signal: number): boolean {
  let pidfd: number;
  try {
    pidfd = openPidfd(pid);
  } catch {
    return false;
  }
  try {
    return isRunning(pid, startTime) && signalPidfd(pidfd, signal);
  } finally {
    closeSync(pidfd);
  }
}

function readStat(pid: number): { readonly state: string; readonly parent: number; readonly startTime: number } | undefined {
  let fd: number;
  try {
    fd = openSync(`/proc/${pid}/stat`, 'r');
  } catch {
    return undefined;
  }
  try {
    const buffer = Buffer.allocUnsafe(1024);
    const text = buffer.toString('latin1', 0, readSync(fd, buffer));
    // The second field is the command in parentheses, which may hold anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? 'X', parent: Number(fields[1]), startTime: Number(fields[START_TIME_FIELD - 3]) };
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}
