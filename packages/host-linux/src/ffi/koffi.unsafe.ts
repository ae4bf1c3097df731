/** koffi, loaded at first use. */
import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';

let loaded: typeof Koffi | undefined;

/**
 * koffi's own entry spends over 10 ms on finding out which of its binaries fits; the package of this platform is tried first.
 */
export function koffi(): typeof Koffi {
  if (loaded !== undefined) return loaded;
  const require = createRequire(import.meta.url);
  try {
    loaded = createRequire(require.resolve('koffi'))(`@koromix/koffi-linux-${process.arch}`) as typeof Koffi;
  } catch {
    loaded = require('koffi') as typeof Koffi;
  }
  return loaded;
}
