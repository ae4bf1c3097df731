/**
 * Incremental, strict tar reader on bytes: v7, ustar, PAX, GNU long names, base-256 numbers, sparse (GNU `S`, PAX 1.0).
 * Any doubt is an error with the entry's name and offset: archives that two readers read differently are an attack.
 */
import { decodeUtf8, toByteString } from './bytes.ts';
import { BLOCK, FieldReader, isZeroBlock, parseGnuSparse, parseHeader, type RawHeader } from './tar-header.ts';
import { checkGlobalPax, checkSparse, parsePax, parseSparseMap, PaxFields, type PaxRecords } from './tar-pax.ts';
import { DEFAULT_TAR_LIMITS, tarError, type SparseExtent, type TarEntry, type TarEntryType, type TarLimits } from './tar-types.ts';

export interface TarHandler {
  entry(entry: TarEntry): void;
  /** File data, in rising order. `position` is where it belongs in the file; holes are never reported. */
  data?(bytes: Uint8Array, position: number): void;
  /** After the last data of an entry. */
  end?(entry: TarEntry): void;
}

type State = 'header' | 'payload' | 'gnuSparse' | 'sparseMap' | 'data' | 'padding' | 'trailer';

interface Pending {
  readonly header: RawHeader;
  readonly name: Uint8Array;
  readonly fields: PaxFields;
  readonly text: string;
  /** Bytes of the archive that belong to it, sparse map included. */
  readonly stored: number;
  size: number;
  extents: SparseExtent[] | undefined;
}

const TYPES: Readonly<Record<string, TarEntryType>> = { '\0': 'file', '0': 'file', '7': 'file', '1': 'hardlink', '2': 'symlink', '3': 'char', '4': 'block', '5': 'directory', '6': 'fifo' };
const SLASH = 0x2f;

export class TarReader {
  readonly #handler: TarHandler;
  readonly #limits: TarLimits;
  #state: State = 'header';
  /** Of the next byte to come. */
  #offset = 0;
  #entries = 0;
  #zeroBlocks = 0;
  readonly #block = new Uint8Array(BLOCK);
  #filled = 0;
  #payload = new Uint8Array(0);
  #payloadFilled = 0;
  #payloadHeader: RawHeader | undefined;
  #records: PaxRecords = new Map();
  #longName: Uint8Array | undefined;
  #longLink: Uint8Array | undefined;
  /** Offset of the first x, L or K header of the next entry. */
  #metadataOffset: number | undefined;
  #pending: Pending | undefined;
  #mapText = '';
  #mapLines = 0;
  #entry: TarEntry | undefined;
  #extents: readonly SparseExtent[] = [];
  #extent = 0;
  #extentDone = 0;
  #remaining = 0;
  #padding = 0;

