/** The layer store after SIGKILL at many moments: whole layers or none, and nothing left behind by the next who opens the image. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openImage, parseSource, type OpenImage } from '../../packages/engine/src/images/index.ts';
import { openLinux } from '../../packages/host-linux/src/index.ts';
import { command, missingCommand } from '../images/cache.ts';
import { root } from '../tidy/repository.ts';
import { describeTree, differences } from './tree.ts';

/** Runs TypeScript as it is. */
const node = join(root, 'node_modules', `node-linux-${process.arch}`, 'bin/node');
const missing = existsSync(node) ? missingCommand('umoci') : node;

const source = (path: string): string => JSON.stringify(pathToFileURL(join(root, path)).href);
/** Says a line at each step that can be killed. */
const CHILD = `
import { writeSync } from 'node:fs';
import { openImage, parseSource } from ${source('packages/engine/src/images/index.ts')};
import { openLinux } from ${source('packages/host-linux/src/index.ts')};
const say = () => writeSync(1, '.');
await openImage(parseSource(process.argv[1]), { layersRoot: process.argv[2], extractor: await openLinux().extractor(), onProgress: say, onBytes: say });
`;

let work: string;

/** True when it was killed before it ended. */
function runAndKill(image: string, store: string, afterSteps: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(node, ['--no-warnings', '--conditions', 'source', '--input-type=module', '-e', CHILD, image, store], { stdio: ['ignore', 'pipe', 'inherit'] });
    let steps = 0;
    child.stdout.on('data', (data: Buffer) => {
      steps += data.length;
      if (steps >= afterSteps) child.kill('SIGKILL');
    });
    child.on('error', reject);
    child.on('exit', (_, signal) => resolve(signal === 'SIGKILL'));
  });
}

const open = async (store: string): Promise<OpenImage> => openImage(parseSource(`oci:${join(work, 'oci')}:1`), { layersRoot: store, extractor: await openLinux().extractor(), sync: false });

describe.skipIf(missing !== undefined)(`a layer store (needs ${missing ?? 'nothing more'})`, () => {
  beforeAll(() => {
    work = mkdtempSync(join(tmpdir(), 'tsc-box-crash-'));
    const image = `${join(work, 'oci')}:1`;
    command('umoci', 'init', '--layout', join(work, 'oci'));
    command('umoci', 'new', '--image', image);
    for (const layer of ['a', 'b', 'c']) {
      mkdirSync(join(work, layer));
      command('sh', '-c', 'cd "$1" && for i in $(seq 60); do mkdir -p d$i && head -c 20000 /dev/urandom >d$i/f && ln -s f d$i/l; done', 'sh', join(work, layer));
      command('umoci', 'insert', '--image', image, join(work, layer), `/${layer}`);
    }
  }, 60_000);
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  it('survives SIGKILL at any step', async () => {
    const reference = await open(join(work, 'reference'));
    const trees = new Map(reference.chainIds.map((id) => [id, describeTree(join(work, 'reference', id), { directoryTimes: true })]));
    const store = join(work, 'store');
    let killed = 0;
    for (const steps of [1, 4, 7, 10]) {
      if (await runAndKill(`oci:${join(work, 'oci')}:1`, store, steps)) killed += 1;
      if (!existsSync(store)) continue;
      const visible = readdirSync(store).filter((name) => !name.startsWith('.'));
      for (const id of visible) expect(differences(describeTree(join(store, id), { directoryTimes: true }), trees.get(id) ?? new Map())).toEqual([]);
    }
    expect(killed).toBeGreaterThan(1);
    await open(store);
    expect(readdirSync(store).toSorted()).toEqual(reference.chainIds.toSorted());
  }, 90_000);
});
