import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cacheDirectory } from './compile-cache.ts';

const uid = process.getuid?.() ?? -1;
let home = '';
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'tsc-box-home-'));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

describe('the directory of compiled code', () => {
  it.skipIf(uid <= 0)('is in the user\'s own cache (needs an ordinary user)', () => {
    expect(cacheDirectory({ HOME: home }, uid)).toBe(`${home}/.cache/tsc-box/compile`);
    expect(cacheDirectory({ HOME: '/', XDG_CACHE_HOME: home }, uid)).toBe(`${home}/tsc-box/compile`);
  });

  it('is none below a directory of another user, who could put code there', () => {
    expect(cacheDirectory({ HOME: home }, uid + 1)).toBeUndefined();
    expect(cacheDirectory({ XDG_CACHE_HOME: home }, uid + 1)).toBeUndefined();
  });

  it.each([{}, { HOME: 'relative' }, { HOME: '/no/such/directory' }])('is none for %j', (env) => {
    expect(cacheDirectory(env, 1000)).toBeUndefined();
  });

  it('is none where there are no user ids', () => {
    expect(cacheDirectory({ HOME: home }, undefined)).toBeUndefined();
  });

  it.skipIf(uid !== 0)('of root is the system\'s, whatever HOME says (needs root)', () => {
    expect(cacheDirectory({ HOME: home, XDG_CACHE_HOME: home }, 0)).toBe('/var/cache/tsc-box/compile');
  });
});
