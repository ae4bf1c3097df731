import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBox, type Box } from '../../packages/cli/src/index.ts';
import { refusal } from '../cli/command.ts';

const why = refusal();

describe.skipIf(why !== undefined)(`openBox${why === undefined ? '' : ` (${why})`}`, () => {
  const root = mkdtempSync(join(tmpdir(), 'tsc-box-library-'));
  let box: Box;
  beforeAll(async () => {
    box = await openBox({ root });
  });
  afterAll(async () => {
    await box[Symbol.asyncDispose]();
    rmSync(root, { recursive: true, force: true });
  });
  const sh = (script: string) => ({ image: 'host', command: ['sh', '-c', script] });

  it('case 20 (dockerode#736, #175): gives both streams as they are, the exit code and the usage at once', async () => {
    const result = await box.run({ ...sh('echo out; printf err >&2; exit 3'), memory: '64m', timeout: '20s' });
    expect(result).toMatchObject({ exitCode: 3, signal: undefined, stdout: 'out\n', stderr: 'err', timedOut: false, oomKilled: false });
    expect(result.usage.peakMemory).toBeGreaterThan(0);
  });

  it('takes input as text, bytes or a stream, and the environment as an object', async () => {
    const inputs = ['text', Buffer.from('bytes'), Readable.from(['a ', 'stream'])];
    expect(await Promise.all(inputs.map(async (stdin) => (await box.run({ ...sh('cat; echo " $WHO"'), stdin, env: { WHO: 'me' } })).stdout))).toEqual(['text me\n', 'bytes me\n', 'a stream me\n']);
  });

  it('kills a command whose time is over, that writes too much, or that was aborted, and says which', async () => {
    expect(await box.run({ ...sh('sleep 1000'), timeout: 100 })).toMatchObject({ exitCode: 137, signal: 'SIGKILL', timedOut: true });
    await expect(box.run({ ...sh('yes'), maxOutput: '64k' })).rejects.toThrow(/wrote more than 65536 bytes to standard output/);
    await expect(box.run({ ...sh('sleep 1000'), signal: AbortSignal.timeout(100) })).rejects.toMatchObject({ name: 'TimeoutError' });
    await expect(box.run({ ...sh('echo no luck >&2; exit 4'), check: true })).rejects.toThrow(/exit code 4: no luck/);
  });

  it('tells of a memory limit that was reached', async () => {
    expect(await box.run({ image: 'host', command: ['sh', '-c', 'tail /dev/zero'], memory: 16 * 2 ** 20, memorySwap: 16 * 2 ** 20 })).toMatchObject({ oomKilled: true });
  });

  it.each([
    [{ image: 'host', command: ['true'], memory: '64q' }, /--memory.*64q/],
    [{ image: 'host', command: ['true'], nosuch: 1 }, /nosuch/],
    [{ image: 'host', command: 'true' }, /list of strings/],
    [{ image: 'host', command: ['true'], timeout: 'soon' }, /timeout/],
    [{ image: 'host', command: ['true'], env: { 'A=B': 'x' } }, /env/],
    [{ image: 'host', command: ['no-such-command'] }, /no-such-command/],
  ])('refuses %j by name', async (call, message) => {
    await expect(box.run(call as unknown as Parameters<Box['run']>[0])).rejects.toThrow(message);
    expect(box.list()).toEqual([]);
  });

  it('runs one beside: lines, exec, input, pause, stats, diff, stop; and removes it at the end of the block', async () => {
    let id = '';
    {
      await using container = await box.start({ ...sh('touch /made; echo ready; while read line; do echo "got $line"; done; sleep 1000'), name: 'beside', stdin: 'pipe' });
      id = container.id;
      await container.waitFor({ log: /^ready/, timeout: '20s' });
      container.stdin?.write('this\n');
      await container.waitFor({ log: 'got this', timeout: '20s' });
      expect(await container.exec(['sh', '-c', 'echo $0 $1; cat; exit 7', 'x', 'y'], { stdin: 'in' })).toMatchObject({ exitCode: 7, stdout: 'x y\nin' });
      await expect(container.exec(['no-such-command'])).rejects.toThrow(/no-such-command/);
      expect(container.stats().pids).toBeGreaterThan(0);
      container.pause();
      await expect(container.exec(['true'])).rejects.toThrow(/paused/);
      container.unpause();
      expect(container.diff()).toContainEqual({ kind: 'A', path: '/made' });
      const seen: string[] = [];
      for await (const { line } of container.logs({ follow: false })) seen.push(line);
      expect(seen).toEqual(['ready', 'got this']);
      expect(box.list().map(({ name }) => name)).toEqual(['beside']);
    }
    expect(box.list().some((state) => state.id === id)).toBe(false);
  });

  it('waiting for a line ends with a clear error when the container ends before', async () => {
    await using container = await box.start(sh('echo something else; exit 2'));
    await expect(container.waitFor({ log: 'ready' })).rejects.toThrow(/ended with exit code 2 and no line had ready; its last line: something else/);
    expect(await container.wait()).toMatchObject({ exitCode: 2 });
  });

  it('runs fifty at once, and leaves the event loop to others between them', async () => {
    let turns = 0;
    const beat = setInterval(() => (turns += 1), 0);
    const results = await Promise.all(Array.from({ length: 50 }, (_, index) => box.run(sh(`echo ${String(index)}`))));
    clearInterval(beat);
    expect(turns).toBeGreaterThan(20);
    expect(results.map(({ stdout }) => Number(stdout))).toEqual(Array.from({ length: 50 }, (_, index) => index));
  });

  it('works rootless for root too: its root has no rights outside', async () => {
    const rootless = await openBox({ root: join(root, 'rootless'), rootless: true });
    const result = await rootless.run(sh('id -u; cat /proc/self/uid_map; mknod /tmp/node b 8 0 2>&1'));
    expect(result.stdout).toMatch(/^0\n\s+0\s+\d+\s+\d+\n.*not permitted/s);
  });

  it('leaves nothing behind', () => {
    expect(box.list()).toEqual([]);
    expect(readdirSync(join(root, 'containers')).filter((name) => !name.startsWith('.'))).toEqual([]);
  });

  it('works in a worker thread', async () => {
    const file = join(root, 'answer');
    const fd = openSync(file, 'w');
    const worker = new Worker(new URL('./worker.testing.mjs', import.meta.url), { execArgv: [], workerData: { root: join(root, 'worker'), fd } });
    await new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
    closeSync(fd);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ exitCode: 5, stdout: 'from a worker\n' });
  });
});
