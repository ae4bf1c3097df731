/** `tsc-box stats`: what containers use, again and again on a terminal. */
import type { CgroupStats } from '@tsc-box/model';
import type { ContainerState, Engine, Life } from '@tsc-box/engine';
import { booleanValue, stringValue, type Parsed } from '../args/flag.ts';
import { humanSize } from '../report/bytes.ts';
import { formatTable } from '../report/table.ts';
import { isTerminal } from '../report/write.ts';
import type { Cli, Run } from './command.ts';

/** Milliseconds between two looks. */
const INTERVAL_MS = 1000;
const SHORT_ID = 12;

interface Sample {
  /** Milliseconds of the monotonic clock. */
  readonly at: number;
  readonly stats: CgroupStats;
}

export const showStats: Run = async (parsed, cli) => {
  const engine = await cli.engine();
  const life = await engine.life();
  const stream = !booleanValue(parsed, 'noStream');
  const json = stringValue(parsed, 'format') === 'json';
  let before = new Map<string, Sample>();
  for (let round = 0; ; round += 1) {
    const states = chosen(engine, parsed);
    const now = sample(life, states);
    // Per cent are of the time between two looks: the first has none.
    if (round > 0) show(states, before, now, { json, live: stream && !json && isTerminal(1) }, cli);
    if (round > 0 && !stream) return 0;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
};

/** Those named, whether they run or not; without names those that run, or all. */
function chosen(engine: Engine, parsed: Parsed): ContainerState[] {
  if (parsed.positionals.length > 0) return parsed.positionals.map((name) => engine.find(name));
  return engine.list().filter(({ status }) => status === 'running' || booleanValue(parsed, 'all'));
}

function sample(life: Life, states: readonly ContainerState[]): Map<string, Sample> {
  return new Map(states.map((state) => [state.id, { at: performance.now(), stats: life.stats(state) }]));
}

interface Row {
  readonly id: string;
  readonly name: string;
  readonly stats: CgroupStats;
  /** False for one that runs without a cgroup: nothing is counted, which is not nothing used. */
  readonly counted: boolean;
  /** Of one processor. */
  readonly cpuPercent: number;
  /** Of its limit. */
  readonly memoryPercent: number | undefined;
}

function show(states: readonly ContainerState[], before: ReadonlyMap<string, Sample>, now: ReadonlyMap<string, Sample>, { json, live }: { readonly json: boolean; readonly live: boolean }, cli: Cli): void {
  const rows = states.map((state) => rowOf(state, before.get(state.id), now.get(state.id)));
  if (json) cli.write(rows.map((row) => `${JSON.stringify({ ID: row.id, Name: row.name, CPUPercent: row.cpuPercent, ...(row.memoryPercent === undefined ? {} : { MemPercent: row.memoryPercent }), ...row.stats })}\n`).join(''));
  else cli.write(`${live ? '\x1b[H\x1b[2J' : ''}${formatStats(rows)}`);
}

export function rowOf({ id, name, status }: Pick<ContainerState, 'id' | 'name' | 'status'>, before: Sample | undefined, now: Sample | undefined): Row {
  const stats = now?.stats ?? {};
  const used = (stats.cpuTimeUs ?? 0) - (before?.stats.cpuTimeUs ?? stats.cpuTimeUs ?? 0);
  const elapsedUs = before === undefined || now === undefined ? 0 : (now.at - before.at) * 1000;
  return {
    id, name, stats, counted: status !== 'running' || Object.keys(stats).length > 0, cpuPercent: elapsedUs > 0 ? Math.max(0, (used / elapsedUs) * 100) : 0,
    memoryPercent: stats.memory === undefined || stats.memoryLimit === undefined ? undefined : (stats.memory / stats.memoryLimit) * 100,
  };
}

export function formatStats(rows: readonly Row[]): string {
  const percent = (value: number | undefined): string => (value === undefined ? '--' : `${value.toFixed(2)}%`);
  const size = (value: number | undefined): string => (value === undefined ? '--' : humanSize(value));
  const lines = rows.map(({ id, name, stats, counted, cpuPercent, memoryPercent }) => (counted ? [
    id.slice(0, SHORT_ID), name, percent(cpuPercent), `${humanSize(stats.memory ?? 0)} / ${stats.memoryLimit === undefined ? 'none' : humanSize(stats.memoryLimit)}`, percent(memoryPercent), size(stats.peakMemory),
    `${humanSize(stats.ioReadBytes ?? 0)} / ${humanSize(stats.ioWriteBytes ?? 0)}`, String(stats.pids ?? 0), throttled(stats),
  ] : [id.slice(0, SHORT_ID), name, ...Array.from({ length: 7 }, () => '--')]));
  return formatTable([['CONTAINER ID', 'NAME', 'CPU %', 'MEM USAGE / LIMIT', 'MEM %', 'PEAK', 'BLOCK I/O', 'PIDS', 'THROTTLED'], ...lines]);
}

/** Periods of its CPU quota in which it had to wait. */
function throttled({ cpuPeriods = 0, cpuThrottledPeriods = 0 }: CgroupStats): string {
  return cpuPeriods === 0 ? '--' : `${((cpuThrottledPeriods / cpuPeriods) * 100).toFixed(0)}%`;
}
