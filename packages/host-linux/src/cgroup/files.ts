/** Cgroup files: every failure is a SyscallError that names the cgroup, the controller and, where the cause is known, what to do. */
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { SyscallError } from '@tsc-box/model';

export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

export function cgroupError(syscall: string, attempted: string, path: string, controller: string, error: unknown, hint?: string): SyscallError {
  const errno = errnoOf(error);
  return new SyscallError({ attempted: `${attempted} (controller ${controller})`, syscall, errno, path, reason: reasonFor(errno, controller), hint: hint ?? hintFor(errno), cause: error });
}

/** The kernel's answers to values that it can't take: cgroups.rst, cpusets.rst. */
function reasonFor(errno: string | undefined, controller: string): string | undefined {
  if (controller === 'cpuset' && (errno === 'ERANGE' || errno === 'EINVAL' || errno === 'EACCES')) return 'this host, or the cgroup above, does not have these processors or memory nodes';
  if (errno === 'EINVAL' || errno === 'ERANGE') return 'the kernel does not allow this value';
  if (errno === 'EBUSY' && controller === 'memory') return 'more is in use already than the limit allows';
  return undefined;
}

function hintFor(errno: string | undefined): string | undefined {
  if (errno === 'EROFS') return 'the cgroup file system is mounted read-only: mount it read-write, or run without limits';
  if (errno === 'EACCES' || errno === 'EPERM') return 'run as root, or in a delegated cgroup: systemd-run --user --scope -p Delegate=yes';
  return undefined;
}

/** One write(2) into a file that must exist: cgroup files take a whole value at a time (cgroup-v2.rst "Conventions"). */
export function writeCgroupFile(path: string, data: string): void {
  const fd = openSync(path, constants.O_WRONLY);
  try {
    writeSync(fd, data);
  } finally {
    closeSync(fd);
  }
}

export function tryRead(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

export function readNumber(path: string): number | undefined {
  const text = tryRead(path)?.trim();
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** The number behind `key` in a flat keyed file such as cpu.stat. */
export function readKey(path: string, key: string): number | undefined {
  const match = new RegExp(`^${key} (\\d+)$`, 'm').exec(tryRead(path) ?? '');
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

export function readPids(directory: string): readonly number[] {
  return (tryRead(`${directory}/cgroup.procs`) ?? '').split('\n').filter((line) => line !== '').map(Number);
}
