import { describe, expect, it } from 'vitest';
import { createProgram, RECORD_BYTES, type Program } from './program.ts';

const BASE = 0x7f00_0000_0000;

function written(program: Program, base = BASE): Buffer {
  const bytes = Buffer.alloc(program.finish().size);
  program.write(base, bytes);
  return bytes;
}

/** The eleven words of a record. */
const words = (bytes: Buffer, index: number): bigint[] => Array.from({ length: RECORD_BYTES / 8 }, (_, word) => bytes.readBigUInt64LE(index * RECORD_BYTES + word * 8));

describe('a syscall program', () => {
  it('writes a record as eleven words', () => {
    const program = createProgram();
    program.record({ nr: 165, args: [1, -2, 3n, 2 ** 40, -(2 ** 40), 6] });
    expect(words(written(program), 0)).toEqual([165n, 1n, 2n ** 64n - 2n, 3n, 2n ** 40n, 2n ** 64n - 2n ** 40n, 6n, 0n, 0n, 0n, 0n]);
  });

  it('writes pseudo-operations as negative words', () => {
    const program = createProgram();
    program.record({ nr: -3, args: [2] });
    expect(words(written(program), 0)[0]).toBe(2n ** 64n - 3n);
  });

  it('puts the addresses of data into records and arrays', () => {
    const program = createProgram();
    const text = program.cstring('hello');
    const list = program.pointers([text, 5, text]);
    const slot = program.slot('fd');
    program.record({ nr: 1, args: [text, list, { ref: list, offset: 8 }], store: slot });
    const bytes = written(program);
    const at = program.offsetOf(list);
    expect(words(bytes, 0).slice(1, 4)).toEqual([program.addressOf(BASE, text), program.addressOf(BASE, list), program.addressOf(BASE, list) + 8].map((address) => BigInt(address)));
    expect(words(bytes, 0)[7]).toBe(BigInt(program.addressOf(BASE, slot)));
    expect([0, 8, 16, 24].map((offset) => Number(bytes.readBigUInt64LE(at + offset)))).toEqual([program.addressOf(BASE, text), 5, program.addressOf(BASE, text), 0]);
    expect(bytes.toString('latin1', program.offsetOf(text), program.offsetOf(text) + 6)).toBe('hello\0');
  });

  it('marks arguments that are loaded, and the errno a failure waits for', () => {
    const program = createProgram();
    const slot = program.slot('fd');
    program.record({ nr: 1, args: [{ load: slot }, 0, { load: { ref: slot, offset: 0 } }], errno: 38 });
    expect(words(written(program), 0)[8]).toBe(0b101n + (38n << 16n));
  });

  it('jumps forward and backward', () => {
    const program = createProgram();
    const start = program.label();
    const end = program.label();
    program.place(start);
    program.record({ nr: 1, args: [], fail: end });
    program.record({ nr: 2, args: [], next: start });
    program.place(end);
    program.record({ nr: 3, args: [] });
    const bytes = written(program);
    expect(words(bytes, 0)[10]).toBe(BigInt(BASE + 2 * RECORD_BYTES));
    expect(words(bytes, 1)[9]).toBe(BigInt(BASE));
  });

  it.each([false, true])('refuses a label that leads to no record: placed at the end: %s', (placed) => {
    const program = createProgram();
    const nowhere = program.label();
    program.record({ nr: 1, args: [], next: nowhere });
    if (placed) program.place(nowhere);
    expect(() => written(program)).toThrow(/a jump leads to a record/);
  });

  it('keeps equal strings once and other data apart, aligned as asked', () => {
    const program = createProgram();
    program.record({ nr: 1, args: [] });
    expect(program.cstring('é')).toBe(program.cstring('é'));
    const first = program.bytes(Uint8Array.of(1), 8);
    const second = program.bytes(Uint8Array.of(1), 8);
    const bytes = written(program);
    expect(program.offsetOf(second) - program.offsetOf(first)).toBe(8);
    expect(program.offsetOf(first) % 8).toBe(0);
    expect(bytes.toString('utf8', program.offsetOf(program.cstring('é'))).startsWith('é\0')).toBe(true);
  });

  it('grows with its contents', () => {
    const program = createProgram();
    const texts = Array.from({ length: 2000 }, (_, index) => program.cstring(`text ${String(index)}`));
    texts.forEach((text) => program.record({ nr: 1, args: [text] }));
    const bytes = written(program);
    texts.forEach((text, index) => {
      const address = Number(words(bytes, index)[1]);
      expect(address).toBe(program.addressOf(BASE, text));
      expect(bytes.toString('latin1', address - BASE, bytes.indexOf(0, address - BASE))).toBe(`text ${String(index)}`);
    });
  });

  it('can be written at another address', () => {
    const program = createProgram();
    const text = program.cstring('x');
    program.record({ nr: 1, args: [text] });
    const bytes = written(program);
    program.write(0x600000, bytes);
    expect(Number(words(bytes, 0)[1])).toBe(program.addressOf(0x600000, text));
  });

  it('tells which record lies at an address', () => {
    const program = createProgram();
    for (let index = 0; index < 3; index++) program.record({ nr: index, args: [] });
    program.finish();
    expect(program.entryAddress(BASE)).toBe(BASE);
    expect(program.recordIndexAt(BASE, BASE + 2 * RECORD_BYTES)).toBe(2);
  });
});
