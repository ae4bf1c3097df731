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
    if (object === undefined || typeof object === 'string') {
      expect(found, path).toEqual(object);
      continue;
    }
    expect(found, path).toBeTypeOf('object');
    for (const [key, value] of Object.entries(object)) expect((found as unknown as Record<string, unknown>)[key], `${key} of ${path}`).toEqual(value);
  }
}
