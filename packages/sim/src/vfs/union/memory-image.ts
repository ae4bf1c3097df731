/**
 * Copies of linear memory. Most of it is the metadata of image layers, which never changes: a copy shares what equals the
 * last full one, and holds only the chunks that differ. Comparing is quicker than touching fresh pages of the host.
 */

const CHUNK_WORDS = 1024;

export interface MemoryImage {
  /** Length in words. */
  readonly words: number;
  readonly base: Int32Array;
  /** By index of the chunk. */
  readonly chunks: ReadonlyMap<number, Int32Array>;
}

export class MemoryImages {
  #base: Int32Array | undefined;

  take(memory: ArrayBuffer, end: number): MemoryImage {
    const words = (end + 3) >>> 2;
    const now = new Int32Array(memory, 0, words);
    const base = this.#base;
    const chunks = base === undefined ? undefined : changedChunks(now, base);
    if (base !== undefined && chunks !== undefined) return { words, base, chunks };
    const full = now.slice();
    this.#base = full;
    return { words, base: full, chunks: new Map() };
  }
}

/** Undefined when so much differs that a full copy is better. */
function changedChunks(now: Int32Array, base: Int32Array): Map<number, Int32Array> | undefined {
  const count = Math.ceil(now.length / CHUNK_WORDS);
  const chunks = new Map<number, Int32Array>();
  for (let index = 0; index < count; index += 1) {
    const start = index * CHUNK_WORDS;
    const end = Math.min(start + CHUNK_WORDS, now.length);
    if (end <= base.length && sameWords(now, base, start, end)) continue;
    chunks.set(index, now.slice(start, end));
    if (chunks.size > 64 && chunks.size * 4 > count) return undefined;
  }
  return chunks;
}

function sameWords(one: Int32Array, other: Int32Array, start: number, end: number): boolean {
  for (let index = start; index < end; index += 1) if (one[index] !== other[index]) return false;
  return true;
}

/** What lies beyond the image's end is free memory, and cleared when it is used. */
export function putImage({ words, base, chunks }: MemoryImage, memory: ArrayBuffer): void {
  const target = new Int32Array(memory, 0, words);
  target.set(base.length > words ? base.subarray(0, words) : base);
  for (const [index, chunk] of chunks) target.set(chunk, index * CHUNK_WORDS);
}
