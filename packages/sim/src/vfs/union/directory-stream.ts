/** An open directory, as getdents64(2) reads it: rule D2. */
import type { UnionEntry } from './scratch.ts';
import type { Union } from './union.ts';

/**
 * A merged directory is listed once, at the first read: what comes later is not seen, what goes is still told. Another one
 * is read as it is. The node is the caller's to hold.
 */
export class DirectoryStream {
  readonly #union: Union;
  readonly #dir: number;
  #list: readonly UnionEntry[] | undefined;
  #given = new Set<string>();

  constructor(union: Union, dir: number) {
    this.#union = union;
    this.#dir = dir;
  }

  /** Up to `count` further entries; none at the end; -errno. */
  read(count: number): readonly UnionEntry[] | number {
    const merged = this.#union.stat(this.#dir).merged;
    const list = merged && this.#list !== undefined ? this.#list : this.#union.readdir(this.#dir);
    if (typeof list === 'number') return list;
    this.#list = list;
    const found: UnionEntry[] = [];
    for (const entry of list) {
      if (found.length === count) break;
      if (this.#given.has(entry.name)) continue;
      this.#given.add(entry.name);
      found.push(entry);
    }
    return found;
  }

  /** Starts again, with the list of now: lseek(2) to 0. */
  rewind(): void {
    this.#list = undefined;
    this.#given = new Set();
  }
}
