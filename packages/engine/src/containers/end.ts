/** How a container ended whose process nobody of ours waited for: what its monitor wrote, and what can be seen. */
import { readFileSync } from 'node:fs';
import { parseExitRecord, type ExitRecord, type ProcessIdentity, type System } from '@tsc-box/model';
import { isAlive } from './claims.ts';
import type { ContainerState, StartedRecord } from './types.ts';

export const REBOOTED = 'the machine was started again while it ran';

const NANOSECONDS_PER_MS = 1_000_000n;

interface Seen {
  readonly exit: string;
  readonly sameBoot: boolean;
}

/** Running until the exit file says otherwise: between the end of the process and that write its monitor lives. */
export function readEnd(system: Pick<System, 'isAlive'>, started: StartedRecord, monitor: ProcessIdentity, { exit, sameBoot }: Seen): End {
  const written = endIn(readExitFile(exit));
  if (written !== undefined) return written;
  if (!sameBoot) return { status: 'exited', settled: false, error: REBOOTED };
  if (isAlive(system, started) || isAlive(system, monitor)) return { status: 'running' };
  // The monitor may have written and ended just now.
  return endIn(readExitFile(exit)) ?? { status: 'exited', settled: false, error: 'its monitor was killed: how it ended is not known' };
}

type End = Pick<ContainerState, 'status' | 'settled' | 'error' | 'exitCode' | 'signal' | 'finishedAt'>;

/** Undefined as long as the process has not ended: the record names none then. */
function endIn(record: ExitRecord | undefined): End | undefined {
  if (record === undefined || record.pid === 0) return undefined;
  return { status: 'exited', settled: false, exitCode: record.code, ...(record.signal === undefined ? {} : { signal: record.signal }), finishedAt: timeOf(record) };
}

/** ISO 8601, UTC. */
function timeOf({ time }: ExitRecord): string {
  return new Date(Number(time / NANOSECONDS_PER_MS)).toISOString();
}

export function readExitFile(path: string): ExitRecord | undefined {
  try {
    return parseExitRecord(readFileSync(path));
  } catch {
    return undefined;
  }
}
