// An example for node:test, of the built package: `node --test tests/library/example.testing.mjs`.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openBox } from '../../packages/cli/dist/index.js';

let box;
before(async () => {
  box = await openBox();
});
// Ends what the tests have started.
after(() => box[Symbol.asyncDispose]());

void test('a command and its output', async () => {
  const { exitCode, stdout } = await box.run({ image: 'host', command: ['sh', '-c', 'echo hi'], memory: '64m', timeout: '20s' });
  assert.deepEqual({ exitCode, stdout }, { exitCode: 0, stdout: 'hi\n' });
});

void test('a service, and a command in it', async () => {
  const service = await box.start({ image: 'host', command: ['sh', '-c', 'echo ready; exec sleep 1000'] });
  await service.waitFor({ log: /ready/, timeout: '20s' });
  assert.equal((await service.exec(['id', '-u'])).stdout, '0\n');
  await service.stop({ timeout: 0 });
});
