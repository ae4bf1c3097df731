// Ours beside bwrap, runc and podman, in turns, in one run: `pnpm bench`. Needs root, and a Node that runs TypeScript (the pinned one does).
// Prints tables with ratios and writes bench/results.json. `--rounds N` for more or fewer, `--only in-process`, `cold-start`, `images` or `library` for a part.
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { busyboxRoot } from '../tests/images/busybox.ts';
import { coldStart } from './bench/cold-start.mts';
import { images } from './bench/images.mts';
import { inProcess } from './bench/in-process.mts';
import { library } from './bench/library.mts';
import type { Workshop } from './bench/peers.mts';
import { formatSection, type Section } from './bench/report.mts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '40' }, only: { type: 'string' } } });
const rounds = Number(values.rounds);
const directory = mkdtempSync(join(tmpdir(), 'tsc-box-bench-'));
const results = join(import.meta.dirname, '..', 'bench');
try {
  const workshop: Workshop = { directory, root: join(directory, 'root') };
  cpSync(busyboxRoot(), workshop.root, { recursive: true, verbatimSymlinks: true });
  for (const name of ['proc', 'sys', 'dev']) mkdirSync(join(workshop.root, name));
  const sections: Section[] = [];
  for (const [name, part] of [['in-process', inProcess], ['cold-start', coldStart], ['images', images], ['library', library]] as const) {
    if (values.only !== undefined && values.only !== name) continue;
    for await (const section of part(workshop, rounds)) {
      sections.push(section);
      console.log(`${formatSection(section)}\n`);
    }
  }
  mkdirSync(results, { recursive: true });
  const [load = 0] = loadavg();
  if (load > cpus().length) console.log(`the machine was busy, load ${load.toFixed(1)}: look at the column "by best", and run it again`);
  const machine = { load, node: process.version, kernel: release(), cpus: cpus().length, model: cpus()[0]?.model };
  writeFileSync(join(results, 'results.json'), `${JSON.stringify({ version: 1, date: new Date().toISOString(), machine, rounds, sections }, undefined, 2)}\n`);
  console.log('written: bench/results.json');
} finally {
  rmSync(directory, { recursive: true, force: true });
}
