/** Digests: OCI image-spec descriptor.md, "Digests". */
import { createHash, type Hash } from 'node:crypto';
import { BoxError } from '@tsc-box/model';
import type { JsonValue } from './shape.ts';

export interface Digest {
  readonly algorithm: 'sha256' | 'sha512';
  /** Lower case. */
  readonly hex: string;
}

export const formatDigest = ({ algorithm, hex }: Digest): string => `${algorithm}:${hex}`;

export function tryParseDigest(text: string): Digest | undefined {
  const match = /^(?:(sha256):([0-9a-f]{64})|(sha512):([0-9a-f]{128}))$/.exec(text);
  if (match === null) return undefined;
  return match[1] === undefined ? { algorithm: 'sha512', hex: match[4] ?? '' } : { algorithm: 'sha256', hex: match[2] ?? '' };
}

export function digestOf(value: JsonValue): Digest {
  return tryParseDigest(value.text()) ?? value.fail('sha256: and 64 hexadecimal digits, or sha512: and 128');
}

/** T12: ids of a layer on those below it: sha256("ChainID(n-1) DiffID(n)"). Hexadecimal digits. */
export function chainIds(diffIds: readonly Digest[]): string[] {
  let chain = '';
  return diffIds.map((diffId) => {
    const own = formatDigest(diffId);
    chain = chain === '' ? own : `sha256:${createHash('sha256').update(`${chain} ${own}`).digest('hex')}`;
    return chain.slice(chain.indexOf(':') + 1);
  });
}

/** Counts and hashes what flows through. */
export class Meter {
  readonly #hash: Hash;
  readonly #algorithm: Digest['algorithm'];
  bytes = 0;

  constructor(algorithm: Digest['algorithm']) {
    this.#algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  async *through(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of source) {
      this.bytes += chunk.length;
      this.#hash.update(chunk);
      yield chunk;
    }
  }

  /** Once, at the end. */
  digest(): Digest {
    return { algorithm: this.#algorithm, hex: this.#hash.digest('hex') };
  }
}

export function checkDigest(what: string, found: Digest, expected: Digest, path?: string): void {
  if (found.hex === expected.hex) return;
  throw new BoxError({ code: 'ERR_TSCBOX_DIGEST_MISMATCH', attempted: `verify ${what}`, detail: `found ${formatDigest(found)}, expected ${formatDigest(expected)}`, path, hint: 'the image is damaged or was changed: fetch it again' });
}

export function checkBytes(what: string, bytes: Uint8Array, expected: Digest, path?: string): void {
  checkDigest(what, { algorithm: expected.algorithm, hex: createHash(expected.algorithm).update(bytes).digest('hex') }, expected, path);
}
