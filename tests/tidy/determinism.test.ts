import { describe, expect, it } from 'vitest';
import { isSource, isTest, listFiles, readText } from './repository.ts';

/** What would make two runs of one seed differ: the host's clock, chance, timers, environment. */
const FORBIDDEN = /\bDate\b|Math\.random|performance\.now|setTimeout|setInterval|setImmediate|process\.(env|pid|hrtime)|crypto\.|from 'node:/;

describe('the simulated kernel', () => {
  it('uses nothing of the host that differs from run to run', () => {
    const files = listFiles('packages/sim/src').filter((file) => isSource(file) && !isTest(file) && /src\/(abi|kernel|vfs|det|launch)\//.test(file) && !file.includes('.generated.'));
    expect(files.length).toBeGreaterThan(40);
    const wrong = files.flatMap((file) => readText(file).split('\n').flatMap((line, index) => (!/^\s*(\/\*\*|\*|\/\/)/.test(line) && FORBIDDEN.test(line) ? [`${file}:${String(index + 1)}: ${line.trim()}`] : [])));
    expect(wrong).toEqual([]);
  });
});