  constructor(handler: TarHandler, limits: Partial<TarLimits> = {}) {
    this.#handler = handler;
    this.#limits = { ...DEFAULT_TAR_LIMITS, ...limits };
  }

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const used = this.#consume(chunk, at);
      at += used;
      this.#offset += used;
      this.#settle();
    }
  }

  /** How many of the next bytes are data that can be left out with `skip`. */
  get skippable(): number {
    return this.#state === 'data' ? this.#remaining : 0;
  }

  /** Goes on as if these data bytes had been pushed, without reporting them. */
  skip(bytes: number): void {
    if (bytes > this.skippable) throw tarError('', this.#offset, `can't skip ${String(bytes)} bytes here`);
    this.#remaining -= bytes;
    this.#offset += bytes;
    this.#settle();
  }

  /** Call it when the archive has ended. */
  end(): void {
    const open = this.#entry ?? this.#pending;
    const name = open === undefined ? '' : decodeUtf8(open.name);
    const whole = this.#state === 'header' || this.#state === 'trailer' || (this.#state === 'padding' && !this.#limits.endMark);
    if (!whole) throw tarError(name, this.#offset, 'the archive is cut off inside this entry');
    if (this.#filled > 0) throw tarError('', this.#offset, 'the archive is cut off inside a block');
    if (this.#metadataOffset !== undefined) throw tarError('', this.#metadataOffset, 'an extended header without an entry');
    // No bytes at all is how some builders write an empty layer.
    if (this.#limits.endMark && this.#zeroBlocks === 0 && this.#offset > 0) throw tarError('', this.#offset, 'the archive has no end mark: it is cut off');
  }

  #consume(chunk: Uint8Array, at: number): number {
    const available = chunk.length - at;
    switch (this.#state) {
      case 'data':
        return this.#takeData(chunk.subarray(at, at + Math.min(available, this.#dataRun())));
      case 'padding': {
        const used = Math.min(available, this.#padding);
        this.#padding -= used;
        return used;
      }
      case 'payload': {
        const used = Math.min(available, this.#payload.length - this.#payloadFilled);
        this.#payload.set(chunk.subarray(at, at + used), this.#payloadFilled);
        this.#payloadFilled += used;
        return used;
      }
      default:
        return this.#consumeBlock(chunk, at, available);
    }
  }

  #consumeBlock(chunk: Uint8Array, at: number, available: number): number {
    if (this.#filled === 0 && available >= BLOCK) {
      this.#takeBlock(chunk.subarray(at, at + BLOCK), this.#offset);
      return BLOCK;
    }
    const used = Math.min(available, BLOCK - this.#filled);
    this.#block.set(chunk.subarray(at, at + used), this.#filled);
    this.#filled += used;
    if (this.#filled === BLOCK) {
      this.#filled = 0;
      this.#takeBlock(this.#block, this.#offset + used - BLOCK);
    }
    return used;
  }

  /** Moves on from states that have all their bytes. */
  #settle(): void {
    if (this.#state === 'payload' && this.#payloadFilled === this.#payload.length) this.#takePayload();
    if (this.#state === 'data' && this.#remaining === 0) {
      const entry = this.#entry;
      this.#entry = undefined;
      this.#state = 'padding';
      if (entry !== undefined) this.#handler.end?.(entry);
    }
    if (this.#state === 'padding' && this.#padding === 0) this.#state = 'header';
  }

  #takeBlock(block: Uint8Array, offset: number): void {
    if (this.#state === 'gnuSparse') this.#takeGnuSparse(block, offset);
    else if (this.#state === 'sparseMap') this.#takeSparseMap(block, offset);
    else if (isZeroBlock(block)) this.#takeZeroBlock(offset);
    else if (this.#zeroBlocks > 0) throw tarError('', offset, 'data after the end mark of the archive');
    else this.#takeHeader(parseHeader(block, offset), block);
  }

  #takeZeroBlock(offset: number): void {
    if (this.#metadataOffset !== undefined) throw tarError('', offset, 'an extended header without an entry');
    this.#zeroBlocks += 1;
    if (this.#zeroBlocks === 2) this.#state = 'trailer';
  }

  #takeHeader(header: RawHeader, block: Uint8Array): void {
    if ('xgLK'.includes(header.typeflag)) return this.#startPayload(header);
    const type = TYPES[header.typeflag];
    if (type === undefined && header.typeflag !== 'S') throw tarError(decodeUtf8(header.name), header.offset, `unknown entry type ${JSON.stringify(header.typeflag)}`);
    this.#entries += 1;
    if (this.#entries > this.#limits.entries) throw tarError('', header.offset, `more than ${String(this.#limits.entries)} entries`);
    const pending = this.#describe(header);
    this.#pending = pending;
    if (header.typeflag === 'S') {
      pending.size = new FieldReader(block, header.offset, pending.text).number(483, 12, 'real size');
      pending.extents = [];
      this.#takeGnuSparse(block, header.offset);
    } else if (type === 'file' && pending.fields.isSparse()) {
      this.#mapText = '';
      this.#mapLines = 0;
      this.#state = 'sparseMap';
    } else {
      this.#startEntry(type ?? 'file', pending, header.offset + BLOCK, pending.stored);
    }
  }

  #startPayload(header: RawHeader): void {
    const { size } = header;
    if (size > this.#limits.metadataBytes) throw tarError(decodeUtf8(header.name), header.offset, `an extended header of ${String(size)} bytes, allowed: ${String(this.#limits.metadataBytes)}`);
    if (header.typeflag !== 'g') this.#metadataOffset ??= header.offset;
    this.#payloadHeader = header;
    this.#payload = new Uint8Array(size);
    this.#payloadFilled = 0;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
    this.#state = 'payload';
  }

  #takePayload(): void {
    const header = this.#payloadHeader;
    if (header === undefined) return;
    this.#payloadHeader = undefined;
    this.#state = 'padding';
    const { typeflag, offset } = header;
    if (typeflag === 'x' || typeflag === 'g') {
      const records = parsePax(this.#payload, decodeUtf8(header.name), offset);
      if (typeflag === 'g') checkGlobalPax(records, offset);
      else for (const [key, value] of records) this.#records.set(key, value);
      return;
    }
    const end = this.#payload.indexOf(0);
    const text = this.#payload.slice(0, end < 0 ? this.#payload.length : end);
    if (this.#payload.subarray(text.length).some((byte) => byte !== 0)) throw tarError(decodeUtf8(text), offset, 'a long name with a NUL inside');
    if (typeflag === 'L') this.#longName = text;
    else this.#longLink = text;
  }

  #describe(header: RawHeader): Pending {
    const text = decodeUtf8(this.#records.get('path') ?? this.#longName ?? header.name);
    const fields = new PaxFields(this.#records, text, header.offset);
    const sparse = header.typeflag === 'S' ? header.typeflag : fields.has('GNU.sparse.name') ? 'pax' : '';
    const name = (sparse === 'pax' ? fields.bytes('GNU.sparse.name') : undefined) ?? fields.bytes('path') ?? this.#longName ?? header.name;
    if (name.length === 0) throw tarError('', header.offset, 'an entry without a name');
    if (name.includes(0)) throw tarError(decodeUtf8(name), header.offset, 'a name with a NUL inside');
    if (header.typeflag === 'S' && [...this.#records.keys()].some((key) => key.startsWith('GNU.sparse.'))) throw tarError(text, header.offset, 'two sparse formats in one entry');
    const stored = fields.number('size') ?? header.size;
    const size = fields.number('GNU.sparse.realsize') ?? stored;
    return { header, name, fields, text: decodeUtf8(name), stored, size, extents: undefined };
  }

  #takeGnuSparse(block: Uint8Array, offset: number): void {
    const pending = this.#pending;
    if (pending?.extents === undefined) return;
    const part = parseGnuSparse(new FieldReader(block, offset, pending.text), this.#state === 'gnuSparse');
    pending.extents.push(...part.extents);
    if (pending.extents.length * 24 > this.#limits.metadataBytes) throw tarError(pending.text, offset, 'the sparse map is too long');
    if (part.more) this.#state = 'gnuSparse';
    else this.#startEntry('file', pending, offset + BLOCK, pending.stored);
  }

  #takeSparseMap(block: Uint8Array, offset: number): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    const fail = (detail: string): never => {
      throw tarError(pending.text, offset, detail);
    };
    this.#mapText += toByteString(block);
    for (const byte of block) if (byte === 0x0a) this.#mapLines += 1;
    const used = offset - pending.header.offset;
    if (used > pending.stored || used > this.#limits.metadataBytes) fail('the sparse map is too long');
    const count = Number(/^([0-9]{1,15})\n/.exec(this.#mapText)?.[1] ?? NaN);
    if (Number.isNaN(count)) fail('the sparse map has no length');
    if (this.#mapLines < 1 + 2 * count) return;
    const extents = parseSparseMap(this.#mapText, fail);
    if (extents === undefined) return;
    pending.extents = extents;
    this.#startEntry('file', pending, offset + BLOCK, pending.stored - used);
  }

  #startEntry(type: TarEntryType, pending: Pending, dataOffset: number, stored: number): void {
    const { header, fields, text } = pending;
    const plainFile = header.typeflag === '0' || header.typeflag === '7';
    const slash = pending.name.at(-1) === SLASH;
    if (slash && plainFile) throw tarError(text, header.offset, 'a file whose name ends in "/"');
    const actual = slash && type === 'file' ? 'directory' : type;
    // T8: what is no file has no data, whatever its header says.
    const storedSize = actual === 'file' ? stored : 0;
    const size = actual === 'file' ? pending.size : 0;
    if (pending.extents !== undefined) this.#extents = checkSparse(pending.extents, size, storedSize, text, header.offset);
    else this.#extents = storedSize === 0 ? [] : [{ offset: 0, length: storedSize }];
    if (pending.extents === undefined && size !== storedSize) throw tarError(text, header.offset, 'a real size without a sparse map');
    const entry = this.#build(actual, pending, size, dataOffset, storedSize, fields);
    this.#forgetMetadata();
    this.#extent = 0;
    this.#extentDone = 0;
    this.#remaining = storedSize;
    this.#padding = (BLOCK - (storedSize % BLOCK)) % BLOCK;
    this.#entry = entry;
    this.#state = 'data';
    this.#handler.entry(entry);
  }

  #build(type: TarEntryType, pending: Pending, size: number, dataOffset: number, storedSize: number, fields: PaxFields): TarEntry {
    const { header, name, extents, text } = pending;
    const isLink = type === 'hardlink' || type === 'symlink';
    const linkName = isLink ? (fields.bytes('linkpath') ?? this.#longLink ?? header.linkName) : new Uint8Array(0);
    if (isLink && (linkName.length === 0 || linkName.includes(0))) throw tarError(text, header.offset, 'a link without a proper target');
    const uid = fields.number('uid') ?? header.uid;
    const gid = fields.number('gid') ?? header.gid;
    if (uid > 0xfffffffe || gid > 0xfffffffe) throw tarError(text, header.offset, `owner ${String(uid)}:${String(gid)} is out of range`);
    const mtime = fields.time('mtime') ?? { seconds: header.mtime, nanoseconds: 0 };
    const offset = this.#metadataOffset ?? header.offset;
    const sparse = extents === undefined ? undefined : this.#extents;
    const device = type === 'char' || type === 'block';
    const devMajor = device ? (fields.number('SCHILY.devmajor') ?? header.devMajor) : 0;
    const devMinor = device ? (fields.number('SCHILY.devminor') ?? header.devMinor) : 0;
    return { type, name, linkName, mode: header.mode, uid, gid, size, mtime, atime: fields.time('atime'), devMajor, devMinor, xattrs: fields.xattrs(this.#limits), sparse, offset, dataOffset, storedSize };
  }

  #forgetMetadata(): void {
    this.#records = new Map();
    this.#longName = undefined;
    this.#longLink = undefined;
    this.#metadataOffset = undefined;
    this.#pending = undefined;
  }

  #dataRun(): number {
    const extent = this.#extents[this.#extent];
    return extent === undefined ? 0 : extent.length - this.#extentDone;
  }

  #takeData(bytes: Uint8Array): number {
    const extent = this.#extents[this.#extent];
    if (extent === undefined) return 0;
    this.#handler.data?.(bytes, extent.offset + this.#extentDone);
    this.#extentDone += bytes.length;
    this.#remaining -= bytes.length;
    if (this.#extentDone === extent.length) {
      this.#extent += 1;
      this.#extentDone = 0;
    }
    return bytes.length;
  }
}
