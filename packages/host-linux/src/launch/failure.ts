/** From the launcher's report (errno, record) to the typed error of the step that failed. */
import { execError, stepError, SyscallError, type Candidate, type ChildStep, type Facts } from '@tsc-box/model';
import type { ProgramMemory } from '../launcher/run.unsafe.ts';
import type { EncodedPlan } from './encode.ts';
import { errnoName } from './errno.ts';
import { HEAD_BYTES, STATX_BYTES } from './encode-exec.ts';

/** `errnoCode` and `recordAddress` are the launcher's report. */
export function launchError(encoded: EncodedPlan, memory: ProgramMemory, errnoCode: number, recordAddress: number, facts: Facts): SyscallError {
  const record = encoded.program.recordIndexAt(memory.address, recordAddress);
  return reportedError(encoded.steps[record], errnoCode, () => readCandidates(encoded, memory), facts);
}

/** `candidates` is asked only where the command could not be executed. */
export function reportedError(step: ChildStep | undefined, errnoCode: number, candidates: () => readonly Candidate[], facts: Facts): SyscallError {
  const errno = errnoName(errnoCode);
  if (step === undefined) return new SyscallError({ attempted: 'run the launch plan', errno, detail: 'at an unknown step' });
  if (step.call === 'faccessat') return execError({ command: step.args.command, candidates: candidates(), errno, architecture: facts.architecture });
  if (step.call === 'execve') return execError({ command: step.args.argv[0] ?? '', candidates: candidates(), errno, architecture: facts.architecture });
  return stepError(step, errno, facts);
}

const MODE_OFFSET = 0x1c;

/** struct statx, then the first bytes: as the launcher's data has them. */
export function candidateOf(path: string, statx: Buffer, head: Buffer): Candidate {
  return { path, mode: statx.readUInt16LE(MODE_OFFSET), head: new Uint8Array(head) };
}

function readCandidates({ exec, program }: EncodedPlan, memory: ProgramMemory): Candidate[] {
  return exec.map(({ path, statx, head }) => {
    const at = program.offsetOf(statx);
    const start = program.offsetOf(head);
    return candidateOf(path, memory.bytes.subarray(at, at + STATX_BYTES), memory.bytes.subarray(start, start + HEAD_BYTES));
  });
}
