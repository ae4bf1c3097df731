/** Images: unpacking beside tar and umoci, digests beside gzip and sha256sum, `diff` over many files, and mounts of many layers. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine, RunRequest } from '../../packages/engine/src/index.ts';
import type { LayerExtractor, System } from '../../packages/model/src/index.ts';
import { archiveOf, writeFiles, writeLayout, type Archive } from './image-files.mts';
import { alternate, now, type Subject } from './measure.mts';
import { timedSpawn, type Workshop } from './peers.mts';
import type { Section, Target } from './report.mts';

type Images = typeof import('../../packages/engine/src/images/index.ts');
/** What is built is measured, as users get it. */
const dist = async <T,>(path: string): Promise<T> => (await import(`../../packages/${path}`)) as T;

const FILES = 6500;
const FILE_BYTES = 32 << 10;
const MANY_FILES = 100_000;
const LAYER_COUNTS = [1, 16, 128, 500];
const STDIO = { stdin: 'null', stdout: 'null', stderr: 'null' } as const;
/** Reads the archive to its end and does nothing: what is left is decompression and both digests. */
const NO_EXTRACTOR: LayerExtractor = {
  async extract(stream) {
    for await (const _ of stream) continue;
  },
};

export async function* images(workshop: Workshop, rounds: number): AsyncGenerator<Section> {
  const { openLinux } = await dist<typeof import('../../packages/host-linux/src/index.ts')>('host-linux/dist/index.js');
  const { openEngine } = await dist<typeof import('../../packages/engine/src/index.ts')>('engine/dist/index.js');
  const system = openLinux();
  yield await unpacking(workshop, system, Math.max(2, Math.ceil(rounds / 20)));
  const engine = openEngine({ system, root: join(workshop.directory, 'images') });
  yield await manyFiles(workshop, engine);
  yield await manyLayers(workshop, engine, Math.ceil(rounds / 4));
}

async function unpacking({ directory }: Workshop, system: System, rounds: number): Promise<Section> {
  const { openImage } = await dist<Images>('engine/dist/images/index.js');
  const [files, layout] = [join(directory, 'unpack-files'), join(directory, 'unpack-oci')];
  writeFiles(files, FILES, FILE_BYTES);
  const [blob = ''] = writeLayout(layout, [archiveOf(files, true)]);
  rmSync(files, { recursive: true });
  const target = join(directory, 'unpacked');
  const fresh = async (work: () => number | Promise<number>): Promise<number> => {
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target);
    return await work();
  };
  const extractor = await system.extractor();
  let held = 0;
  const ours = (name: string, into: LayerExtractor, sync: boolean): Subject => ({
    name,
    run: () => fresh(async () => {
      const before = memoryHeld();
      const start = now();
      await openImage({ kind: 'oci', directory: layout, tag: '1' }, { layersRoot: target, extractor: into, sync, onBytes: () => void (held = Math.max(held, memoryHeld() - before)) });
      return now() - start;
    }),
  });
  const umoci: Subject = { name: 'umoci unpack', run: () => fresh(() => timedSpawn('umoci', ['unpack', '--image', `${layout}:1`, join(target, 'bundle')])) };
  const digests = 'tee >(sha256sum >&2) <"$1" | gzip -dc | sha256sum';
  const subjects: Subject[] = [
    ours('tsc-box, unpack', extractor, false),
    ours('tsc-box, unpack and sync', extractor, true),
    { name: 'tar xzf', run: () => fresh(() => timedSpawn('tar', ['-C', target, '-xzf', blob])) },
    ...(spawnSync('umoci', ['--version'], { stdio: 'ignore' }).error === undefined ? [umoci] : []),
    ours('tsc-box, gunzip and digests', NO_EXTRACTOR, false),
    { name: 'gzip -dc, two sha256sum', run: () => timedSpawn('bash', ['-c', digests, 'bash', blob]) },
  ];
  const timings = await alternate(subjects, rounds, 1);
  rmSync(target, { recursive: true, force: true });
  const of = (name: string): number => timings.find((timing) => timing.name === name)?.median ?? Number.NaN;
  const unpacked = of('tsc-box, unpack');
  const targets: Target[] = [
    { what: 'unpack / tar xzf', unit: 'ratio', value: unpacked / of('tar xzf'), limit: 1.15 },
    ...(subjects.includes(umoci) ? [{ what: 'unpack / umoci unpack', unit: 'ratio' as const, value: unpacked / of(umoci.name), limit: 0.6 }] : []),
    { what: 'gunzip and both digests, median', unit: 'ms', value: of('tsc-box, gunzip and digests'), limit: 800 },
    { what: 'held in memory while unpacking, of 64 MiB', unit: 'ratio', value: held / (64 << 20), limit: 1 },
  ];
  const skipped = subjects.includes(umoci) ? [] : [{ name: umoci.name, skipped: 'umoci is not installed' }];
  return { title: `unpack a gzip layer of ${String(FILES)} files, ${String((FILES * FILE_BYTES) >> 20)} MiB`, timings, skipped, targets };
}

