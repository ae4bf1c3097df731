/** From the launcher's report (errno, record) to the typed error of the step that failed. */
import { execError, stepError, SyscallError, type Candidate, type Facts } from '@tsc-box/model';
import type { ProgramMemory } from '../launcher/run.unsafe.ts';
import type { EncodedPlan } from './encode.ts';
import { errnoName } from './errno.ts';
import { HEAD_BYTES } from './encode-exec.ts';

/** `errnoCode` and `recordAddress` are the launcher's report. */
export function launchError(encoded: EncodedPlan, memory: ProgramMemory, errnoCode: number, recordAddress: number, facts: Facts): SyscallError {
  const errno = errnoName(errnoCode);
  const step = encoded.steps[encoded.program.recordIndexAt(memory.address, recordAddress)];
  if (step === undefined) return new SyscallError({ attempted: 'run the launch plan', errno, detail: 'at an unknown step' });
  if (step.call === 'execve') return execError({ command: step.args.argv[0] ?? '', candidates: readCandidates(encoded, memory), errno, architecture: facts.architecture });
  return stepError(step, errno, facts);
}

const MODE_OFFSET = 0x1c;

function readCandidates({ exec, program }: EncodedPlan, memory: ProgramMemory): Candidate[] {
  return exec.map(({ path, statx, head }) => {
    const at = program.offsetOf(statx);
    const start = program.offsetOf(head);
    return { path, mode: memory.bytes.readUInt16LE(at + MODE_OFFSET), head: new Uint8Array(memory.bytes.subarray(start, start + HEAD_BYTES)) };
  });
}
