/** Reads and writes the WebAssembly's memory at its fixed places. Growing memory detaches the views: each use checks. */
import { BUFFER, H_FREED, PATH_A, PATH_B, STAT } from './abi.ts';
import type { UnionExports } from './wasm.ts';

/** Seconds since 1970, may be negative, and nanoseconds after them. */
export interface UnionTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** stat(2), with what a union has besides. */
export interface UnionStat {
  /** Handle of the mount: equal for all objects of one mount (I3). */
  readonly mount: number;
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** See `splitDevice`. */
  readonly rdev: number;
  readonly size: number;
  readonly atime: UnionTime;
  readonly mtime: UnionTime;
  readonly ctime: UnionTime;
  /** Its topmost object lies in a branch that is written to. */
  readonly upper: boolean;
  /** A directory of more than one branch. */
  readonly merged: boolean;
  /** It has no name any more. */
  readonly removed: boolean;
}

export interface UnionEntry {
  /** Byte string. */
  readonly name: string;
  readonly ino: number;
  /** With the file type; permissions are those of the topmost object. */
  readonly mode: number;
}

export class Scratch {
  readonly #exports: UnionExports;
  #bytes = new Uint8Array(0);
  #view: DataView<ArrayBuffer> = new DataView(new ArrayBuffer(0));
  #words = new Uint32Array(0);

  constructor(exports: UnionExports) {
    this.#exports = exports;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    if (this.#bytes.length === 0) this.#attach();
    return this.#bytes;
  }

  get view(): DataView<ArrayBuffer> {
    if (this.#bytes.length === 0) this.#attach();
    return this.#view;
  }

  #attach(): void {
    const { buffer } = this.#exports.memory;
    this.#bytes = new Uint8Array(buffer);
    this.#view = new DataView(buffer);
    this.#words = new Uint32Array(buffer);
  }

  /** A byte string of up to 4096 bytes. Its length. */
  putPath(text: string, place: number = PATH_A): number {
    const bytes = this.bytes;
    const length = text.length > 4097 ? 4097 : text.length;
    for (let index = 0; index < length; index += 1) bytes[place + index] = text.charCodeAt(index);
    return length;
  }

  putBuffer(data: Uint8Array): void {
    this.bytes.set(data, BUFFER);
  }

  takeBuffer(length: number): Uint8Array {
    return this.bytes.slice(BUFFER, BUFFER + length);
  }

  text(place: number, length: number): string {
    const bytes = this.bytes;
    let text = '';
    for (let index = place; index < place + length; index += 1) text += String.fromCharCode(bytes[index] ?? 0);
    return text;
  }

  target(length: number): string {
    return this.text(PATH_B, length);
  }

  word(place: number): number {
    if (this.#bytes.length === 0) this.#attach();
    return this.#words[place >>> 2] ?? 0;
  }

  hasFreed(): boolean {
    return this.word(H_FREED) !== 0;
  }

  time(seconds: number, nanoseconds: number): UnionTime {
    const view = this.view;
    return { seconds: view.getFloat64(STAT + seconds, true), nanoseconds: view.getUint32(STAT + nanoseconds, true) };
  }

  stat(): UnionStat {
    const view = this.view;
    const flags = view.getUint32(STAT + 28, true);
    return {
      mount: view.getUint32(STAT, true), ino: view.getUint32(STAT + 4, true), mode: view.getUint32(STAT + 8, true), nlink: view.getUint32(STAT + 12, true), uid: view.getUint32(STAT + 16, true), gid: view.getUint32(STAT + 20, true),
      rdev: view.getUint32(STAT + 24, true), size: view.getFloat64(STAT + 32, true), atime: this.time(40, 64), mtime: this.time(48, 68), ctime: this.time(56, 72), upper: (flags & 1) !== 0, merged: (flags & 2) !== 0, removed: (flags & 4) !== 0,
    };
  }

  /** Of the inode whose stat was last written. */
  dataNumber(): number {
    return this.word(STAT + 76);
  }

  /** NUL-ended names in the buffer. */
  names(length: number): string[] {
    const text = this.text(BUFFER, length);
    return text === '' ? [] : text.slice(0, -1).split('\0');
  }

  /** Entries that `readdir` wrote. */
  entries(count: number): UnionEntry[] {
    const found: UnionEntry[] = [];
    const view = this.view;
    let at = BUFFER;
    for (let index = 0; index < count; index += 1) {
      const length = view.getUint8(at + 8);
      found.push({ ino: view.getUint32(at, true), mode: view.getUint32(at + 4, true), name: this.text(at + 9, length) });
      at += 9 + length;
    }
    return found;
  }

  /** Names and inodes that `entryList` wrote. */
  layerEntries(count: number): { readonly name: string; readonly inode: number }[] {
    const found: { readonly name: string; readonly inode: number }[] = [];
    const view = this.view;
    let at = BUFFER;
    for (let index = 0; index < count; index += 1) {
      const length = view.getUint8(at + 4);
      found.push({ inode: view.getUint32(at, true), name: this.text(at + 5, length) });
      at += 5 + length;
    }
    return found;
  }
}
