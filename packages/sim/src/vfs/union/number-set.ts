/** A set of small positive numbers as bits: copied and compared by the word. */
export class NumberSet {
  #words: Uint32Array;

  constructor(words: Uint32Array = new Uint32Array(64)) {
    this.#words = words;
  }

  has(number: number): boolean {
    return (((this.#words[number >>> 5] ?? 0) >>> (number & 31)) & 1) === 1;
  }

  add(number: number): void {
    const index = number >>> 5;
    if (index >= this.#words.length) {
      const wider = new Uint32Array(Math.max(index + 1, this.#words.length * 2));
      wider.set(this.#words);
      this.#words = wider;
    }
    this.#words[index] = (this.#words[index] ?? 0) | (1 << (number & 31));
  }

  delete(number: number): void {
    const index = number >>> 5;
    if (index < this.#words.length) this.#words[index] = (this.#words[index] ?? 0) & ~(1 << (number & 31));
  }

  copy(): NumberSet {
    return new NumberSet(this.#words.slice());
  }

  /** Numbers that are here and in none of `others`. */
  without(others: readonly NumberSet[]): number[] {
    const found: number[] = [];
    this.#words.forEach((word, index) => {
      let rest = word;
      for (const other of others) rest &= ~(other.#words[index] ?? 0);
      for (let bit = 0; rest !== 0; bit += 1, rest >>>= 1) if ((rest & 1) === 1) found.push(index * 32 + bit);
    });
    return found;
  }
}
