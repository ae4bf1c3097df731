import { closeSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { openEngine, type RunRequest } from '../../packages/engine/src/index.ts';
import { openLinux } from '../../packages/host-linux/src/index.ts';
import { waitFor } from '../cli/command.ts';

const root = process.platform === 'linux' && process.getuid?.() === 0;
const directory = mkdtempSync(join(tmpdir(), 'tsc-box-engine-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const request = (command: readonly string[], options: RunRequest['options'] = {}): RunRequest => ({
  image: 'host', command, options: { memory: '64m', ...options }, hostEnv: {}, cwd: '/', remove: true, stdio: { stdin: 'null', stdout: 'null', stderr: 'null' },
});

/** Descriptors of this process by what they are, so that a number used again does not hide one. */
const descriptors = (): readonly string[] => readdirSync('/proc/self/fd').flatMap((fd) => {
  try {
    return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
  } catch {
    return [];
  }
});

it.skipIf(!root)('runs and failed launches leave no descriptor open (needs root)', async () => {
  const engine = openEngine({ system: openLinux(), root: directory });
  const runAll = async (): Promise<void> => {
    expect((await (await engine.run(request(['true']))).wait()).code).toBe(0);
    const container = await engine.run(request(['true'], { terminal: true }));
    expect((await container.wait()).code).toBe(0);
    // The terminal belongs to the caller.
    if (container.process.terminal !== undefined) closeSync(container.process.terminal);
    await expect(engine.run(request(['no-such-command']))).rejects.toMatchObject({ code: 'ERR_TSCBOX_COMMAND_NOT_FOUND' });
    await expect(engine.run(request(['true'], { sysctls: ['net.ipv4.ip_forward=word'] }))).rejects.toMatchObject({ errno: 'EINVAL' });
  };
  await runAll();
  const before = descriptors();
  for (let round = 0; round < 5; round++) await runAll();
  await waitFor('the number of descriptors is as before', () => descriptors().length <= before.length, 5_000);
});
