import { randomBytes, randomInt } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openBox } from '../../packages/cli/src/index.ts';
import { refusal } from '../cli/command.ts';
import { findLeaks, removeCgroups, takeSnapshot, type Watched } from '../leaks/snapshot.ts';

const why = refusal();
/** Programs that are killed; `pnpm soak` sets more. */
const KILLS = Number(process.env.TSC_BOX_SOAK ?? 5);
/** Milliseconds that each lives at most. */
const LIFE_MAX = 600;
/** Bytes that the heap may have grown by: containers leave nothing in memory. */
const GROWTH_MAX = 16 * 2 ** 20;

describe.skipIf(why !== undefined)(`soak${why === undefined ? '' : ` (${why})`}`, () => {
  const mark = `TSC_BOX_SOAK_${randomBytes(8).toString('hex')}`;
  const root = mkdtempSync(join(tmpdir(), 'tsc-box-soak-'));
  const watched: Watched = { mark, directories: [root], caches: ['skeletons', 'layers', 'cache', 'images'].map((name) => join(root, name)) };
  afterAll(() => {
    removeCgroups(mark);
    rmSync(root, { recursive: true, force: true });
  });

  it(`programs that are killed at any moment leave nothing behind (${String(KILLS)} of them)`, async () => {
    const box = await openBox({ root });
    await box.run({ image: 'host', command: ['true'] });
    const before = takeSnapshot(watched);
    for (let index = 0; index < KILLS; index += 1) {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'soak.testing.mjs'), root, mark, `/tsc-box/${mark}`], { stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env.PATH } });
      const exited = once(child, 'exit');
      await Promise.race([once(child.stdout, 'data'), exited]);
      setTimeout(() => child.kill('SIGKILL'), randomInt(LIFE_MAX));
      expect(await exited).toEqual([null, 'SIGKILL']);
    }
    box.engine.sweep();
    expect(box.list()).toEqual([]);
    expect(await findLeaks(before, watched)).toEqual([]);
  }, 60_000 + KILLS * 5000);

  it('a program that goes on keeps its memory and its descriptors', async () => {
    const box = await openBox({ root });
    const some = async (times: number): Promise<void> => {
      for (let index = 0; index < times; index += 1) expect((await box.run({ image: 'host', command: ['true'] })).exitCode).toBe(0);
    };
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    await some(20);
    const [heap, open] = [process.memoryUsage().heapUsed, descriptors()];
    await some(20 * KILLS);
    expect(descriptors()).toBeLessThanOrEqual(open + 2);
    expect(process.memoryUsage().heapUsed - heap).toBeLessThan(GROWTH_MAX + heap / 2);
  }, 60_000 + KILLS * 5000);
});
