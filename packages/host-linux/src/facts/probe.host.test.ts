import { describe, expect, it } from 'vitest';
import { probeFacts } from './probe.ts';

describe.skipIf(process.platform !== 'linux')('probeFacts (needs Linux)', () => {
  it('describes this host, fast', () => {
    probeFacts();
    const start = performance.now();
    const facts = probeFacts();
    const took = performance.now() - start;
    expect(facts.uid).toBe(process.geteuid?.());
    expect(facts.kernel[0]).toBeGreaterThan(3);
    expect(facts.cgroup.hierarchies.every((h) => (h.parent === undefined) !== (h.refusal === undefined))).toBe(true);
    expect(took).toBeLessThan(process.env.TSC_BOX_TEST_MACHINE === undefined ? 50 : 500);
  });
});
