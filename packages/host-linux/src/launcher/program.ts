/**
 * Builds a syscall program: records and the data beside them, in one block of memory. Addresses are filled in when it is known
 * where the block lies, so the same program works in mapped memory and in a static ELF file. Layout of a record: asm/launcher-x64.S.
 */
import { assert } from '@tsc-box/model';

export const RECORD_BYTES = 88;
const WORD = 8;
const [ARGS_AT, STORE_AT, CONTROL_AT, NEXT_AT, FAIL_AT] = [8, 56, 64, 72, 80];

/** A place in the program's data. */
export interface Ref {
  readonly data: number;
}

export interface RefAt {
  readonly ref: Ref;
  readonly offset: number;
}

/** A record that need not be there yet. */
export interface Label {
  readonly label: number;
}

/** A value, the address of data, or the 64-bit word that lies at an address when the record is run. */
export type Arg = number | bigint | Ref | RefAt | { readonly load: Ref | RefAt };

export interface RecordFields {
  /** System call number, or a negative pseudo-operation. */
  readonly nr: number;
  readonly args: readonly Arg[];
  readonly store?: Ref | RefAt;
  readonly next?: Label;
  readonly fail?: Label;
  /** Only this errno takes `fail`; any other is reported. */
  readonly errno?: number;
}

export interface Program {
  /** Two words that the launcher fills with errno and record of a failure; then that of the record to go on with, if any. */
  readonly report: Ref;
  /** The first record. */
  readonly first: Label;
  /** A word of data, zero at first. */
  slot(name: string): Ref;
  /** A NUL-terminated string. Equal ones are kept once. */
  cstring(text: string): Ref;
  /** Data of its own; `align` is 1, 2, 4 or 8. */
  bytes(bytes: Uint8Array, align?: number): Ref;
  /** 64-bit words, addresses among them, and a zero word after the last. */
  pointers(words: readonly (number | bigint | Ref)[]): Ref;
  record(fields: RecordFields): void;
  /** Adds a record that copies a value to a place in the data. */
  copy(value: Arg, to: RefAt): void;
  label(): Label;
  /** The label means the record that is added next. */
  place(label: Label): void;
  /** A failure that no record waits for goes on here, once it is in `report`. What follows must not fail. */
  handleReport(label: Label): void;
  /** No more records or data after this. `size` in bytes. */
  finish(): { readonly size: number };
  write(base: number, block: Uint8Array): void;
  offsetOf(ref: Ref): number;
  /** Address of the first record, or of the one that a label means. */
  entryAddress(base: number, label?: Label): number;
  /** Bytes of records, which come before the data. */
  recordBytes(): number;
  addressOf(base: number, ref: Ref): number;
  /** Index of the record at an address. Counts every record, those of `copy` too. */
  recordIndexAt(base: number, address: number): number;
}

const COPY = -5;

