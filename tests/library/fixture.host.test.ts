import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { test } from '../../packages/cli/src/vitest.ts';
import { refusal } from '../cli/command.ts';
import { root } from '../tidy/repository.ts';

const why = refusal();

describe.skipIf(why !== undefined)(`tsc-box/vitest${why === undefined ? '' : ` (${why})`}`, () => {
  let id = '';

  test('gives a test a box', async ({ box }) => {
    expect(await box.run({ image: 'host', command: ['sh', '-c', 'echo hi; hostname'], hostname: 'fixture' })).toMatchObject({ exitCode: 0, stdout: 'hi\nfixture\n' });
    const container = await box.start({ image: 'host', command: ['sleep', '1000'] });
    id = container.id;
    expect(box.list().some((state) => state.id === id && state.status === 'running')).toBe(true);
  });

  test('what a test has started has ended with it', ({ box }) => {
    expect(id).not.toBe('');
    expect(box.list().some((state) => state.id === id)).toBe(false);
  });
});

describe.skipIf(why !== undefined)(`node:test${why === undefined ? '' : ` (${why})`}`, () => {
  it('runs the example of the library page', () => {
    // Without the variables by which a test runner tells its children that they are its own.
    const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('NODE_') && !key.startsWith('VITEST')));
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--test', join(root, 'tests', 'library', 'example.testing.mjs')], { encoding: 'utf8', env, timeout: 60_000 });
    expect({ status, stdout: stdout.match(/^(?:# |ℹ )(?:pass|fail) \d+$/gm)?.map((line) => line.slice(2)), stderr }).toEqual({ status: 0, stdout: ['pass 2', 'fail 0'], stderr: '' });
  });
});
