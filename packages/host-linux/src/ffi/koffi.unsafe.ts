/** koffi, loaded at first use. */
import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type * as Koffi from 'koffi';

let loaded: typeof Koffi | undefined;

/**
 * koffi's own entry spends over 10 ms on finding out which of its binaries fits, and Node about as long on the "exports" of its
 * package: the usual binary is looked for first, by its path.
 * Where musl is installed koffi decides, as it reads which C library Node itself was linked with.
 */
export function koffi(): typeof Koffi {
  if (loaded !== undefined) return loaded;
  const require = createRequire(import.meta.url);
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const binary = existsSync(`/lib/ld-musl-${machine}.so.1`) ? undefined : findBinary(require);
  try {
    loaded = require(binary ?? 'koffi') as typeof Koffi;
  } catch {
    loaded = require('koffi') as typeof Koffi;
  }
  return loaded;
}

/** The package of the binary lies beside koffi's own, which need not be beside ours: package managers link. */
function findBinary(require: NodeJS.Require): string | undefined {
  for (const directory of require.resolve.paths('koffi') ?? []) {
    const link = join(directory, 'koffi');
    if (!existsSync(link)) continue;
    const binary = join(dirname(realpathSync.native(link)), '@koromix', `koffi-linux-${process.arch}`, `linux_${process.arch}`, 'koffi.node');
    return existsSync(binary) ? binary : undefined;
  }
  return undefined;
}
