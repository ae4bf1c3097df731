/** `tsc-box logs`. What went to standard error goes there again. */
import { UsageError } from '@tsc-box/model';
import type { LogEntry, LogOptions } from '@tsc-box/engine';
import { booleanValue, stringValue, type Parsed } from '../args/flag.ts';
import { writeBytes } from '../report/write.ts';
import type { Run } from './command.ts';

const NANOSECONDS_PER_MS = 1_000_000n;
const NANOSECONDS = 1_000_000_000n;

export const logs: Run = async (parsed, cli) => {
  const life = await (await cli.engine()).life();
  const withTime = booleanValue(parsed, 'timestamps');
  for await (const entry of life.logs(parsed.positionals[0] ?? '', logOptions(parsed, Date.now()))) {
    if (entry.stream === 'lost') cli.warn(Buffer.from(entry.bytes).toString());
    else writeBytes(entry.stream === 'stderr' ? 2 : 1, withTime && entry.start ? Buffer.concat([Buffer.from(`${formatTime(entry.time)} `), entry.bytes]) : entry.bytes);
  }
  return 0;
};

/** RFC 3339 with nanoseconds, UTC: as docker's. */
export function formatTime(time: LogEntry['time']): string {
  const seconds = new Date(Number(time / NANOSECONDS_PER_MS)).toISOString().slice(0, 19);
  return `${seconds}.${String(time % NANOSECONDS).padStart(9, '0')}Z`;
}

/** `now`: milliseconds since 1970. @throws UsageError */
export function logOptions(parsed: Parsed, now: number): LogOptions {
  const tail = stringValue(parsed, 'tail');
  if (tail !== undefined && tail !== 'all' && !/^\d{1,15}$/.test(tail)) throw new UsageError({ attempted: 'read --tail', detail: `found "${tail}", allowed: a number of lines, or all` });
  const since = stringValue(parsed, 'since');
  const until = stringValue(parsed, 'until');
  return {
    follow: booleanValue(parsed, 'follow'), ...(tail === undefined || tail === 'all' ? {} : { tail: Number(tail) }),
    ...(since === undefined ? {} : { since: parseTime(since, '--since', now) }), ...(until === undefined ? {} : { until: parseTime(until, '--until', now) }),
  };
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A point in time (RFC 3339, or seconds since 1970), or how long ago: `10m`, `1h30m`. Nanoseconds since 1970. @throws UsageError */
export function parseTime(text: string, option: string, now: number): bigint {
  if (/^\d{1,11}(\.\d{1,9})?$/.test(text)) {
    const [seconds = '0', fraction = ''] = text.split('.');
    return BigInt(seconds) * NANOSECONDS + BigInt(fraction.padEnd(9, '0'));
  }
  if (/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) {
    const ago = [...text.matchAll(/([\d.]+)(ms|s|m|h|d)/g)].reduce((sum, [, amount, unit = 's']) => sum + Number(amount) * (UNIT_MS[unit] ?? 0), 0);
    return BigInt(Math.round(now - ago)) * NANOSECONDS_PER_MS;
  }
  const time = /^\d{4}-\d\d-\d\d([T ][\d:.]+(Z|[+-]\d\d:?\d\d)?)?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw new UsageError({ attempted: `read ${option}`, detail: `found "${text}", allowed: a time such as 2026-01-31T12:00:00Z, seconds since 1970, or how long ago such as 10m` });
  return BigInt(time) * NANOSECONDS_PER_MS;
}
