import { expect } from 'vitest';
import type { CaseAnswer, CaseTree } from './cases.ts';
import type { RuleCase } from './rules.ts';

/** Compares what a rule states; what it leaves open is not looked at. */
export function expectRule({ results, merged = {}, upper = {} }: RuleCase, answer: CaseAnswer): void {
  if (results !== undefined) expect(answer.results).toEqual(results);
  expectTree(merged, answer.merged);
  expectTree(upper, answer.upper);
}

function expectTree(expected: NonNullable<RuleCase['merged']>, tree: CaseTree): void {
  for (const [path, object] of Object.entries(expected)) {
    const found = tree[path];
    if (object === undefined || typeof object === 'string') expect({ [path]: found }).toEqual({ [path]: object });
    else expect({ [path]: pick(found, Object.keys(object)) }).toEqual({ [path]: object });
  }
}

function pick(object: CaseTree[string] | undefined, keys: readonly string[]): unknown {
  if (typeof object !== 'object') return object;
  const all: Readonly<Record<string, unknown>> = { ...object };
  return Object.fromEntries(keys.map((key) => [key, all[key]]));
}
