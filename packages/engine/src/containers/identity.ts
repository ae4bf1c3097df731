/** Who is alive: processes named for good, and the boot they belong to. */
import { readFileSync } from 'node:fs';
import type { ProcessIdentity } from '@tsc-box/model';

let currentBoot: string | undefined;

/** Empty on systems without one: the simulator's processes end with it. */
export function bootId(): string {
  currentBoot ??= readQuietly('/proc/sys/kernel/random/boot_id').trim();
  return currentBoot;
}

const START_TIME_FIELD = 22;
let self: ProcessIdentity | undefined;

/** This process: proc(5), /proc/PID/stat. */
export function launcherIdentity(): ProcessIdentity {
  if (self !== undefined) return self;
  const stat = readQuietly('/proc/self/stat');
  // The second field is the command in parentheses, which may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  self = { pid: process.pid, startTime: Number(fields[START_TIME_FIELD - 3] ?? 0) };
  return self;
}

const RADIX = 36;

/** For file names: `PID.START`, as short as it gets. */
export const identityText = ({ pid, startTime }: ProcessIdentity): string => `${pid.toString(RADIX)}.${startTime.toString(RADIX)}`;

/** Undefined for what `identityText` has not written. */
export function parseIdentity(text: string): ProcessIdentity | undefined {
  const [pid, startTime] = text.split('.').map((part) => Number.parseInt(part, RADIX));
  return pid === undefined || startTime === undefined || Number.isNaN(pid) || Number.isNaN(startTime) ? undefined : { pid, startTime };
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
