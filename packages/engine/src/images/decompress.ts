/** Layers are tar archives, plain or compressed. What they are is told by their first bytes, as docker and containerd do. */
import { pipeline, Readable, type Transform } from 'node:stream';
import { BoxError } from '@tsc-box/model';
import { ByteInput } from './byte-input.ts';
import { zstdFrames } from './zstd-frames.ts';

export interface DecompressLimits {
  /** Output bytes for each input byte, from `ratioFromBytes` of output on: gzip reaches 1032. */
  readonly ratio: number;
  readonly ratioFromBytes: number;
}

export const DEFAULT_DECOMPRESS_LIMITS: DecompressLimits = { ratio: 200, ratioFromBytes: 256 << 20 };

/** Default chunks of 16 KiB take twice the time. */
const CHUNK_BYTES = 256 << 10;

/**
 * The plain bytes of `source`, which is read to its end also where the compressed data ends earlier.
 * @throws BoxError ERR_TSCBOX_LAYER_INVALID for damaged data, unknown compressions and bombs.
 */
export async function* decompress(source: AsyncIterable<Uint8Array>, limits: DecompressLimits = DEFAULT_DECOMPRESS_LIMITS): AsyncGenerator<Uint8Array, void, undefined> {
  let [read, written] = [0, 0];
  const counted = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of source) {
      read += chunk.length;
      yield chunk;
    }
  };
  const input = new ByteInput(counted());
  try {
    for await (const chunk of decoded(input, await input.peek(6))) {
      written += chunk.length;
      if (written > limits.ratioFromBytes && written > read * limits.ratio) refuse(`more than ${String(limits.ratio)} bytes of output for each byte of input after ${String(written)} bytes: it looks made to fill the disk`);
      yield chunk;
    }
    for await (const _ of input.rest()) continue;
  } finally {
    await input.close();
  }
}

function decoded(input: ByteInput, head: Uint8Array): AsyncIterable<Uint8Array> {
  const starts = (...bytes: readonly number[]): boolean => bytes.every((byte, index) => head[index] === byte);
  if (starts(0x1f, 0x8b)) return gunzip(input);
  if (starts(0x28, 0xb5, 0x2f, 0xfd) || ((head[0] ?? 0) >> 4 === 5 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18)) return unzstd(input);
  if (starts(0x42, 0x5a, 0x68)) refuse('it is compressed with bzip2', 'allowed: plain, gzip, zstd');
  if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) refuse('it is compressed with xz', 'allowed: plain, gzip, zstd');
  return input.rest();
}

async function* gunzip(input: ByteInput): AsyncGenerator<Uint8Array, void, undefined> {
  const { createGunzip } = await import('node:zlib');
  yield* transformed(input.rest(), createGunzip({ chunkSize: CHUNK_BYTES }));
}

async function* unzstd(input: ByteInput): AsyncGenerator<Uint8Array, void, undefined> {
  const zlib = await import('node:zlib');
  const create = 'createZstdDecompress' in zlib ? (zlib.createZstdDecompress as (options: { readonly chunkSize: number }) => Transform) : undefined;
  for await (const frame of zstdFrames(input)) yield* create === undefined ? inJavaScript(frame) : transformed(frame, create({ chunkSize: CHUNK_BYTES }));
}

async function* transformed(frame: AsyncIterable<Uint8Array>, transform: Transform): AsyncGenerator<Uint8Array, void, undefined> {
  let failure: Error | undefined;
  const output = pipeline(Readable.from(frame), transform, (error) => {
    failure = error ?? undefined;
  });
  try {
    for await (const chunk of output) yield chunk as Uint8Array;
  } catch (error) {
    throw compressionError(failure ?? error);
  }
}

/** Node before 22.15. */
async function* inJavaScript(frame: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const { Decompress } = await import('fzstd');
  const output: Uint8Array[] = [];
  const decoder = new Decompress((chunk) => void output.push(chunk.slice()));
  const push = (chunk: Uint8Array, final: boolean): void => {
    try {
      decoder.push(chunk, final);
    } catch (error) {
      throw compressionError(error);
    }
  };
  let last: Uint8Array | undefined;
  for await (const chunk of frame) {
    if (last !== undefined) push(last, false);
    yield* output.splice(0);
    last = chunk;
  }
  push(last ?? new Uint8Array(0), true);
  yield* output;
}

function compressionError(error: unknown): unknown {
  if (error instanceof BoxError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  // Others are failures of reading.
  if (typeof code === 'string' && !/^(Z_|ZSTD_)/.test(code)) return error;
  return new BoxError({ code: 'ERR_TSCBOX_LAYER_INVALID', attempted: 'decompress the layer', detail: message, cause: error });
}

function refuse(detail: string, hint?: string): never {
  throw new BoxError({ code: 'ERR_TSCBOX_LAYER_INVALID', attempted: 'decompress the layer', detail, hint });
}
