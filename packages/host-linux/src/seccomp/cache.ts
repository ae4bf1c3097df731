/**
 * Compiled seccomp programs on disk. A file holds its whole key, so that no two profiles can be taken for one another: it is a
 * security policy. No digests: node:crypto takes longer to load, and a loop in cold JavaScript longer to run, than all the rest of a launch.
 */
import { mkdirSync, readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from 'node:fs';

/** Key length and program length: 32 bits each. */
const HEADER_BYTES = 8;
/** Characters between those that the file's name is made from. Profiles with one name only take each other's place. */
const STRIDE = 61;
/** BPF_RET: the last instruction of every program. A file that a crash left full of zeros lacks it. */
const BPF_RET = 0x06;
const INSTRUCTION_BYTES = 8;

function fileOf(directory: string, key: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += STRIDE) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193) >>> 0;
  return `${directory}/seccomp-${key.length}-${hash.toString(16)}.bpf`;
}

/** The program kept under exactly this key; undefined when there is none, or none to be trusted. */
export function readCached(directory: string, key: string): Uint8Array | undefined {
  const file = fileOf(directory, key);
  let bytes: Buffer;
  try {
    const stat = statSync(file);
    // Another user must not be able to plant a filter.
    if (stat.uid !== process.geteuid?.() || (stat.mode & 0o022) !== 0) return undefined;
    bytes = readFileSync(file);
  } catch {
    return undefined;
  }
  const keyBytes = Buffer.from(key);
  const start = HEADER_BYTES + keyBytes.length;
  if (bytes.length < start + INSTRUCTION_BYTES || bytes.readUInt32LE(0) !== keyBytes.length || bytes.length !== start + bytes.readUInt32LE(4)) return undefined;
  if (keyBytes.compare(bytes, HEADER_BYTES, start) !== 0 || bytes.readUInt16LE(bytes.length - INSTRUCTION_BYTES) !== BPF_RET) return undefined;
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, bytes.length - start);
}

/** Keeps a program under a key. Never throws. */
export function writeCached(directory: string, keyText: string, program: Uint8Array): void {
  const key = Buffer.from(keyText);
  const file = fileOf(directory, keyText);
  const temporary = `${file}.${process.pid}.${process.hrtime.bigint()}`;
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(key.length, 0);
  header.writeUInt32LE(program.length, 4);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(temporary, Buffer.concat([header, key, program]), { flag: 'wx', mode: 0o600 });
    renameSync(temporary, file);
  } catch {
    try {
      unlinkSync(temporary);
    } catch {
      // Nothing was written.
    }
  }
}
