/** One 512-byte header. Sources: POSIX pax(1), GNU tar "Basic Tar Format", star(5). */
import { decodeUtf8 } from './bytes.ts';
import { tarError, type SparseExtent } from './tar-types.ts';

export const BLOCK = 512;

export interface RawHeader {
  readonly typeflag: string;
  readonly format: 'v7' | 'ustar' | 'gnu';
  readonly name: Uint8Array;
  readonly linkName: Uint8Array;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly offset: number;
}

/** Reads fields of one block, with errors that name the entry and its offset. */
export class FieldReader {
  readonly #block: Uint8Array;
  readonly #offset: number;
  #entry = '';

  constructor(block: Uint8Array, offset: number, entry = '') {
    this.#block = block;
    this.#offset = offset;
    this.#entry = entry;
  }

  fail(detail: string): never {
    throw tarError(this.#entry, this.#offset, detail);
  }

  name(entry: Uint8Array): void {
    this.#entry = decodeUtf8(entry);
  }

  /** Up to the first NUL, copied. */
  text(start: number, length: number): Uint8Array {
    const field = this.#block.subarray(start, start + length);
    const end = field.indexOf(0);
    return field.slice(0, end < 0 ? length : end);
  }

  /** Octal text, or base-256 with the top bit set. An empty field is 0. */
  number(start: number, length: number, what: string, least = 0): number {
    const first = this.#block[start] ?? 0;
    const value = (first & 0x80) === 0 ? this.#octal(start, length, what) : this.#base256(start, length, what);
    if (value < least) this.fail(`${what} is ${String(value)}`);
    return value;
  }

  #octal(start: number, length: number, what: string): number {
    let index = start;
    const end = start + length;
    while (index < end && this.#block[index] === 0x20) index += 1;
    let value = 0;
    for (; index < end; index += 1) {
      const digit = (this.#block[index] ?? 0) - 0x30;
      if (digit < 0 || digit > 7) break;
      value = value * 8 + digit;
    }
    for (; index < end; index += 1) {
      const byte = this.#block[index];
      if (byte !== 0 && byte !== 0x20) this.fail(`${what} is no octal number`);
      if (byte === 0) break;
    }
    return value;
  }

  #base256(start: number, length: number, what: string): number {
    const first = this.#block[start] ?? 0;
    const negative = (first & 0x40) !== 0;
    let value = BigInt(negative ? (first & 0x7f) - 0x80 : first & 0x7f);
    for (let index = start + 1; index < start + length; index += 1) value = value * 256n + BigInt(this.#block[index] ?? 0);
    if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER)) this.fail(`${what} is too large`);
    return Number(value);
  }
}

export function isZeroBlock(block: Uint8Array): boolean {
  for (let index = 0; index < BLOCK; index += 1) if (block[index] !== 0) return false;
  return true;
}

export function parseHeader(block: Uint8Array, offset: number): RawHeader {
  const fields = new FieldReader(block, offset);
  checkSum(block, fields);
  const format = formatOf(block, fields);
  const name = nameOf(block, fields, format);
  fields.name(name);
  const typeflag = String.fromCharCode(block[156] ?? 0);
  // Read for every type: other readers refuse an entry for a bad number here, and some then take it for the archive's end.
  const [devMajor, devMinor] = format === 'v7' ? [0, 0] : [fields.number(329, 8, 'device major'), fields.number(337, 8, 'device minor')];
  return {
    typeflag,
    format,
    name,
    linkName: fields.text(157, 100),
    mode: fields.number(100, 8, 'mode') & 0o7777,
    uid: fields.number(108, 8, 'uid'),
    gid: fields.number(116, 8, 'gid'),
    size: fields.number(124, 12, 'size'),
    mtime: fields.number(136, 12, 'mtime', Number.MIN_SAFE_INTEGER),
    devMajor,
    devMinor,
    offset,
  };
}

/** Old writers summed signed bytes; both sums are known to be in use. */
function checkSum(block: Uint8Array, fields: FieldReader): void {
  let unsigned = 8 * 0x20;
  let signed = 8 * 0x20;
  for (let index = 0; index < BLOCK; index += 1) {
    if (index >= 148 && index < 156) continue;
    const byte = block[index] ?? 0;
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const stored = fields.number(148, 8, 'checksum');
  if (stored !== unsigned && stored !== signed) fields.fail(`wrong checksum: found ${String(stored)}, computed ${String(unsigned)}`);
}

function formatOf(block: Uint8Array, fields: FieldReader): RawHeader['format'] {
  const magic = String.fromCharCode(...block.subarray(257, 265));
  if (magic.startsWith('ustar\0')) return 'ustar';
  if (magic === 'ustar  \0') return 'gnu';
  if (magic === '\0\0\0\0\0\0\0\0') return 'v7';
  return fields.fail(`unknown tar format ${JSON.stringify(magic)}`);
}

function nameOf(block: Uint8Array, fields: FieldReader, format: RawHeader['format']): Uint8Array {
  const name = fields.text(0, 100);
  if (format !== 'ustar') return name;
  // star keeps two times in the last part of the prefix and says so with "tar" at the end.
  const star = String.fromCharCode(...block.subarray(508, 512)) === 'tar\0';
  const prefix = fields.text(345, star ? 131 : 155);
  if (prefix.length === 0) return name;
  const joined = new Uint8Array(prefix.length + 1 + name.length);
  joined.set(prefix);
  joined[prefix.length] = 0x2f;
  joined.set(name, prefix.length + 1);
  return joined;
}

export interface GnuSparsePart {
  readonly extents: SparseExtent[];
  readonly more: boolean;
}

/** The sparse map inside an old GNU `S` header (`start` 386, 4 pairs) or one of its extension blocks (`start` 0, 21 pairs). */
export function parseGnuSparse(fields: FieldReader, extension: boolean): GnuSparsePart {
  const start = extension ? 0 : 386;
  const count = extension ? 21 : 4;
  const extents: SparseExtent[] = [];
  for (let index = 0; index < count; index += 1) {
    const at = start + index * 24;
    if (fields.text(at, 1).length === 0 && fields.text(at + 12, 1).length === 0) break;
    extents.push({ offset: fields.number(at, 12, 'sparse offset'), length: fields.number(at + 12, 12, 'sparse length') });
  }
  return { extents, more: fields.text(extension ? 504 : 482, 1).length > 0 };
}
