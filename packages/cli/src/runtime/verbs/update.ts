import { readFileSync } from 'node:fs';
import { update } from '@tsc-box/engine/runtime';
import { parseSize, UsageError } from '@tsc-box/model';
import { stringValue, type Parsed } from '../../args/flag.ts';
import { flag, idOf, type Verb } from '../verb.ts';

/** Flag, where its value goes, and what it is. */
const LIMITS: readonly (readonly [name: string, group: string, key: string, kind: 'bytes' | 'number' | 'text', help: string])[] = [
  ['memory', 'memory', 'limit', 'bytes', 'memory limit'], ['memory-reservation', 'memory', 'reservation', 'bytes', 'memory soft limit'], ['memory-swap', 'memory', 'swap', 'bytes', 'memory and swap together; -1: no limit'],
  ['cpu-period', 'cpu', 'period', 'number', 'microseconds'], ['cpu-quota', 'cpu', 'quota', 'number', 'microseconds of each period'], ['cpu-burst', 'cpu', 'burst', 'number', 'microseconds that may be saved up'],
  ['cpu-share', 'cpu', 'shares', 'number', 'relative weight'], ['cpu-rt-period', 'cpu', 'realtimePeriod', 'number', 'microseconds'], ['cpu-rt-runtime', 'cpu', 'realtimeRuntime', 'number', 'microseconds'],
  ['cpuset-cpus', 'cpu', 'cpus', 'text', 'processors'], ['cpuset-mems', 'cpu', 'mems', 'text', 'memory nodes'], ['cpu-idle', 'cpu', 'idle', 'number', '1: run only when nothing else wants to'],
  ['blkio-weight', 'blockIO', 'weight', 'number', 'relative weight, 10 to 1000'], ['pids-limit', 'pids', 'limit', 'number', 'processes and threads; -1: no limit'],
];

export const updateVerb: Verb = {
  name: 'update', usage: 'ID', help: 'change the limits of a container', words: [1, 1],
  flags: [flag('resources', 'file with limits (as linux.resources); -: standard input', { short: 'r', value: 'FILE', complete: 'file' }), ...LIMITS.map(([name, , , , help]) => flag(name, help, { value: 'N' }))],
  async run({ parsed, runtime }) {
    const file = stringValue(parsed, 'resources');
    const value: unknown = file === undefined ? limitsOf(parsed) : JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8'));
    await update(runtime(), idOf(parsed), value);
    return 0;
  },
};

function limitsOf(parsed: Parsed): object {
  const groups: Record<string, Record<string, number | string>> = {};
  for (const [name, group, key, kind] of LIMITS) {
    const text = stringValue(parsed, name);
    if (text !== undefined) groups[group] = { ...groups[group], [key]: kind === 'text' ? text : read(name, text, kind) };
  }
  if (Object.keys(groups).length === 0) throw new UsageError({ attempted: 'update the container', detail: 'found no limit, allowed: --resources FILE or flags for limits' });
  return groups;
}

function read(name: string, text: string, kind: 'bytes' | 'number'): number {
  if (text === '-1') return -1;
  if (kind === 'bytes') return parseSize(text, `--${name}`);
  if (/^-?\d{1,18}$/.test(text)) return Number(text);
  throw new UsageError({ attempted: `read --${name}`, detail: `found "${text}", allowed: a whole number` });
}
