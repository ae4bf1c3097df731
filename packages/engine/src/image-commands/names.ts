/** What a user calls a new image, as it is kept. */
import { familiarReference, formatReference, parseReference, UsageError } from '@tsc-box/model';

/** @throws BoxError where it is no name, or has a digest. */
export function wholeName(name: string): string {
  const reference = parseReference(name);
  if (reference.digest !== undefined) throw new UsageError({ attempted: `name an image ${JSON.stringify(familiarReference(reference))}`, detail: 'found a digest, allowed: NAME[:TAG]' });
  return formatReference(reference);
}
