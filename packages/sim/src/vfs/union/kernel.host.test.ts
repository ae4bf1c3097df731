/** The union file system beside a kernel overlay mount: same operations, same results, same merged tree, same upper layer. */
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ACL_RULES } from '../../../testing/union/acl-rules.ts';
import { markedCase, unionCase } from '../../../testing/union/arbitraries.ts';
import { comparable, lostNumbers } from '../../../testing/union/cases.ts';
import { expectRule } from '../../../testing/union/expect-rule.ts';
import { KernelOverlay, whyNoKernel } from '../../../testing/union/kernel.ts';
import { RULES } from '../../../testing/union/rules.ts';
import { runOnUnion } from '../../../testing/union/sim-runner.ts';
import { openUnion, type Union } from './union.ts';

const reason = whyNoKernel();
/** UNION_RUNS=5000 for the long run. */
const runs = Number(process.env['UNION_RUNS'] ?? 150);
const seed = process.env['UNION_SEED'] === undefined ? {} : { seed: Number(process.env['UNION_SEED']) };

describe.skipIf(reason !== undefined)(`beside a kernel overlay mount${reason === undefined ? '' : ` (${reason})`}`, () => {
  let kernel: KernelOverlay;
  let union: Union;
  beforeAll(async () => {
    kernel = new KernelOverlay();
    union = await openUnion();
  });
  afterAll(() => kernel.close());

  for (const rule of [...RULES, ...ACL_RULES]) {
    it(`${rule.rule}: ${rule.says}`, async () => {
      const theirs = await kernel.run(rule.case);
      expectRule(rule, theirs);
      expect(comparable(runOnUnion(union, rule.case))).toEqual(comparable(theirs));
    });
  }

  it('random operations give the same results and the same trees', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(unionCase, markedCase), async (sample) => {
        const ours = runOnUnion(union, sample);
        const theirs = await kernel.run(sample);
        expect(comparable(ours)).toEqual(comparable(theirs));
        expect(lostNumbers(theirs, ours)).toEqual([]);
      }),
      { numRuns: runs, ...seed },
    );
  }, 3_600_000);
});
