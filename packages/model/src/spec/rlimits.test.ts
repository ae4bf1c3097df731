import { expect, it } from 'vitest';
import { exceeds, parseUlimit } from './rlimits.ts';

it.each([
  ['nofile=1024:2048', 'RLIMIT_NOFILE', 1024, 2048],
  ['nproc=64', 'RLIMIT_NPROC', 64, 64],
  ['case 61: NOFILE=10', 'RLIMIT_NOFILE', 10, 10],
  ['case 61: core=-1', 'RLIMIT_CORE', -1, -1],
  ['case 61: core=0:-1', 'RLIMIT_CORE', 0, -1],
  ['RLIMIT_STACK=unlimited', 'RLIMIT_STACK', -1, -1],
])('reads %s', (text, type, soft, hard) => {
  expect(parseUlimit(text.replace(/^case 61: /, ''))).toEqual({ type, soft, hard });
});

it.each([
  ['nofile', 'allowed: NAME=SOFT[:HARD]'],
  ['nofile=', 'allowed: NAME=SOFT[:HARD]'],
  ['nofile=1:2:3', 'allowed: NAME=SOFT[:HARD]'],
  ['files=1', 'allowed: as, core'],
  ['nofile=1k', 'allowed: whole numbers'],
  ['nofile=-2', 'allowed: whole numbers'],
  ['nofile=2048:1024', 'a soft limit 2048 above the hard limit 1024'],
  ['nofile=-1:1024', 'a soft limit unlimited above the hard limit 1024'],
])('refuses %s', (text, message) => {
  expect(() => parseUlimit(text)).toThrow(message);
});

it('compares with infinity', () => {
  expect([exceeds(-1, 5), exceeds(5, -1), exceeds(-1, -1), exceeds(6, 5), exceeds(5, 5)]).toEqual([true, false, false, true, false]);
});
