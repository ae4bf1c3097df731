/** The union file system beside the reference: on any machine, without privileges. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unionCase } from '../../../testing/union/arbitraries.ts';
import type { CaseAnswer, CaseTree } from '../../../testing/union/cases.ts';
import { expectRule } from '../../../testing/union/expect-rule.ts';
import { runOnReference } from '../../../testing/union/reference.ts';
import { RULES } from '../../../testing/union/rules.ts';
import { runOnUnion } from '../../../testing/union/sim-runner.ts';
import { openUnion } from './union.ts';

/** UNION_RUNS=20000 for the long run: an average case has 12 operations. */
const runs = Number(process.env['UNION_RUNS'] ?? 1000);
const seed = process.env['UNION_SEED'] === undefined ? {} : { seed: Number(process.env['UNION_SEED']) };

function withoutNumbers(tree: CaseTree): unknown {
  return Object.fromEntries(Object.entries(tree).map(([path, object]) => [path, typeof object === 'string' ? object : { ...object, ino: 0 }]));
}

const comparable = ({ results, merged, upper }: Omit<CaseAnswer, 'before'>): unknown => ({ results, merged: withoutNumbers(merged), upper: withoutNumbers(upper) });

describe('beside the reference', () => {
  // The reference knows nothing of marks "x", redirects, long names and capabilities.
  const known = RULES.filter(({ rule }) => !['L4', 'L7', 'L8', 'C8'].includes(rule));
  for (const rule of known) {
    it(`${rule.rule}: ${rule.says}`, () => expectRule(rule, { ...runOnReference(rule.case), before: {} }));
  }

  it('random operations give the same results and the same trees', async () => {
    const union = await openUnion();
    fc.assert(
      fc.property(unionCase, (sample) => {
        expect(comparable(runOnUnion(union, sample))).toEqual(comparable(runOnReference(sample)));
      }),
      { numRuns: runs, ...seed },
    );
  }, 3_600_000);
});
