/** Ways into a container behind a monitor: the monitor's own descriptors, by pidfd_getfd(2) and /proc/PID/fd (proc(5)). */
import { closeSync, constants, openSync } from 'node:fs';
import { BoxError, SyscallError, type MonitoredStreams, type ProcessIdentity } from '@tsc-box/model';
import { descriptorOf, openPidfd, signalPidfd } from '../ffi/process.unsafe.ts';
import { END_STDIN_SIGNAL, MONITOR_FDS } from '../launcher/monitor.ts';
import { isRunning } from './process-identity.ts';

/** @throws BoxError ERR_TSCBOX_STATE when the monitor is gone; SyscallError */
export function openMonitored(monitor: ProcessIdentity): MonitoredStreams {
  const attempted = `reach the monitor ${String(monitor.pid)}`;
  const gone = (cause?: unknown): BoxError => new BoxError({ code: 'ERR_TSCBOX_STATE', attempted, detail: 'it has ended, as the container has', cause });
  let pidfd: number;
  try {
    pidfd = openPidfd(monitor.pid);
  } catch (error) {
    throw error instanceof SyscallError && error.errno === 'ESRCH' ? gone(error) : error;
  }
  const opened: number[] = [];
  try {
    // The pidfd was opened before the start time is read: it can only be that process's.
    if (!isRunning(monitor.pid, monitor.startTime)) throw gone();
    const terminal = take(pidfd, attempted);
    if (terminal !== undefined) opened.push(terminal);
    const stdin = reopen(`/proc/${String(monitor.pid)}/fd/${String(MONITOR_FDS.stdin)}`);
    if (stdin !== undefined) opened.push(stdin);
    if (!isRunning(monitor.pid, monitor.startTime)) throw gone();
    return { ...(stdin === undefined ? {} : { stdin }), ...(terminal === undefined ? {} : { terminal }) };
  } catch (error) {
    for (const fd of opened) closeSync(fd);
    throw error;
  } finally {
    closeSync(pidfd);
  }
}

/** @throws SyscallError; nothing happens when the monitor is gone. */
export function endMonitoredStdin({ pid, startTime }: ProcessIdentity): void {
  let pidfd: number;
  try {
    pidfd = openPidfd(pid);
  } catch {
    return;
  }
  try {
    if (isRunning(pid, startTime)) signalPidfd(pidfd, END_STDIN_SIGNAL);
  } finally {
    closeSync(pidfd);
  }
}

/** A terminal can't be opened by its name: that makes a new one. */
function take(pidfd: number, attempted: string): number | undefined {
  const result = descriptorOf(pidfd, MONITOR_FDS.terminal);
  if (typeof result === 'number') return result;
  if (result === 'EBADF') return undefined;
  throw new SyscallError({ attempted: `${attempted} for its terminal`, syscall: 'pidfd_getfd', errno: result, reason: result === 'EPERM' ? 'it belongs to another user' : undefined });
}

/** A description of its own, so that blocking and not blocking are its own too. */
function reopen(path: string): number | undefined {
  try {
    return openSync(path, constants.O_WRONLY);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
