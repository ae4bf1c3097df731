/** Each rule of overlayfs, on the union file system. `kernel.host.test.ts` runs the same ones on the kernel. */
import { beforeAll, describe, it } from 'vitest';
import { ACL_RULES } from '../../../testing/union/acl-rules.ts';
import { expectRule } from '../../../testing/union/expect-rule.ts';
import { RULES } from '../../../testing/union/rules.ts';
import { runOnUnion } from '../../../testing/union/sim-runner.ts';
import { openUnion, type Union } from './union.ts';

describe('the rules of overlayfs', () => {
  let union: Union;
  beforeAll(async () => {
    union = await openUnion();
  });
  for (const rule of [...RULES, ...ACL_RULES]) it(`${rule.rule}: ${rule.says}`, () => expectRule(rule, runOnUnion(union, rule.case)));
});
