/**
 * A syscall program as a static ELF file, for what must outlive Node: the same machine code and records, at fixed addresses.
 * elf(5). Code is mapped read-execute and the program read-write, never both at once; the stack is not executable and not used.
 */
import { LAUNCHER_BLOBS } from './blobs.generated.ts';
import type { Program, Ref } from './program.ts';

export interface StaticElf {
  readonly bytes: Uint8Array;
  /** Where a piece of the program's data lies in the file, to be written over before it is run. */
  readonly fileOffsetOf: (ref: Ref) => number;
}

const CODE_ADDRESS = 0x400000;
/** The largest page of the two architectures (arm64): segments with different rights must not share one. */
const PAGE = 0x10000;
const CODE_OFFSET = 256;
const HEADER_BYTES = 64;
const SEGMENT_BYTES = 56;
const MACHINES = { x64: 62, arm64: 183 } as const;
const [PT_LOAD, PT_GNU_STACK] = [1, 0x6474e551];
const [X, W, R] = [1, 2, 4];

/**
 * Finishes the program. When it fails it ends with status 127. `memory`: bytes of data in memory, zero beyond what the file has.
 */
export function buildStaticElf(program: Program, architecture: 'x64' | 'arm64', memory = 0): StaticElf {
  const blob = LAUNCHER_BLOBS[architecture];
  const code = Buffer.from(blob.code, 'base64');
  const codeEnd = CODE_OFFSET + code.length;
  const dataOffset = dataOffsetOf(code.length);
  const base = dataAddress(architecture);
  const { size } = program.finish();

  const file = Buffer.alloc(dataOffset + size);
  program.write(base, file.subarray(dataOffset));
  // The entry point reads the first record and the place of the report from here.
  code.writeBigUInt64LE(BigInt(program.entryAddress(base)), blob.startWords);
  code.writeBigUInt64LE(BigInt(program.addressOf(base, program.report)), blob.startWords + 8);
  code.copy(file, CODE_OFFSET);
  writeHeader(file, MACHINES[architecture], CODE_ADDRESS + CODE_OFFSET + blob.start);
  writeSegment(file, 0, { type: PT_LOAD, flags: R | X, offset: 0, address: CODE_ADDRESS, size: codeEnd, memory: codeEnd });
  writeSegment(file, 1, { type: PT_LOAD, flags: R | W, offset: dataOffset, address: base, size, memory: Math.max(size, program.recordBytes() + memory) });
  writeSegment(file, 2, { type: PT_GNU_STACK, flags: R | W, offset: 0, address: 0, size: 0, memory: 0 });
  return { bytes: file, fileOffsetOf: (ref) => dataOffset + program.offsetOf(ref) };
}

/** Where the records of every such program begin. */
export function dataAddress(architecture: 'x64' | 'arm64'): number {
  return CODE_ADDRESS + PAGE + dataOffsetOf(Buffer.from(LAUNCHER_BLOBS[architecture].code, 'base64').length);
}

function dataOffsetOf(codeBytes: number): number {
  return Math.ceil((CODE_OFFSET + codeBytes) / 16) * 16;
}

/** Elf64_Ehdr: little-endian, System V, ET_EXEC. */
function writeHeader(file: Buffer, machine: number, entry: number): void {
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(2, 16);
  file.writeUInt16LE(machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(entry), 24);
  file.writeBigUInt64LE(BigInt(HEADER_BYTES), 32);
  file.writeUInt16LE(HEADER_BYTES, 52);
  file.writeUInt16LE(SEGMENT_BYTES, 54);
  file.writeUInt16LE(3, 56);
  // No sections; the size of their headers is given all the same, as linkers do.
  file.writeUInt16LE(64, 58);
}

interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
  readonly memory: number;
}

/** Elf64_Phdr: type, flags, offset, virtual and physical address, size in the file and in memory, alignment. */
function writeSegment(file: Buffer, index: number, { type, flags, offset, address, size, memory }: Segment): void {
  const at = HEADER_BYTES + index * SEGMENT_BYTES;
  file.writeUInt32LE(type, at);
  file.writeUInt32LE(flags, at + 4);
  for (const [word, value] of [offset, address, address, size, memory, type === PT_LOAD ? PAGE : 16].entries()) file.writeBigUInt64LE(BigInt(value), at + 8 + word * 8);
}
