import { describe, expect, it } from 'vitest';
import { checkCpuset, parseCpus, parseDurationMs, parseInteger, parseOctal, parseSize } from './numbers.ts';

const MIB = 1024 ** 2;

describe('numbers', () => {
  it.each([['0', 0], ['1024', 1024], ['64m', 64 * MIB], ['64M', 64 * MIB], ['64mb', 64 * MIB], ['64MiB', 64 * MIB], ['1.5g', 1536 * MIB], ['10b', 10], ['2 k', 2048], ['1t', 1024 ** 4]])('reads the size %s', (text, bytes) => {
    expect(parseSize(text, '--memory')).toBe(bytes);
  });
  it.each(['', '-1', '64q', 'm', '1.2.3m', '0x10', '64 mm', '999999999t', '1e3'])('refuses the size %j and names the option', (text) => {
    expect(() => parseSize(text, '--memory')).toThrow(`read --memory: found "${text}"`);
  });

  it.each([['1.5', 150_000], ['.5', 50_000], ['2', 200_000], ['0.01', 1000]])('reads --cpus %s', (text, quota) => {
    expect(parseCpus(text, 2)).toEqual({ quota, period: 100_000 });
  });
  it('--cpus 0 is no limit', () => expect(parseCpus('0', 2)).toBeUndefined());
  it('case 33: too many CPUs are refused in CPUs', () => {
    expect(() => parseCpus('2', 1)).toThrow('found "2", allowed: 0.01 to 1 CPUs: this host has one CPU');
  });
  it.each(['-1', '0.001', 'x', '', '1e0', '3'])('refuses --cpus %j', (text) => {
    expect(() => parseCpus(text, 2)).toThrow('read --cpus');
  });

  it.each(['0', '0-3', '0-3,5', '0-3,5,7-9'])('accepts the list %s', (text) => expect(checkCpuset(text, '--cpuset-cpus')).toBe(text));
  it.each(['', '3-0', '0-', 'a', '0,,1', '0 1'])('refuses the list %j', (text) => {
    expect(() => checkCpuset(text, '--cpuset-cpus')).toThrow('numbers and ranges');
  });

  it.each([['10', 10_000], ['1.5s', 1500], ['1m30s', 90_000], ['500ms', 500], ['2h', 7_200_000]])('reads the duration %s', (text, ms) => expect(parseDurationMs(text, '--timeout')).toBe(ms));
  it.each(['', 's', '5x', '1m 2s', '-1s'])('refuses the duration %j', (text) => {
    expect(() => parseDurationMs(text, '--timeout')).toThrow('read --timeout');
  });

  it('reads whole numbers in a range and octal modes', () => {
    expect(parseInteger('-500', '--oom-score-adj', -1000, 1000)).toBe(-500);
    expect(() => parseInteger('1001', '--oom-score-adj', -1000, 1000)).toThrow('a whole number from -1000 to 1000');
    expect(parseOctal('1777', 'tmpfs-mode', 0o7777)).toBe(0o1777);
    expect(() => parseOctal('8', 'tmpfs-mode', 0o7777)).toThrow('an octal number from 0 to 7777');
  });
});
