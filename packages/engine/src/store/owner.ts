/** Processes named for good, in file names and lock files: `PID,START TIME,INODE OF THE PID NAMESPACE,BOOT`. Pids are used again, these are not. */
import { readFileSync, readlinkSync } from 'node:fs';

export interface Owner {
  readonly pid: number;
  /** Clock ticks after boot: proc(5), /proc/PID/stat, field 22. 0 where there is no /proc. */
  readonly startTime: number;
  readonly pidNamespace: string;
  readonly boot: string;
}

const START_TIME_FIELD = 22;
let own: Owner | undefined;

export function ownIdentity(): Owner {
  own ??= { pid: process.pid, startTime: startTimeOf('self') ?? 0, pidNamespace: pidNamespace(), boot: bootId() };
  return own;
}

export const formatOwner = ({ pid, startTime, pidNamespace: namespace, boot }: Owner): string => [String(pid), String(startTime), namespace, boot].join(',');

export function parseOwner(text: string): Owner | undefined {
  const match = /^(\d+),(\d+),(\d+),([0-9a-f-]*)$/.exec(text);
  return match === null ? undefined : { pid: Number(match[1]), startTime: Number(match[2]), pidNamespace: match[3] ?? '', boot: match[4] ?? '' };
}

/** Undefined where it can't be known: the process belongs to another pid namespace. */
export function isRunning(owner: Owner): boolean | undefined {
  const self = ownIdentity();
  if (owner.boot !== self.boot) return false;
  if (owner.pidNamespace !== self.pidNamespace) return undefined;
  if (owner.startTime !== 0) return startTimeOf(String(owner.pid)) === owner.startTime;
  try {
    return owner.pid > 0 && process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function startTimeOf(pid: string): number | undefined {
  const stat = readQuietly(`/proc/${pid}/stat`);
  // The second field is the command in parentheses, which may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie holds nothing any more.
  return stat === '' || fields[0] === 'Z' ? undefined : Number(fields[START_TIME_FIELD - 3]);
}

const bootId = (): string => readQuietly('/proc/sys/kernel/random/boot_id').trim();

function pidNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    return '0';
  }
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
