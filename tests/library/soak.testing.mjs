// A program that the soak kills at any moment: containers at once, again and again, of the built library. Arguments: root, mark, cgroup parent.
import { openBox } from '../../packages/cli/dist/index.js';

const [, , root, mark, cgroupParent] = process.argv;
const box = await openBox({ root });
const call = (script) => ({ image: 'host', command: ['sh', '-c', script], env: { [mark]: '1' }, cgroupParent, pidsLimit: 32 });
process.stdout.write('ready\n');
for (;;) {
  await Promise.all([
    box.run(call('true')),
    box.run({ ...call('sleep 1000'), timeout: 30 }),
    box.start(call('echo up; sleep 1000')).then(async (container) => {
      await container.waitFor({ log: 'up' });
      await container[Symbol.asyncDispose]();
    }),
  ]);
}
