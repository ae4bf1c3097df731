/**
 * Zstandard files are sequences of frames, some to be skipped (RFC 8878): pzstd writes them, and zstd:chunked layers.
 * Node's decompressor stops after the first, so they are taken apart here, block by block, without decompressing.
 */
import { BoxError } from '@tsc-box/model';
import type { ByteInput } from './byte-input.ts';

const MAGIC = 0xfd2fb528;
/** The last four bits are free. */
const SKIPPABLE = 0x184d2a5;
/** What decoders must support is 8 MiB; `zstd --long` writes up to this. It is held in memory. */
const WINDOW_BYTES_MAX = 128 << 20;
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;

/** Each yielded stream is one whole frame and must be read to its end before the next. */
export async function* zstdFrames(input: ByteInput): AsyncGenerator<AsyncIterable<Uint8Array>, void, undefined> {
  for (;;) {
    const head = await input.peek(8);
    if (head.length === 0) return;
    if (head.length < 8) fail('the data ends inside a frame header');
    const magic = uint32(head, 0);
    if (magic >>> 4 === SKIPPABLE) await skip(input, 8 + uint32(head, 4));
    else if (magic === MAGIC) yield oneFrame(input);
    else fail('there is something else after a frame');
  }
}

async function* oneFrame(input: ByteInput): AsyncGenerator<Uint8Array, void, undefined> {
  const { length, checksum } = parseFrameHeader(await input.peek(18));
  yield* part(input, length);
  for (let last = false; !last; ) {
    const header = await input.peek(3);
    if (header.length < 3) fail('the data ends inside a frame');
    const value = (header[0] ?? 0) | ((header[1] ?? 0) << 8) | ((header[2] ?? 0) << 16);
    last = (value & 1) === 1;
    const type = (value >> 1) & 3;
    if (type === RESERVED_BLOCK) fail('a block has the reserved type');
    yield* part(input, 3 + (type === RLE_BLOCK ? 1 : value >> 3));
  }
  if (checksum) yield* part(input, 4);
}

/** RFC 8878, 3.1.1.1. */
function parseFrameHeader(bytes: Uint8Array): { readonly length: number; readonly checksum: boolean } {
  const descriptor = bytes[4] ?? 0;
  const single = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  const sizeAt = 5 + (single ? 0 : 1) + dictionary;
  const length = sizeAt + sizeBytes;
  if ((descriptor & 0x08) !== 0) fail('a reserved bit is set');
  if (bytes.length < length) fail('the data ends inside a frame header');
  if (dictionary > 0 && bytes.subarray(sizeAt - dictionary, sizeAt).some((byte) => byte !== 0)) fail('a frame needs a dictionary');
  const window = single ? littleEndian(bytes.subarray(sizeAt, length)) + (sizeBytes === 2 ? 256 : 0) : windowBytes(bytes[5] ?? 0);
  if (window > WINDOW_BYTES_MAX) fail(`a frame needs ${String(window)} bytes of memory, allowed: ${String(WINDOW_BYTES_MAX)}`);
  return { length, checksum: (descriptor & 4) !== 0 };
}

function windowBytes(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

const littleEndian = (bytes: Uint8Array): number => bytes.reduceRight((sum, byte) => sum * 256 + byte, 0);

async function skip(input: ByteInput, bytes: number): Promise<void> {
  for await (const _ of part(input, bytes)) continue;
}

async function* part(input: ByteInput, bytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  if (!(yield* input.take(bytes))) fail('the data ends inside a frame');
}

function fail(detail: string): never {
  throw new BoxError({ code: 'ERR_TSCBOX_LAYER_INVALID', attempted: 'decompress zstd data', detail });
}

const uint32 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)) >>> 0;
