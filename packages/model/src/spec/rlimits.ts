/** Resource limits: getrlimit(2); the names are docker's `--ulimit`, that is the kernel's without RLIMIT_. */
import { UsageError } from '../errors/box-error.ts';
import type { SpecRlimit } from './spec.ts';

const NAMES = ['as', 'core', 'cpu', 'data', 'fsize', 'locks', 'memlock', 'msgqueue', 'nice', 'nofile', 'nproc', 'rss', 'rtprio', 'rttime', 'sigpending', 'stack'] as const;

/** `RLIMIT_NOFILE` and so on. */
export const RLIMIT_TYPES: readonly string[] = NAMES.map((name) => `RLIMIT_${name.toUpperCase()}`);

/** RLIM_INFINITY: 2^64-1 does not fit a JSON number, so -1 stands for it. */
export const RLIMIT_INFINITY = -1;

/**
 * `nofile=1024:2048`, `NOFILE=1024`, `core=-1`: soft, then hard (the same when left out), -1 or `unlimited` for no limit.
 * @throws UsageError for an unknown name, a value that is no number, or soft above hard.
 */
export function parseUlimit(text: string): SpecRlimit {
  const fail = (detail: string): UsageError => new UsageError({ attempted: 'read --ulimit', detail });
  const match = /^([^=]+)=([^:=]+)(?::([^:=]+))?$/.exec(text.trim());
  if (match === null) throw fail(`found "${text}", allowed: NAME=SOFT[:HARD], such as nofile=1024:2048`);
  const type = `RLIMIT_${(match[1] ?? '').toUpperCase().replace(/^RLIMIT_/, '')}`;
  if (!RLIMIT_TYPES.includes(type)) throw fail(`found "${match[1] ?? ''}", allowed: ${NAMES.join(', ')}`);
  const soft = parseValue(match[2] ?? '');
  const hard = match[3] === undefined ? soft : parseValue(match[3]);
  if (soft === undefined || hard === undefined) throw fail(`found "${text}", allowed: whole numbers, or -1 for no limit`);
  if (exceeds(soft, hard)) throw fail(`found a soft limit ${formatLimit(soft)} above the hard limit ${formatLimit(hard)} in "${text}", allowed: soft up to hard`);
  return { type, soft, hard };
}

function parseValue(text: string): number | undefined {
  if (text === '-1' || text === 'unlimited') return RLIMIT_INFINITY;
  const value = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(value) ? value : undefined;
}

/** True when limit `a` is greater than limit `b`; -1 is greater than every number. */
export function exceeds(a: number, b: number): boolean {
  if (b === RLIMIT_INFINITY) return false;
  return a === RLIMIT_INFINITY || a > b;
}

export function formatLimit(value: number): string {
  return value === RLIMIT_INFINITY ? 'unlimited' : String(value);
}
