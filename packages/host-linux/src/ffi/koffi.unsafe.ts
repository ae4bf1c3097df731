/** koffi, loaded at first use. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';

let loaded: typeof Koffi | undefined;

/**
 * koffi's own entry spends over 10 ms on finding out which of its binaries fits: the usual one is tried first, by its path.
 * Where musl is installed koffi decides, as it reads which C library Node itself was linked with.
 */
export function koffi(): typeof Koffi {
  if (loaded !== undefined) return loaded;
  const require = createRequire(import.meta.url);
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  if (existsSync(`/lib/ld-musl-${machine}.so.1`)) return (loaded = require('koffi') as typeof Koffi);
  try {
    // The package lies beside koffi's own, not beside ours.
    loaded = createRequire(require.resolve('koffi'))(`@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`) as typeof Koffi;
  } catch {
    loaded = require('koffi') as typeof Koffi;
  }
  return loaded;
}
