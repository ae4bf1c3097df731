/** A stream that can be looked into before it is read. */
export class ByteInput {
  readonly #source: AsyncIterator<Uint8Array>;
  #waiting: Uint8Array[] = [];
  #length = 0;
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next bytes, fewer at the end. They stay. */
  async peek(bytes: number): Promise<Uint8Array> {
    while (this.#length < bytes && (await this.#pull())) continue;
    if (this.#waiting.length > 1) this.#waiting = [join(this.#waiting, this.#length)];
    return (this.#waiting[0] ?? new Uint8Array(0)).subarray(0, bytes);
  }

  /** At least one byte and no more than `bytesMax`; undefined at the end. */
  async next(bytesMax: number = Infinity): Promise<Uint8Array | undefined> {
    if (this.#length === 0 && !(await this.#pull())) return undefined;
    const [first = new Uint8Array(0), ...rest] = this.#waiting;
    const taken = first.subarray(0, bytesMax);
    this.#waiting = taken.length === first.length ? rest : [first.subarray(taken.length), ...rest];
    this.#length -= taken.length;
    return taken;
  }

  /** Exactly so many bytes in pieces; false where the stream is shorter. */
  async *take(bytes: number): AsyncGenerator<Uint8Array, boolean, undefined> {
    for (let left = bytes; left > 0; ) {
      const chunk = await this.next(left);
      if (chunk === undefined) return false;
      left -= chunk.length;
      yield chunk;
    }
    return true;
  }

  /** Leaving this early leaves the stream open. */
  async *rest(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const chunk = await this.next();
      if (chunk === undefined) return;
      yield chunk;
    }
  }

  async close(): Promise<void> {
    this.#ended = true;
    await this.#source.return?.();
  }

  async #pull(): Promise<boolean> {
    while (!this.#ended) {
      const { done, value } = await this.#source.next();
      if (done === true) this.#ended = true;
      else if (value.length > 0) {
        this.#waiting.push(value);
        this.#length += value.length;
        return true;
      }
    }
    return false;
  }
}

function join(parts: readonly Uint8Array[], length: number): Uint8Array {
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
