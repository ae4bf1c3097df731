/**
 * `tsc-box/vitest`: a test with containers.
 * ```ts
 * import { test } from 'tsc-box/vitest';
 * test('…', async ({ box, expect }) => { … await box.run({ image: 'host', command: ['id'] }) … });
 * ```
 */
import { test as base, type TestAPI } from 'vitest';
import type { Box } from '@tsc-box/engine';
import { openBox, type OpenBoxOptions } from './index.ts';

export interface BoxFixtures {
  /** What `box` is opened with: `test.override({ boxOptions: { root: '…' } })`. */
  readonly boxOptions: OpenBoxOptions;
  /** Opened when a test first asks for it. What a test has started ends with the test. */
  readonly box: Box;
}

/** vitest's own `test`, with the fixture `box`. */
export const test: TestAPI<BoxFixtures> = base.extend<BoxFixtures>({
  boxOptions: [{}, { injected: false }],
  box: async ({ boxOptions }, use) => {
    const box = await openBox(boxOptions);
    try {
      await use(box);
    } finally {
      await box[Symbol.asyncDispose]();
    }
  },
});
