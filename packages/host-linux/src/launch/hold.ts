/**
 * Held processes: OCI `create` and `start`. The steps after the plan's `execveat` are a static ELF file of a few kilobytes, which the
 * process becomes. It tells by a fifo that it waits, or what failed; it waits on another. Both are gone from it once it has executed
 * its command (close-on-exec), which is how success is seen. Layout of a failure: 'f', errno and record of the launcher's report (8 bytes
 * each), then struct statx and the first bytes of each candidate of the command.
 */
import { closeSync, constants, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { assert, BoxError, HOLD_READY, SYSTEM_SLOTS, SyscallError, UnsupportedError, type ChildStep, type Facts, type HeldProcess, type LaunchPlan } from '@tsc-box/model';
import { makeFifo } from '../ffi/descriptors.unsafe.ts';
import { openExecutable } from '../launcher/memory-file.unsafe.ts';
import { buildStaticElf, dataAddress } from '../launcher/static-elf.ts';
import { encodePlan, type EncodedPlan, type EncodeInput } from './encode.ts';
import { HEAD_BYTES, STATX_BYTES } from './encode-exec.ts';
import { candidateOf, reportedError } from './failure.ts';
import { isRunning } from './process-identity.ts';
import { SYSCALL_NUMBERS } from './syscall-numbers.ts';
import type { Undo } from './undo.ts';

const FAILED = 'f';
const REPORT_BYTES = 16;
const EXIT_FAILED = 127;

/** The steps that the launcher's child does, and those of the program that it becomes. */
export function splitPlan({ child }: LaunchPlan): { readonly before: readonly ChildStep[]; readonly after: readonly ChildStep[] } {
  const at = child.findIndex((step) => step.call === 'execveat');
  return at < 0 ? { before: child, after: [] } : { before: child.slice(0, at + 1), after: child.slice(at + 1) };
}

export interface HoldFiles {
  /** What the process tells. */
  readonly result: number;
  /** Where program and fifos lie. */
  readonly directory: string;
  /** After the clone: the launcher's own end would hide that of a process that ends early. */
  closeWriter(): void;
}

/** Makes the fifos, and fills the slots of the plan with them. */
export function openHold(fifo: string, slots: Map<string, number>, child: Undo, failure: Undo): HoldFiles {
  const keep = (fd: number): number => {
    child.add(() => closeSync(fd));
    return fd;
  };
  for (const path of [fifo, resultOf(fifo)]) {
    makeFifo(path);
    failure.add(() => unlinkSync(path));
  }
  slots.set(SYSTEM_SLOTS.hold, keep(openSync(fifo, constants.O_RDWR | constants.O_NOFOLLOW)));
  const result = keep(openReader(resultOf(fifo)));
  const writer = openSync(resultOf(fifo), constants.O_WRONLY | constants.O_NOFOLLOW);
  let open = true;
  const closeWriter = (): void => {
    if (open) closeSync(writer);
    open = false;
  };
  child.add(closeWriter);
  slots.set(SYSTEM_SLOTS.holdResult, writer);
  return { result, directory: fifo.slice(0, fifo.lastIndexOf('/')) || '/', closeWriter };
}

/** The program, in the slot of the plan. */
export function openHolder({ directory }: HoldFiles, after: readonly ChildStep[], input: EncodeInput, slots: Map<string, number>, child: Undo): void {
  const encoded = encodePlan(after, input);
  const { program } = encoded;
  const nr = SYSCALL_NUMBERS[input.architecture];
  const handler = program.label();
  const end = program.label();
  program.handleReport(handler);
  program.place(handler);
  const pieces = [program.report, ...encoded.exec.flatMap(({ statx, head }) => [statx, head])];
  const sizes = [REPORT_BYTES, ...encoded.exec.flatMap(() => [STATX_BYTES, HEAD_BYTES])];
  const vectors = program.pointers([program.cstring(FAILED), 1, ...pieces.flatMap((piece, index) => [piece, sizes[index] ?? 0])]);
  const result = input.slots.get(SYSTEM_SLOTS.holdResult);
  assert(result !== undefined, 'a held process has a fifo for its result');
  program.record({ nr: nr.writev, args: [result, vectors, pieces.length + 1], fail: end });
  program.place(end);
  program.record({ nr: nr.exit_group, args: [EXIT_FAILED] });
  const fd = openExecutable('tsc-box-hold', buildStaticElf(program, input.architecture).bytes, directory);
  child.add(() => closeSync(fd));
  slots.set(SYSTEM_SLOTS.holder, fd);
}

/** Stands still until the process waits. @throws the error of the step that failed. */
export function awaitHeld({ result }: HoldFiles, plan: LaunchPlan, facts: Facts): void {
  const told = readRest(result, (text) => text.startsWith(HOLD_READY));
  if (told.toString('latin1', 0, 1) === HOLD_READY) return;
  throw failureOf(told, splitPlan(plan).after, facts) ?? new SyscallError({ attempted: 'set the process up', detail: 'it was ended before it had finished' });
}

/** Lets a held process go on. @throws BoxError ERR_TSCBOX_STATE when it does not wait; the error of the step that failed. */
export function startHeld(held: HeldProcess, plan: LaunchPlan, facts: Facts): void {
  const { after } = splitPlan(plan);
  if (after.length === 0) throw new UnsupportedError({ attempted: `start process ${String(held.pid)}`, detail: 'its plan has no step at which it waits' });
  const notWaiting = (cause?: unknown): BoxError => new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `start process ${String(held.pid)}`, path: held.fifo, detail: 'it does not wait: it was started before, or has ended', cause });
  if (!isRunning(held.pid, held.startTime)) throw notWaiting();
  const result = openReader(resultOf(held.fifo));
  try {
    let go: number;
    try {
      go = openSync(held.fifo, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    } catch (error) {
      throw error instanceof Error && 'code' in error && error.code === 'ENXIO' ? notWaiting(error) : error;
    }
    try {
      writeSync(go, '.');
    } finally {
      closeSync(go);
    }
    const failure = failureOf(readRest(result, () => false), after, facts);
    if (failure !== undefined) throw failure;
  } finally {
    closeSync(result);
  }
}

