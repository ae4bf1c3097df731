import { BoxError } from '../errors/box-error.ts';

export type TarEntryType = 'file' | 'hardlink' | 'symlink' | 'char' | 'block' | 'directory' | 'fifo';

/** A time as tar has it: whole seconds since 1970, may be negative, and nanoseconds 0..999999999 after them. */
export interface TarTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** A run of data in a sparse file; the rest reads as zeros. */
export interface SparseExtent {
  readonly offset: number;
  readonly length: number;
}

export interface TarEntry {
  readonly type: TarEntryType;
  readonly name: Uint8Array;
  /** Target of a symbolic or hard link. */
  readonly linkName: Uint8Array;
  /** Permission bits with setuid, setgid and sticky: 0..0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Size of the file, holes included. 0 for all that is no file. */
  readonly size: number;
  readonly mtime: TarTime;
  readonly atime?: TarTime | undefined;
  readonly devMajor: number;
  readonly devMinor: number;
  /** Names are byte strings. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  readonly sparse?: readonly SparseExtent[] | undefined;
  /** Where the entry's header starts in the archive. */
  readonly offset: number;
  /** Where its data starts, and how many bytes of it the archive holds. */
  readonly dataOffset: number;
  readonly storedSize: number;
}

export interface TarLimits {
  /** Of one PAX header, long name or sparse map, in bytes. */
  readonly metadataBytes: number;
  readonly entries: number;
  /** Of one extended attribute, in bytes. */
  readonly xattrBytes: number;
  /** False: the archive may end after any entry's last byte, as those of `umoci insert` do. Only for bytes whose digest is verified. */
  readonly endMark: boolean;
}

export const DEFAULT_TAR_LIMITS: TarLimits = { metadataBytes: 1 << 20, entries: 2_000_000, xattrBytes: 1 << 16, endMark: true };

/** An archive that is wrong or ambiguous. Other readers could see other files in it, so it is never read around. */
export function tarError(entry: string, offset: number, detail: string, hint?: string): BoxError {
  const where = entry === '' ? `read the archive at byte ${String(offset)}` : `read entry ${JSON.stringify(entry)} at byte ${String(offset)} of the archive`;
  return new BoxError({ code: 'ERR_TSCBOX_LAYER_INVALID', attempted: where, detail, hint });
}
