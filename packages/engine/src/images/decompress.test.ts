import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decompress, type DecompressLimits } from './decompress.ts';

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function plain(bytes: Uint8Array, size: number = 1 << 16, limits?: DecompressLimits): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of decompress(pieces(bytes, size), limits)) parts.push(chunk);
  return Buffer.concat(parts);
}

/** What the zstd command makes of "layer " a hundred times, of nothing (both with a checksum), and of "abc" (without). */
const [LAYERS, NOTHING, ABC] = ['KLUv/QRobQAAMGxheWVyIAEAT1KVIgvIjS8=', 'KLUv/SQAAQAAmenYUQ==', 'KLUv/QBYGQAAYWJj'].map((text) => Buffer.from(text, 'base64')) as [Buffer, Buffer, Buffer];
const SKIPPABLE = Buffer.from([0x5f, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);

describe('decompress', () => {
  it('passes plain bytes on, also fewer than a magic number has', async () => {
    for (const text of ['', 'a', 'some text that is longer']) expect((await plain(Buffer.from(text), 3)).toString()).toBe(text);
  });

  it('reads gzip with several members, wherever the chunks end', async () => {
    const bytes = Buffer.concat([gzipSync('first '), gzipSync(''), gzipSync('second')]);
    for (let size = 1; size <= bytes.length; size += 1) expect((await plain(bytes, size)).toString()).toBe('first second');
  });

  it('reads its source to the end where padding follows the compressed data, for the digest', async () => {
    let read = 0;
    const source = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of pieces(Buffer.concat([gzipSync('data'), Buffer.alloc(100_000)]), 1000)) {
        read += chunk.length;
        yield chunk;
      }
    };
    let text = '';
    for await (const chunk of decompress(source())) text += Buffer.from(chunk).toString();
    expect(text).toBe('data');
    expect(read).toBeGreaterThan(100_000);
  });

  it('refuses damaged and cut gzip data', async () => {
    const bytes = gzipSync(randomBytes(10_000));
    await expect(plain(bytes.subarray(0, 5000))).rejects.toMatchObject({ code: 'ERR_TSCBOX_LAYER_INVALID', detail: 'unexpected end of file' });
    await expect(plain(Buffer.concat([bytes, Buffer.from('garbage')]))).rejects.toMatchObject({ code: 'ERR_TSCBOX_LAYER_INVALID' });
    bytes[5000] = (bytes[5000] ?? 0) ^ 1;
    await expect(plain(bytes)).rejects.toMatchObject({ code: 'ERR_TSCBOX_LAYER_INVALID' });
  });

  it('reads zstd with several frames and some to be skipped, wherever the chunks end', async () => {
    const bytes = Buffer.concat([SKIPPABLE, LAYERS, NOTHING, SKIPPABLE, ABC]);
    for (let size = 1; size <= bytes.length; size += 1) expect((await plain(bytes, size)).toString()).toBe(`${'layer '.repeat(100)}abc`);
  });

  it('refuses zstd data that is cut, followed by something else, needs a dictionary or too much memory', async () => {
    const invalid = (detail: RegExp): object => ({ code: 'ERR_TSCBOX_LAYER_INVALID', detail: expect.stringMatching(detail) as string });
    for (let length = 8; length < LAYERS.length; length += 1) await expect(plain(LAYERS.subarray(0, length))).rejects.toMatchObject(invalid(/ends inside|end of file|EOF/));
    await expect(plain(Buffer.concat([ABC, Buffer.from('garbage!')]))).rejects.toMatchObject(invalid(/something else/));
    await expect(plain(Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x58, 7, 0x19, 0, 0]))).rejects.toMatchObject(invalid(/dictionary/));
    await expect(plain(Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0x19, 0, 0, 0]))).rejects.toMatchObject(invalid(/bytes of memory/));
  });

  it('names compressions that it does not know', async () => {
    await expect(plain(Buffer.from('BZh91AY&SY'))).rejects.toThrow(/bzip2/);
    await expect(plain(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0]))).rejects.toThrow(/xz/);
  });

  it('CVE-2017-14992: stops at a bomb', async () => {
    const bomb = gzipSync(Buffer.alloc(20 << 20));
    await expect(plain(bomb, 1 << 16, { ratio: 200, ratioFromBytes: 1 << 20 })).rejects.toThrow(/made to fill the disk/);
    expect((await plain(bomb)).length).toBe(20 << 20);
  });

  it('passes on why reading failed', async () => {
    const source = async function* (): AsyncGenerator<Uint8Array> {
      yield gzipSync('x').subarray(0, 12);
      throw Object.assign(new Error('disk on fire'), { code: 'EIO' });
    };
    await expect((async () => { for await (const _ of decompress(source())) continue; })()).rejects.toThrow('disk on fire');
  });
});
