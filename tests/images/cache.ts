/** Where made images are kept: outside the repository, in $XDG_CACHE_HOME/tsc-box-tests. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const cacheDirectory = (): string => join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'tsc-box-tests');

/** The first of these commands that this machine lacks, or undefined. */
export function missingCommand(...names: readonly string[]): string | undefined {
  const places = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`.split(':');
  return names.find((name) => !places.some((place) => existsSync(join(place, name))));
}

/** Runs a command without a shell; its output is in the error when it fails. */
export function command(name: string, ...args: readonly string[]): string {
  return execFileSync(name, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 28 });
}

/**
 * The cached thing called `name`, made by `make` in a new directory when it isn't there yet. It appears whole or not at all;
 * when two make it at once, the first one stays. A changed recipe needs a new name.
 */
export function cached(name: string, make: (directory: string) => void): string {
  const target = join(cacheDirectory(), name);
  if (existsSync(target)) return target;
  mkdirSync(cacheDirectory(), { recursive: true });
  const temporary = mkdtempSync(join(cacheDirectory(), `${name}.making-`));
  try {
    make(temporary);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}
