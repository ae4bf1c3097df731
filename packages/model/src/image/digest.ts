/** Digests of content: OCI image-spec 1.1 descriptor.md, "Digests". */
import { BoxError } from '../errors/box-error.ts';

export interface Digest {
  readonly algorithm: 'sha256' | 'sha512';
  /** Lower-case hexadecimal digits. */
  readonly hex: string;
}

const HEX_LENGTHS: Readonly<Record<string, number>> = { sha256: 64, sha512: 128 };

/** @throws BoxError ERR_TSCBOX_IMAGE_INVALID: only the two algorithms that the specification registers are accepted. */
export function parseDigest(text: string): Digest {
  const colon = text.indexOf(':');
  const algorithm = colon < 0 ? '' : text.slice(0, colon);
  const hex = text.slice(colon + 1);
  if (colon < 0) throw wrong(text, 'allowed: sha256:DIGITS or sha512:DIGITS');
  if (algorithm !== 'sha256' && algorithm !== 'sha512') throw wrong(text, 'allowed algorithms: sha256, sha512');
  if (hex.length !== HEX_LENGTHS[algorithm] || !/^[0-9a-f]*$/.test(hex)) throw wrong(text, `allowed: ${String(HEX_LENGTHS[algorithm])} lower-case hexadecimal digits after "${algorithm}:"`);
  return { algorithm, hex };
}

export function isDigest(text: string): boolean {
  return /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(text);
}

function wrong(text: string, allowed: string): BoxError {
  const shown = text.length > 160 ? `${text.slice(0, 157)}…` : text;
  return new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read the digest ${JSON.stringify(shown)}`, detail: `found the digest ${JSON.stringify(shown)}, ${allowed}` });
}
