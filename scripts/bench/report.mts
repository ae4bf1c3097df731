/** The table and the JSON of a benchmark run. */
import type { Timing } from './measure.mts';

export interface Target {
  readonly what: string;
  readonly unit: 'ms' | 'ratio';
  readonly value: number;
  readonly limit: number;
}

export interface Section {
  readonly title: string;
  readonly timings: readonly Timing[];
  readonly skipped: readonly { readonly name: string; readonly skipped: string }[];
  readonly targets: readonly Target[];
}

const number = (value: number): string => (Number.isNaN(value) ? '-' : value.toFixed(value < 10 ? 2 : 1));

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `  ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')}`).join('\n');
}

export function formatSection({ title, timings, skipped, targets }: Section): string {
  const lines = [title];
  if (timings.length > 0) {
    const ours = timings[0]?.median ?? Number.NaN;
    lines.push(table([
      ['', 'median ms', 'best', 'p10', 'p90', 'runs', 'ours / it', 'by best'],
      ...timings.map(({ name, best, median, p10, p90, runs }) => [name, number(median), number(best), number(p10), number(p90), String(runs), number(ours / median), number((timings[0]?.best ?? Number.NaN) / best)]),
    ]));
  }
  for (const { name, skipped: reason } of skipped) lines.push(`  ${name}: skipped, ${reason}`);
  for (const { what, unit, value, limit } of targets) {
    const suffix = unit === 'ms' ? ' ms' : '';
    lines.push(`  ${value <= limit ? 'reached' : 'MISSED '}  ${what}: ${number(value)}${suffix}, target <= ${String(limit)}${suffix}`);
  }
  return lines.join('\n');
}
