/** Writes tar headers: ustar, with a PAX header before it where ustar has no room. G2: no names of owners, whole seconds unless asked. */
import { encodeUtf8, fromByteString } from './bytes.ts';
import { BLOCK } from './tar-header.ts';
import type { TarEntryType, TarTime } from './tar-types.ts';

export interface TarWriteEntry {
  readonly type: TarEntryType;
  /** A byte string (see bytes.ts). Directories get their "/" at the end from the caller. */
  readonly name: string;
  readonly linkName?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly mtime?: TarTime;
  readonly devMajor?: number;
  readonly devMinor?: number;
  /** Names are byte strings. */
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

export const TYPEFLAGS: Readonly<Record<TarEntryType, string>> = { file: '0', hardlink: '1', symlink: '2', char: '3', block: '4', directory: '5', fifo: '6' };

/** The header blocks of one entry. For a file, its data and `tarPadding(size)` follow. */
export function tarHeader(entry: TarWriteEntry): Uint8Array {
  const records = paxRecords(entry);
  const main = headerBlock(entry, TYPEFLAGS[entry.type]);
  if (records.length === 0) return main;
  const payload = joinBytes(records);
  const pax = headerBlock({ type: 'file', name: `PaxHeaders.0/${entry.name.slice(-80)}`, mode: 0o644, size: payload.length }, 'x');
  return joinBytes([pax, payload, tarPadding(payload.length), main]);
}

/** Zeros up to the next block. */
export const tarPadding = (size: number): Uint8Array => new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);

/** The end mark: two blocks of zeros. */
export const tarEnd = (): Uint8Array => new Uint8Array(2 * BLOCK);

/** A whole entry with its data. */
export function tarEntry(entry: Omit<TarWriteEntry, 'size'>, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  return joinBytes([tarHeader({ ...entry, size: data.length }), data, tarPadding(data.length)]);
}

export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** One header block, as it is told: also for tests that need an odd one. */
export function headerBlock(entry: TarWriteEntry, typeflag: string): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const text = (value: string, start: number, length: number): void => block.set(fromByteString(value).subarray(0, length), start);
  const octal = (value: number, start: number, length: number): void => text(fitsOctal(value, length) ? value.toString(8).padStart(length - 1, '0') : '0'.repeat(length - 1), start, length);
  const { name, prefix } = splitName(entry.name) ?? { name: entry.name, prefix: '' };
  text(name, 0, 100);
  octal(entry.mode ?? 0, 100, 8);
  octal(entry.uid ?? 0, 108, 8);
  octal(entry.gid ?? 0, 116, 8);
  octal(entry.size ?? 0, 124, 12);
  octal(entry.mtime?.seconds ?? 0, 136, 12);
  text(typeflag, 156, 1);
  text(entry.linkName ?? '', 157, 100);
  text('ustar\x0000', 257, 8);
  octal(entry.devMajor ?? 0, 329, 8);
  octal(entry.devMinor ?? 0, 337, 8);
  text(prefix, 345, 155);
  sealHeader(block);
  return block;
}

/** Sets the checksum of a header block. */
export function sealHeader(block: Uint8Array): void {
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.set(fromByteString(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
}

const fitsOctal = (value: number, length: number): boolean => value >= 0 && value < 8 ** (length - 1);

function splitName(name: string): { name: string; prefix: string } | undefined {
  if (name.length <= 100) return { name, prefix: '' };
  const slash = name.indexOf('/', name.length - 101);
  return slash < 1 || slash > 155 || slash === name.length - 1 ? undefined : { name: name.slice(slash + 1), prefix: name.slice(0, slash) };
}

function paxRecords(entry: TarWriteEntry): Uint8Array[] {
  const records: Uint8Array[] = [];
  const add = (key: string, value: Uint8Array): void => void records.push(paxRecord(key, value));
  const ascii = (value: string): boolean => !/[^\x20-\x7e]/.test(value);
  if (splitName(entry.name) === undefined || !ascii(entry.name)) add('path', fromByteString(entry.name));
  const link = entry.linkName ?? '';
  if (link.length > 100 || !ascii(link)) add('linkpath', fromByteString(link));
  if (!fitsOctal(entry.uid ?? 0, 8)) add('uid', encodeUtf8(String(entry.uid)));
  if (!fitsOctal(entry.gid ?? 0, 8)) add('gid', encodeUtf8(String(entry.gid)));
  if (!fitsOctal(entry.size ?? 0, 12)) add('size', encodeUtf8(String(entry.size)));
  const { seconds, nanoseconds } = entry.mtime ?? { seconds: 0, nanoseconds: 0 };
  if (!fitsOctal(seconds, 12) || nanoseconds !== 0) add('mtime', encodeUtf8(paxTime(seconds, nanoseconds)));
  for (const [name, value] of entry.xattrs ?? []) add(`SCHILY.xattr.${name}`, value);
  return records;
}

function paxTime(seconds: number, nanoseconds: number): string {
  const digits = (value: number): string => (value === 0 ? '' : `.${String(value).padStart(9, '0')}`);
  if (seconds >= 0 || nanoseconds === 0) return `${String(seconds)}${digits(nanoseconds)}`;
  return `-${String(-seconds - 1)}${digits(1e9 - nanoseconds)}`;
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. `key` is a byte string. */
export function paxRecord(key: string, value: Uint8Array): Uint8Array {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return joinBytes([fromByteString(`${String(length)} ${key}=`), value, Uint8Array.of(0x0a)]);
}
