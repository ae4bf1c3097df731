/** Numbers as docker users write them: sizes (`64m`), CPUs (`1.5`), durations (`10s`), lists of CPUs (`0-3,5`). */
import { UsageError } from '../errors/box-error.ts';

const POWERS = 'kmgtp';

function fail(option: string, found: string, allowed: string): UsageError {
  return new UsageError({ attempted: `read ${option}`, detail: `found "${found}", allowed: ${allowed}` });
}

/**
 * Bytes: `64m`, `1.5g`, `64MiB`, `1024`. Units are powers of 1024, as docker has it.
 * @throws UsageError naming the option.
 */
export function parseSize(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp])?(?:i?b)?$/i.exec(text);
  const power = match?.[2] === undefined ? 0 : POWERS.indexOf(match[2].toLowerCase()) + 1;
  const bytes = match === null ? Number.NaN : Math.floor(Number(match[1]) * 1024 ** power);
  if (!Number.isSafeInteger(bytes)) throw fail(option, text, 'a number of bytes, or one with b, k, m, g or t, such as 64m');
  return bytes;
}

/** A whole number in a range. */
export function parseInteger(text: string, option: string, min: number, max: number): number {
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw fail(option, text, max === Number.MAX_SAFE_INTEGER ? `a whole number, at least ${min}` : `a whole number from ${min} to ${max}`);
  }
  return value;
}

/** The kernel's smallest quota is 1 ms of a 100 ms period: sched-bwc.rst. */
const CPUS_MIN = 0.01;
const PERIOD_US = 100_000;

/**
 * `--cpus 1.5` as a quota, microseconds of each period. 0 is no limit.
 * @throws UsageError in CPUs, not in units of the kernel's (moby#28456).
 */
export function parseCpus(text: string, cpusOfHost: number): { readonly quota: number; readonly period: number } | undefined {
  const cpus = /^\d*\.?\d+$|^\d+\.$/.test(text) ? Number(text) : Number.NaN;
  if (cpus === 0) return undefined;
  if (!(cpus >= CPUS_MIN && cpus <= cpusOfHost)) {
    throw fail('--cpus', text, `${CPUS_MIN} to ${cpusOfHost} CPUs: this host has ${cpusOfHost === 1 ? 'one CPU' : `${cpusOfHost} CPUs`}; or 0 for no limit`);
  }
  return { quota: Math.round(cpus * PERIOD_US), period: PERIOD_US };
}

/** A list of CPUs or memory nodes, `0-3,5`: cpuset(7), "List format". Returned as given. */
export function checkCpuset(text: string, option: string): string {
  const ok = text.split(',').every((part) => {
    const range = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
    return range !== null && Number(range[1]) <= Number(range[2] ?? range[1]);
  });
  if (!ok) throw fail(option, text, 'numbers and ranges, such as 0-3,5');
  return text;
}

const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A duration, `10`, `1.5s`, `2m30s`, as milliseconds; a bare number is seconds. */
export function parseDurationMs(text: string, option: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== text) throw fail(option, text, 'seconds, or a number with ms, s, m or h, such as 1m30s');
  return Math.round(parts.reduce((sum, part) => sum + Number(part[1]) * (MILLISECONDS[part[2] ?? 's'] ?? 1000), 0));
}

/** File mode bits in octal: `1777`, `0755`. */
export function parseOctal(text: string, option: string, max: number): number {
  const value = /^[0-7]{1,6}$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
  if (!(value <= max)) throw fail(option, text, `an octal number from 0 to ${max.toString(8)}`);
  return value;
}
