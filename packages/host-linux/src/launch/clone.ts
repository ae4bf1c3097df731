/** The first clone, and the id maps of its user namespace. */
import { assert, explainClone, SyscallError, type Facts, type LaunchPlan } from '@tsc-box/model';
import { writeByte } from '../ffi/descriptors.unsafe.ts';
import { runLauncher, type CloneArgs } from '../launcher/run.unsafe.ts';
import { writeIdMaps } from './id-maps.ts';
import type { Prepared } from './prepare.ts';

/** The pid. @throws SyscallError with the cause, where it is known. */
export function clone(plan: LaunchPlan, facts: Facts, cloneArgs: CloneArgs, report: number, entry: number): number {
  try {
    return runLauncher({ cloneArgs, entry, report });
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno === undefined) throw error;
    throw cloneError(plan, facts, error.errno, error);
  }
}

/** What clone3(2) refused. */
export function cloneError({ clone: { flags } }: LaunchPlan, facts: Facts, errno: string, cause?: unknown): SyscallError {
  const explained = explainClone(flags, errno, facts);
  return new SyscallError({ attempted: `make the process with ${flags.length === 0 ? 'no new namespace' : flags.join('|')}`, step: 'clone', syscall: 'clone3', errno, args: { flags }, reason: explained?.reason, hint: explained?.hint, cause });
}

/** Writes the id maps of the process that waits for them, and lets it go on. */
export function mapIds(plan: LaunchPlan, { release }: Prepared, pid: number): void {
  assert(plan.clone.idMaps !== undefined && release !== undefined, 'a plan with id maps has a pipe');
  writeIdMaps(pid, plan.clone.idMaps);
  writeByte(release.write);
}
