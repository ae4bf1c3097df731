/**
 * Compiled seccomp programs on disk. A file holds its whole key, so that no two profiles can be taken for one another, whatever
 * their hash: it is a security policy. Without node:crypto, which takes longer to load than all the rest of a launch.
 */
import { mkdirSync, readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from 'node:fs';

/** Key length, program length, checksum of both: 32 bits each. */
const HEADER_BYTES = 12;

/** 32-bit FNV-1a: finds a file that a crash cut short. */
function checksum(bytes: Uint8Array, start: number): number {
  let sum = start;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193) >>> 0;
  return sum;
}

const FNV_START = 0x811c9dc5;

function fileOf(directory: string, key: Uint8Array): string {
  const name = [FNV_START, 0x9747b28c].map((start) => checksum(key, start).toString(16).padStart(8, '0')).join('');
  return `${directory}/seccomp-${name}.bpf`;
}

export function readCached(directory: string, keyText: string): Uint8Array | undefined {
  const key = Buffer.from(keyText);
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
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== key.length || bytes.length !== HEADER_BYTES + key.length + bytes.readUInt32LE(4)) return undefined;
  const rest = bytes.subarray(HEADER_BYTES);
  if (!rest.subarray(0, key.length).equals(key) || bytes.readUInt32LE(8) !== checksum(rest, FNV_START)) return undefined;
  return new Uint8Array(rest.subarray(key.length));
}

export function writeCached(directory: string, keyText: string, program: Uint8Array): void {
  const key = Buffer.from(keyText);
  const file = fileOf(directory, key);
  const temporary = `${file}.${process.pid}.${process.hrtime.bigint()}`;
  const header = Buffer.alloc(HEADER_BYTES);
  const rest = Buffer.concat([key, program]);
  header.writeUInt32LE(key.length, 0);
  header.writeUInt32LE(program.length, 4);
  header.writeUInt32LE(checksum(rest, FNV_START), 8);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(temporary, Buffer.concat([header, rest]), { flag: 'wx', mode: 0o600 });
    renameSync(temporary, file);
  } catch {
    try {
      unlinkSync(temporary);
    } catch {
      // Nothing was written.
    }
  }
}
