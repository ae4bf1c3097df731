/** Copies one object of a lower layer into the layer above it: a hard link needs its target in its own layer. */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readlinkSync, readSync, writeSync, type BigIntStats } from 'node:fs';
import { SyscallError, textOf } from '@tsc-box/model';
import { attributesToCopy, type AttributeWriter } from './attributes.ts';
import { errnoOf } from './host-errors.ts';
import { toBuffer } from './lookup.ts';
import { createFile, makeNode, makeSymlink } from './syscalls.unsafe.ts';

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const BUFFER_BYTES = 1 << 18;

/** `path`: a byte string, no directory. False for a device that this user may not make. */
export function copyObject(path: string, stat: BigIntStats, parent: number, name: string, writer: AttributeWriter): boolean {
  const attributes = attributesToCopy(path, stat);
  if (stat.isFile()) {
    const fd = createFile(parent, name);
    try {
      copyData(path, fd);
      writer.applyToFile(fd, parent, name, attributes);
    } finally {
      closeSync(fd);
    }
    return true;
  }
  if (stat.isSymbolicLink()) {
    makeSymlink(parent, name, readlinkSync(toBuffer(path), 'latin1'));
    writer.apply(parent, name, 'symlink', attributes);
    return true;
  }
  if (!copyNode(stat, parent, name)) return false;
  writer.apply(parent, name, 'special', attributes);
  return true;
}

function copyData(path: string, to: number): void {
  const from = openSync(toBuffer(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    if (!fstatSync(from).isFile()) throw new SyscallError({ attempted: `copy "${textOf(path)}"`, detail: 'it is no regular file any more', path: textOf(path) });
    const buffer = new Uint8Array(BUFFER_BYTES);
    for (let position = 0; ; ) {
      const length = readSync(from, buffer, 0, BUFFER_BYTES, position);
      if (length === 0) return ftruncateSync(to, position);
      // Zeros become a hole: a sparse file must not grow by being copied.
      if (buffer.subarray(0, length).some((byte) => byte !== 0)) for (let at = 0; at < length; ) at += writeSync(to, buffer, at, length - at, position + at);
      position += length;
    }
  } finally {
    closeSync(from);
  }
}

function copyNode(stat: BigIntStats, parent: number, name: string): boolean {
  const [major, minor] = [Number(((stat.rdev >> 8n) & 0xfffn) | ((stat.rdev >> 32n) & 0xfffff000n)), Number((stat.rdev & 0xffn) | ((stat.rdev >> 12n) & 0xffffff00n))];
  try {
    makeNode(parent, name, Number(stat.mode), major, minor);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EPERM') return false;
    throw error;
  }
}