function resultOf(fifo: string): string {
  return `${fifo}.result`;
}

/** Opened while another end of ours is open: opening a fifo stands still otherwise. */
function openReader(path: string): number {
  const both = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } finally {
    closeSync(both);
  }
}

const CHUNK = 65536;

/** To the end, or as long as `enough` says no. */
function readRest(fd: number, enough: (text: string) => boolean): Buffer {
  const chunks: Buffer[] = [];
  for (;;) {
    const buffer = Buffer.alloc(CHUNK);
    const count = readSync(fd, buffer);
    if (count === 0) break;
    chunks.push(buffer.subarray(0, count));
    if (enough(chunks[0]?.toString('latin1') ?? '')) break;
  }
  return Buffer.concat(chunks);
}

function failureOf(told: Buffer, after: readonly ChildStep[], facts: Facts): SyscallError | undefined {
  if (told.toString('latin1', 0, 1) !== FAILED) return undefined;
  const { steps, exec, program }: EncodedPlan = encodePlan(after, { architecture: facts.architecture, slots: PLACEHOLDERS, cgroups: [], seccomp: undefined });
  const record = program.recordIndexAt(dataAddress(facts.architecture), Number(told.readBigUInt64LE(1 + 8)));
  const candidates = (): ReturnType<typeof candidateOf>[] => exec.map(({ path }, index) => {
    const at = 1 + REPORT_BYTES + index * (STATX_BYTES + HEAD_BYTES);
    return candidateOf(path, told.subarray(at, at + STATX_BYTES), told.subarray(at + STATX_BYTES, at + STATX_BYTES + HEAD_BYTES));
  });
  return reportedError(steps[record], told.readUInt32LE(1), candidates, facts);
}

/** The records of a plan are the same whatever the numbers of its descriptors are. */
const PLACEHOLDERS: ReadonlyMap<string, number> = new Map([SYSTEM_SLOTS.hold, SYSTEM_SLOTS.holdResult].map((name, index) => [name, index]));