/** Bytes of JavaScript's objects and of buffers. */
function memoryHeld(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** The cost of `diff` follows the changes, not the image. */
async function manyFiles({ directory, root }: Workshop, engine: Engine): Promise<Section> {
  const [files, layout] = [join(directory, 'many-files'), join(directory, 'many-oci')];
  cpSync(root, files, { recursive: true, verbatimSymlinks: true });
  writeFiles(files, MANY_FILES, 0);
  writeLayout(layout, [archiveOf(files, false)]);
  rmSync(files, { recursive: true });
  const changes = Array.from({ length: 10 }, (_, index) => `/d${String(index)}/new`);
  const running = await engine.run(requestOf(layout, ['/bin/touch', ...changes], false));
  const status = await running.wait();
  if (status.code !== 0) throw new Error(`touch ended with ${String(status.code)}`);
  const { id } = running.state;
  const diff: Subject = {
    name: 'tsc-box, diff',
    run() {
      const start = now();
      const found = engine.diff(id);
      const time = now() - start;
      if (!changes.every((path) => found.some((change) => change.path === path))) throw new Error('diff misses a change');
      return time;
    },
  };
  const timings = await alternate([diff], 10, 1);
  engine.remove(id);
  return { title: `diff of 10 changes over ${String(MANY_FILES)} files`, timings, skipped: [], targets: [{ what: 'diff, median', unit: 'ms', value: timings[0]?.median ?? Number.NaN, limit: 20 }] };
}

/** One small file in each layer above the first. What a further layer costs at each run. */
async function manyLayers({ directory, root }: Workshop, engine: Engine, rounds: number): Promise<Section> {
  const base = archiveOf(root, false);
  const scratch = join(directory, 'one-file');
  const small: Archive[] = Array.from({ length: Math.max(...LAYER_COUNTS) - 1 }, (_, index) => {
    mkdirSync(scratch);
    writeFiles(scratch, 1, 64 + index);
    const archive = archiveOf(scratch, false);
    rmSync(scratch, { recursive: true });
    return archive;
  });
  const subjects = LAYER_COUNTS.map((count): Subject => {
    const layout = join(directory, `layers-${String(count)}`);
    writeLayout(layout, [base, ...small.slice(0, count - 1)]);
    const request = requestOf(layout, ['/bin/true'], true);
    return {
      name: `${String(count)} layers, engine.run`,
      async run() {
        const start = now();
        const status = await (await engine.run(request)).wait();
        const time = now() - start;
        if (status.code !== 0) throw new Error(`true ended with ${String(status.code)}`);
        return time;
      },
    };
  });
  const timings = await alternate(subjects, rounds, 1);
  return { title: 'mounts of many layers', timings, skipped: [], targets: [] };
}

function requestOf(layout: string, command: readonly string[], remove: boolean): RunRequest {
  return { image: `oci:${layout}:1`, options: {}, command, hostEnv: {}, cwd: '/', remove, stdio: STDIO };
}
