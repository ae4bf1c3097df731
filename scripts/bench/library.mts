/** The library, in one process: containers one after another and many at once, from openBox to what came of them. */
import { join } from 'node:path';
import { alternate, now, type Subject } from './measure.mts';
import { podman, type Workshop } from './peers.mts';
import type { Section } from './report.mts';

const AT_ONCE = 200;

export async function* library({ directory, root }: Workshop, rounds: number): AsyncGenerator<Section> {
  const { openBox } = (await import('../../packages/cli/dist/index.js')) as typeof import('../../packages/cli/src/index.ts');
  const box = await openBox({ root: join(directory, 'library') });
  const call = { rootfs: root, command: ['/bin/true'], readOnly: true } as const;
  const one = (name: string, more: { readonly network?: string }): Subject => ({
    name,
    async run() {
      const start = now();
      const { exitCode } = await box.run({ ...call, ...more });
      if (exitCode !== 0) throw new Error(`true ended with ${String(exitCode)}`);
      return now() - start;
    },
  });
  const peer = podman({ directory, root });
  const subjects = [one('box.run', {}), one('box.run, the machine\'s network', { network: 'host' }), ...('run' in peer ? [peer] : [])];
  const timings = await alternate(subjects, Math.max(rounds, 5), 5);
  const limits = [3, 1.5];
  yield {
    title: 'library: static true on a directory, one after another', timings, skipped: 'run' in peer ? [] : [peer],
    targets: timings.slice(0, 2).map(({ name, median }, index) => ({ what: `${name}, median`, unit: 'ms' as const, value: median, limit: limits[index] ?? 3 })),
  };

  let late = 0;
  const beat = setInterval(tick, 1);
  let last = now();
  function tick(): void {
    late = Math.max(late, now() - last);
    last = now();
  }
  const start = now();
  const results = await Promise.all(Array.from({ length: AT_ONCE }, () => box.run(call)));
  const time = now() - start;
  clearInterval(beat);
  if (results.some(({ exitCode }) => exitCode !== 0)) throw new Error('not every container ended with 0');
  yield {
    title: `library: ${String(AT_ONCE)} at once, ${((AT_ONCE * 1000) / time).toFixed(0)} a second; the event loop stood still for ${late.toFixed(0)} ms at most`, timings: [], skipped: [],
    targets: [{ what: `${String(AT_ONCE)} at once`, unit: 'ms', value: time, limit: (AT_ONCE * 1000) / 400 }],
  };
}
