/**
 * Which host file holds whose data. A number is written in place only while one inode has it and no snapshot does; else the
 * inode gets a file of its own first. Numbers are never used again, so that a restored machine finds its files.
 */
import type { AdoptedBytes, ByteStore } from './byte-store.ts';
import { NumberSet } from './number-set.ts';
import type { Scratch } from './scratch.ts';
import type { UnionExports } from './wasm.ts';

export interface DataSnapshot {
  readonly alive: NumberSet;
}

/** Beyond it a sparse file would fill the host's memory: EFBIG. */
export const FILE_SIZE_MAX: number = 2 ** 31;
const EFBIG = -27;

export class DataFiles {
  readonly #wasm: UnionExports;
  readonly #scratch: Scratch;
  readonly #store: ByteStore;
  readonly #snapshots = new Set<DataSnapshot>();
  #alive = new NumberSet();
  #next = 1;
  /** Numbers below belong to snapshots too. */
  #frozen = 0;

  constructor(wasm: UnionExports, scratch: Scratch, store: ByteStore) {
    this.#wasm = wasm;
    this.#scratch = scratch;
    this.#store = store;
  }

  #allocate(): number {
    const number = this.#next;
    this.#next += 1;
    this.#alive.add(number);
    return number;
  }

  /** The data of a layer's file, as it lies in the archive. */
  adopt(inode: number, bytes: AdoptedBytes, size: number): void {
    if (size === 0) return;
    const number = this.#allocate();
    this.#store.adopt(number, bytes);
    this.#wasm.inodeLoadData(inode, number, size);
  }

  read(number: number, size: number, target: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(target.length, size - position));
    if (length === 0) return 0;
    const part = target.subarray(0, length);
    // What lies beyond the file's own bytes is a hole.
    const got = number === 0 ? 0 : this.#store.read(number, part, position);
    if (got < length) part.fill(0, got);
    return length;
  }

  /** write(2) to a copied-up file of `size` bytes: the number of bytes, or -errno. */
  write(node: number, size: number, bytes: Uint8Array, position: number): number {
    const end = position + bytes.length;
    if (end > FILE_SIZE_MAX) return EFBIG;
    if (bytes.length === 0) return 0;
    const refused = this.#wasm.sizeAllowed(node, end);
    if (refused < 0) return refused;
    this.#store.write(this.#own(node, size), bytes, position);
    this.#wasm.dataWritten(node, Math.max(end, size));
    return bytes.length;
  }

  truncate(node: number, size: number, newSize: number): number {
    const refused = this.#wasm.sizeAllowed(node, newSize);
    if (refused < 0) return refused;
    const kept = Math.min(size, newSize);
    if (kept === 0) this.#wasm.dataReplace(node, 0);
    else if (newSize < size) this.#store.truncate(this.#own(node, kept), kept);
    this.#wasm.dataWritten(node, newSize);
    this.collect();
    return 0;
  }

  #own(node: number, size: number): number {
    const have = this.#wasm.dataOf(node);
    if (have !== 0 && have >= this.#frozen && this.#wasm.dataSharesOf(node) === 1 && !this.#store.isAdopted(have)) return have;
    const number = this.#allocate();
    if (have !== 0) this.#store.copy(have, number, size);
    this.#wasm.dataReplace(node, number);
    this.collect();
    return number;
  }

  /** Frees the files of data that no inode has any more. */
  collect(): void {
    if (!this.#scratch.hasFreed()) return;
    for (let number = this.#wasm.takeFreed(); number !== 0; number = this.#wasm.takeFreed()) {
      this.#alive.delete(number);
      if (!this.#isKept(number)) this.#store.remove(number);
    }
  }

  #isKept(number: number): boolean {
    for (const snapshot of this.#snapshots) if (snapshot.alive.has(number)) return true;
    return false;
  }

  snapshot(): DataSnapshot {
    this.collect();
    const snapshot: DataSnapshot = { alive: this.#alive.copy() };
    this.#snapshots.add(snapshot);
    this.#frozen = this.#next;
    return snapshot;
  }

  restore(snapshot: DataSnapshot): void {
    const before = this.#alive;
    this.#alive = snapshot.alive.copy();
    this.#frozen = this.#next;
    this.#removeUnused(before);
  }

  release(snapshot: DataSnapshot): void {
    this.#snapshots.delete(snapshot);
    if (this.#snapshots.size === 0) this.#frozen = 0;
    this.#removeUnused(snapshot.alive);
  }

  #removeUnused(numbers: NumberSet): void {
    const used = [this.#alive, ...[...this.#snapshots].map(({ alive }) => alive)];
    for (const number of numbers.without(used)) this.#store.remove(number);
  }
}
