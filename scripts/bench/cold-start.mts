/** The command from a cold start, on each Node at hand: its time and peak memory beside those of a bare Node, and podman's time. */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findMachineNode, findPinnedNode, root } from '../stages.mjs';
import { alternate, median, type Subject } from './measure.mts';
import { podman, timedSpawn, type Workshop } from './peers.mts';
import type { Section, Target } from './report.mts';

const bundle = join(root, 'packages', 'cli', 'dist', 'tsc-box.cjs');

/** Tells its own peak resident set at exit, in kilobytes: getrusage(2), ru_maxrss. */
const PEAK = "process.on('exit', () => require('node:fs').writeFileSync(process.env.PEAK_FILE, String(process.resourceUsage().maxRSS)));\n";

function peakOf(node: string, args: readonly string[], directory: string): number {
  const hook = join(directory, 'peak.cjs');
  const file = join(directory, 'peak');
  writeFileSync(hook, PEAK);
  rmSync(file, { force: true });
  const result = spawnSync(node, ['--require', hook, ...args], { stdio: 'ignore', env: { ...process.env, PEAK_FILE: file } });
  if (result.status !== 0) throw new Error(`${args.join(' ')}: exit status ${String(result.status)}`);
  return Number(readFileSync(file, 'utf8'));
}

function peaks(node: string, args: readonly string[], directory: string): number {
  return median(Array.from({ length: 7 }, () => peakOf(node, args, directory)));
}

export async function* coldStart(workshop: Workshop, rounds: number): AsyncGenerator<Section> {
  const { directory } = workshop;
  const other = podman(workshop);
  const nodes = [...new Set([findMachineNode(), findPinnedNode()].filter((node) => node !== undefined))];
  for (const node of nodes) {
    const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
    const args = [bundle, '--root', join(directory, 'cli'), 'run', '--rm', 'host', 'true'];
    const subjects: Subject[] = [
      { name: 'tsc-box run host true', run: () => timedSpawn(node, args) },
      { name: 'node -e 0', run: () => timedSpawn(node, ['-e', '0']) },
      ...('run' in other ? [other] : []),
    ];
    const timings = await alternate(subjects, Math.ceil(rounds / 2), 3);
    const [ours = Number.NaN, bare = Number.NaN, theirs] = timings.map((timing) => timing.median);
    const memory = { ours: peaks(node, args, directory), bare: peaks(node, ['-e', '0'], directory) };
    const targets: Target[] = [
      { what: 'time / bare Node', unit: 'ratio', value: ours / bare, limit: 1.35 },
      ...(theirs === undefined ? [] : [{ what: 'time / podman', unit: 'ratio' as const, value: ours / theirs, limit: 0.4 }]),
      { what: `peak memory / bare Node (${String(memory.ours)} kB, ${String(memory.bare)} kB)`, unit: 'ratio', value: memory.ours / memory.bare, limit: 1.25 },
    ];
    yield { title: `cold start on Node ${version}`, timings, skipped: 'skipped' in other ? [other] : [], targets };
  }
}
