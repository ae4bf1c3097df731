/** PAX extended headers: records `LENGTH KEY=VALUE\n`, values are bytes. */
import { decodeUtf8, toByteString } from './bytes.ts';
import { tarError, type SparseExtent, type TarLimits, type TarTime } from './tar-types.ts';

/** Keys are byte strings. */
export type PaxRecords = Map<string, Uint8Array>;

const XATTR = 'SCHILY.xattr.';

export function parsePax(payload: Uint8Array, entry: string, offset: number): PaxRecords {
  const records: PaxRecords = new Map();
  let position = 0;
  while (position < payload.length) {
    const space = payload.indexOf(0x20, position);
    const digits = space < 0 ? '' : toByteString(payload.subarray(position, Math.min(space, position + 10)));
    const length = /^[1-9][0-9]*$/.test(digits) && space - position === digits.length ? Number(digits) : 0;
    const end = position + length;
    const equals = payload.indexOf(0x3d, space);
    if (length === 0 || end > payload.length || payload[end - 1] !== 0x0a || equals < 0 || equals >= end || equals <= space + 1) {
      throw tarError(entry, offset, `malformed PAX record at byte ${String(position)} of the extended header`);
    }
    records.set(toByteString(payload.subarray(space + 1, equals)), payload.slice(equals + 1, end - 1));
    position = end;
  }
  return records;
}

/** A global header is ignored; one that would change what an entry is called or how long it is can't be. */
export function checkGlobalPax(records: PaxRecords, offset: number): void {
  for (const key of records.keys()) {
    if (key === 'path' || key === 'linkpath' || key === 'size' || key.startsWith('GNU.sparse.')) {
      throw tarError('', offset, `global PAX header sets ${key} for every entry`, 'tar readers differ on this: write the archive without it');
    }
  }
}

/** Typed access to the records that apply to one entry. An empty value means: as in the header. */
export class PaxFields {
  readonly #records: PaxRecords;
  readonly #entry: string;
  readonly #offset: number;

  constructor(records: PaxRecords, entry: string, offset: number) {
    this.#records = records;
    this.#entry = entry;
    this.#offset = offset;
  }

  has(key: string): boolean {
    return this.#records.has(key);
  }

  bytes(key: string): Uint8Array | undefined {
    const value = this.#records.get(key);
    return value === undefined || value.length === 0 ? undefined : value;
  }

  number(key: string): number | undefined {
    const value = this.bytes(key);
    if (value === undefined) return undefined;
    const text = toByteString(value);
    const number = Number(text);
    if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(number)) this.#fail(key, value);
    return number;
  }

  time(key: string): TarTime | undefined {
    const value = this.bytes(key);
    if (value === undefined) return undefined;
    const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(toByteString(value));
    if (match === null) return this.#fail(key, value);
    const nanoseconds = Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
    const seconds = Number(match[2]);
    if (match[1] === '') return { seconds, nanoseconds };
    return nanoseconds === 0 ? { seconds: 0 - seconds, nanoseconds } : { seconds: -seconds - 1, nanoseconds: 1e9 - nanoseconds };
  }

  xattrs(limits: TarLimits): Map<string, Uint8Array> {
    const found = new Map<string, Uint8Array>();
    for (const [key, value] of this.#records) {
      if (!key.startsWith(XATTR)) continue;
      const name = key.slice(XATTR.length);
      if (name === '' || name.length > 255 || name.includes('\0')) this.#fail(key, value);
      if (value.length > limits.xattrBytes) throw tarError(this.#entry, this.#offset, `extended attribute ${JSON.stringify(name)} has ${String(value.length)} bytes, allowed: ${String(limits.xattrBytes)}`);
      found.set(name, value);
    }
    return found;
  }

  /** True for sparse format 1.0; other PAX sparse formats are refused. */
  isSparse(): boolean {
    const keys = [...this.#records.keys()].filter((key) => key.startsWith('GNU.sparse.'));
    if (keys.length === 0) return false;
    const version = `${String(this.number('GNU.sparse.major') ?? 0)}.${String(this.number('GNU.sparse.minor') ?? 0)}`;
    if (version === '1.0') return true;
    throw tarError(this.#entry, this.#offset, `PAX sparse format ${version === '0.0' ? '0.0 or 0.1' : version} is not supported`, 'write the archive with --sparse-version=1.0, or without --sparse');
  }

  #fail(key: string, value: Uint8Array): never {
    throw tarError(this.#entry, this.#offset, `PAX record ${key} has the value ${JSON.stringify(decodeUtf8(value.subarray(0, 80)))}`);
  }
}

/** Checks a sparse map against both sizes. Extents must rise and not overlap. */
export function checkSparse(extents: readonly SparseExtent[], size: number, stored: number, entry: string, offset: number): readonly SparseExtent[] {
  let end = 0;
  let total = 0;
  for (const extent of extents) {
    if (extent.offset < end || extent.offset + extent.length > size) throw tarError(entry, offset, 'the sparse map overlaps itself or leaves the file');
    end = extent.offset + extent.length;
    total += extent.length;
  }
  if (total !== stored) throw tarError(entry, offset, `the sparse map covers ${String(total)} bytes, the archive holds ${String(stored)}`);
  return extents.filter((extent) => extent.length > 0);
}

/** Reads the text map at the start of a PAX 1.0 sparse file. Undefined: more blocks are needed. */
export function parseSparseMap(text: string, fail: (detail: string) => never): SparseExtent[] | undefined {
  const lines = text.split('\n');
  const rest = lines.pop();
  const numbers: number[] = [];
  const count = lines[0] === undefined ? undefined : decimal(lines[0], fail);
  if (count === undefined) return (rest ?? '').length > 20 ? fail('the sparse map has no length') : undefined;
  if (lines.length < 1 + 2 * count) return undefined;
  for (const line of lines.slice(1, 1 + 2 * count)) numbers.push(decimal(line, fail));
  return Array.from({ length: count }, (_, index) => ({ offset: numbers[2 * index] ?? 0, length: numbers[2 * index + 1] ?? 0 }));
}

function decimal(line: string, fail: (detail: string) => never): number {
  const value = Number(line);
  return /^[0-9]+$/.test(line) && Number.isSafeInteger(value) ? value : fail(`the sparse map holds ${JSON.stringify(line.slice(0, 40))}`);
}