/** An empty program. Add data and records, `finish`, map memory of that size, `write`. */
export function createProgram(): Program {
  const records = createArea();
  const data = createArea();
  const strings = new Map<string, Ref>();
  /** [area, position, data offset]: places that hold addresses. */
  const addresses: (readonly [Area, number, number])[] = [];
  const jumps: (readonly [area: Area, position: number, label: number])[] = [];
  const labels: (number | undefined)[] = [0];
  let recordBytes = -1;

  const bytes = (content: Uint8Array, align = 1): Ref => {
    const at = data.reserve(content.length, align);
    data.buffer.set(content, at);
    return { data: at };
  };
  const put = (area: Area, position: number, value: number | bigint | Ref | RefAt): void => {
    if (typeof value === 'number') area.number(position, value);
    else if (typeof value === 'bigint') area.buffer.writeBigUInt64LE(BigInt.asUintN(64, value), position);
    else addresses.push([area, position, 'ref' in value ? value.ref.data + value.offset : value.data]);
  };
  const record = (fields: RecordFields): void => {
    const at = records.reserve(RECORD_BYTES, WORD);
    records.number(at, fields.nr);
    let control = (fields.errno ?? 0) * 0x10000;
    fields.args.forEach((arg, index) => {
      const loaded = typeof arg === 'object' && 'load' in arg;
      if (loaded) control += 1 << index;
      put(records, at + ARGS_AT + index * WORD, loaded ? arg.load : arg);
    });
    if (fields.store !== undefined) put(records, at + STORE_AT, fields.store);
    records.number(at + CONTROL_AT, control);
    if (fields.next !== undefined) jumps.push([records, at + NEXT_AT, fields.next.label]);
    if (fields.fail !== undefined) jumps.push([records, at + FAIL_AT, fields.fail.label]);
  };

  const report = bytes(new Uint8Array(3 * WORD), WORD);

  return {
    report,
    first: { label: 0 },
    slot: () => bytes(new Uint8Array(WORD), WORD),
    bytes,
    cstring(text) {
      let ref = strings.get(text);
      if (ref === undefined) {
        const length = Buffer.byteLength(text);
        const at = data.reserve(length + 1, 1);
        data.buffer.write(text, at, 'utf8');
        strings.set(text, (ref = { data: at }));
      }
      return ref;
    },
    pointers(words) {
      const at = data.reserve((words.length + 1) * WORD, WORD);
      words.forEach((word, index) => put(data, at + index * WORD, word));
      return { data: at };
    },
    record,
    copy: (value, to) => record({ nr: COPY, args: [value], store: to }),
    label() {
      labels.push(undefined);
      return { label: labels.length - 1 };
    },
    place({ label }) {
      assert(labels[label] === undefined, 'a label is placed once');
      labels[label] = records.length;
    },
    handleReport: ({ label }) => void jumps.push([data, report.data + 2 * WORD, label]),
    finish() {
      recordBytes = records.length;
      return { size: recordBytes + data.length };
    },
    write(base, block) {
      for (const [area, position, offset] of addresses) area.number(position, base + recordBytes + offset);
      for (const [area, position, label] of jumps) {
        const target = labels[label];
        assert(target !== undefined && target < recordBytes, 'a jump leads to a record');
        area.number(position, base + target);
      }
      block.set(records.buffer.subarray(0, recordBytes), 0);
      block.set(data.buffer.subarray(0, data.length), recordBytes);
    },
    offsetOf: ({ data: offset }) => recordBytes + offset,
    entryAddress: (base, label) => base + (label === undefined ? 0 : (labels[label.label] ?? 0)),
    recordBytes: () => recordBytes,
    addressOf: (base, { data: offset }) => base + recordBytes + offset,
    recordIndexAt: (base, address) => (address - base) / RECORD_BYTES,
  };
}

interface Area {
  buffer: Buffer;
  length: number;
  /** Zeroed bytes at the end; returns where they begin. */
  reserve(size: number, align: number): number;
  /** A 64-bit word at a multiple of 8. Exact for integers between -2^53 and 2^53. */
  number(position: number, value: number): void;
}

const AREA_BYTES = 32768;
const TWO_32 = 2 ** 32;

/** Numbers are stored through an array of 32-bit words: Buffer's own methods check so much that a launch from cold would take twice as long. */
function createArea(): Area {
  let halves = new Uint32Array(AREA_BYTES / 4);
  const area: Area = {
    buffer: Buffer.from(halves.buffer),
    length: 0,
    reserve(size, align) {
      const at = (area.length + align - 1) & -align;
      area.length = at + size;
      if (area.length > area.buffer.length) {
        const larger = new Uint32Array(Math.max(area.length, area.buffer.length * 2) / 4 + 1);
        larger.set(halves);
        halves = larger;
        area.buffer = Buffer.from(halves.buffer);
      }
      return at;
    },
    number(position, value) {
      if (value === 0) return;
      const index = position >>> 2;
      halves[index] = value;
      halves[index + 1] = value > 0 && value < TWO_32 ? 0 : Math.floor(value / TWO_32);
    },
  };
  return area;
}
