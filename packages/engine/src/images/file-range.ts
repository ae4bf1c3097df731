/** Parts of files as bounded streams. An image's files are only read where they are regular: a FIFO would block for good. */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { BoxError } from '@tsc-box/model';

const { O_NONBLOCK, O_RDONLY } = constants;
const CHUNK_BYTES = 256 << 10;

export interface FileRange {
  readonly path: string;
  readonly start: number;
  /** Bytes; as far as the file goes when absent. */
  readonly size?: number;
}

/** Undefined where nothing is. @throws BoxError for what is no regular file. */
export async function openRegular(path: string): Promise<{ readonly file: FileHandle; readonly size: number } | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, O_RDONLY | O_NONBLOCK);
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code;
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `open "${path}"`, errno, path, cause: error });
  }
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `open "${path}"`, detail: 'it is no regular file', path });
    return { file, size: stat.size };
  } catch (error) {
    await file.close();
    throw error;
  }
}

export const imageNotFound = (attempted: string, path: string, hint?: string): BoxError => new BoxError({ code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', attempted, detail: 'there is no such file', path, hint });

/** The whole of a small file. Undefined where nothing is. */
export async function readSmall(path: string, bytesMax: number): Promise<Uint8Array | undefined> {
  const opened = await openRegular(path);
  if (opened === undefined) return undefined;
  const { file, size } = opened;
  try {
    if (size > bytesMax) throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read "${path}"`, detail: `it has ${String(size)} bytes, allowed: ${String(bytesMax)}`, path });
    return await readExactly(file, 0, size, path);
  } finally {
    await file.close();
  }
}

/** @throws BoxError where the file is shorter. */
export async function readExactly(file: FileHandle, start: number, size: number, path: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; ) {
    const { bytesRead } = await file.read(bytes, at, size - at, start + at);
    if (bytesRead === 0) throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read "${path}"`, detail: `it ends after ${String(start + at)} bytes, expected: ${String(start + size)}`, path });
    at += bytesRead;
  }
  return bytes;
}

/** Reads one chunk ahead, so that the disk works while a chunk is worked on. */
export async function* streamRange({ path, start, size = Infinity }: FileRange): AsyncGenerator<Uint8Array, void, undefined> {
  const opened = await openRegular(path);
  if (opened === undefined) throw imageNotFound(`read "${path}"`, path);
  const { file } = opened;
  let pending: Promise<Uint8Array> | undefined;
  try {
    let left = size;
    let position = start;
    const read = async (): Promise<Uint8Array> => {
      const buffer = new Uint8Array(Math.min(CHUNK_BYTES, left));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      left -= bytesRead;
      position += bytesRead;
      return buffer.subarray(0, bytesRead);
    };
    pending = read();
    for (;;) {
      const chunk = await pending;
      if (chunk.length === 0) return;
      pending = read();
      yield chunk;
    }
  } finally {
    await pending?.catch(() => undefined);
    await file.close();
  }
}
