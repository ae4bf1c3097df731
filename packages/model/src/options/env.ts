/** Environment variables as docker reads them: `docker run --env`, `--env-file`; execve(2) for what a process gets. */
import { UsageError } from '../errors/box-error.ts';

export type HostEnv = Readonly<Record<string, string | undefined>>;

/** A variable to set, or one to take away (named on the command line, but not set on the host). */
export interface EnvEntry {
  readonly name: string;
  readonly value: string | undefined;
}

/**
 * One `-e`: `NAME=VALUE` (everything after the first `=`), or `NAME` for the host's value.
 * @throws UsageError for an empty name or a NUL byte, which no environment can hold.
 */
export function parseEnvOption(text: string, hostEnv: HostEnv): EnvEntry {
  const equals = text.indexOf('=');
  const name = equals < 0 ? text : text.slice(0, equals);
  if (name === '' || text.includes('\0')) throw new UsageError({ attempted: 'read --env', detail: `found ${JSON.stringify(text)}, allowed: NAME=VALUE, or NAME for the host's value` });
  return { name, value: equals < 0 ? valueOnHost(hostEnv, name) : text.slice(equals + 1) };
}

/**
 * A file of variables. One a line; `#` starts a comment line; `NAME` alone takes the host's value, or is passed over
 * where the host has none; values are kept as they are, with quotes, blanks and further `=`.
 * @throws UsageError with path and line for a name that is empty or has blanks.
 */
export function parseEnvFile(text: string, path: string, hostEnv: HostEnv): EnvEntry[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  return lines.flatMap((raw, index) => {
    const line = raw.trimStart();
    if (line === '' || line.startsWith('#')) return [];
    const equals = line.indexOf('=');
    const name = equals < 0 ? line.trimEnd() : line.slice(0, equals);
    if (name === '' || /[\s\0]/.test(name) || line.includes('\0')) {
      throw new UsageError({ attempted: `read the env file "${path}"`, path, detail: `line ${index + 1}: found ${JSON.stringify(line)}, allowed: NAME=VALUE or NAME, with no blanks in NAME` });
    }
    const value = equals < 0 ? valueOnHost(hostEnv, name) : line.slice(equals + 1);
    return value === undefined ? [] : [{ name, value }];
  });
}

/** Own properties only: process.env inherits `constructor` and the like. */
function valueOnHost(hostEnv: HostEnv, name: string): string | undefined {
  return Object.hasOwn(hostEnv, name) ? hostEnv[name] : undefined;
}

/** `NAME=VALUE` strings, later ones over earlier ones, each name at its first place. */
export function mergeEnv(...lists: readonly (readonly EnvEntry[])[]): string[] {
  const merged = new Map<string, string>();
  for (const { name, value } of lists.flat()) {
    if (value === undefined) merged.delete(name);
    else merged.set(name, value);
  }
  return [...merged].map(([name, value]) => `${name}=${value}`);
}

/** An image's `Env` list. Entries without `=` say nothing and are passed over. */
export function imageEnv(entries: readonly string[]): EnvEntry[] {
  return entries.flatMap((entry) => {
    const equals = entry.indexOf('=');
    return equals <= 0 ? [] : [{ name: entry.slice(0, equals), value: entry.slice(equals + 1) }];
  });
}
