// Ours beside bwrap, runc and podman, in turns, in one run: `pnpm bench`. Needs root, and a Node that runs TypeScript (the pinned one does).
// Prints tables with ratios and writes bench/results.json. `--rounds N` for more or fewer.
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { busyboxRoot } from '../tests/images/busybox.ts';
import { coldStart } from './bench/cold-start.mts';
import { inProcess } from './bench/in-process.mts';
import type { Workshop } from './bench/peers.mts';
import { formatSection, type Section } from './bench/report.mts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '40' } } });
const rounds = Number(values.rounds);
const directory = mkdtempSync(join(tmpdir(), 'tsc-box-bench-'));
const results = join(import.meta.dirname, '..', 'bench');
try {
  const workshop: Workshop = { directory, root: join(directory, 'root') };
  cpSync(busyboxRoot(), workshop.root, { recursive: true, verbatimSymlinks: true });
  for (const name of ['proc', 'sys', 'dev']) mkdirSync(join(workshop.root, name));
  const sections: Section[] = [];
  for (const part of [inProcess, coldStart]) {
    for await (const section of part(workshop, rounds)) {
      sections.push(section);
      console.log(`${formatSection(section)}\n`);
    }
  }
  mkdirSync(results, { recursive: true });
  const machine = { node: process.version, kernel: release(), cpus: cpus().length, model: cpus()[0]?.model };
  writeFileSync(join(results, 'results.json'), `${JSON.stringify({ version: 1, date: new Date().toISOString(), machine, rounds, sections }, undefined, 2)}\n`);
  console.log('written: bench/results.json');
} finally {
  rmSync(directory, { recursive: true, force: true });
}
