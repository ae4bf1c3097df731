import { describe, expect, it } from 'vitest';
import { imageEnv, mergeEnv, parseEnvFile, parseEnvOption } from './env.ts';

const host = { HOME: '/root', EMPTY: '' };

describe('environment', () => {
  it.each([
    ['A=b', { name: 'A', value: 'b' }],
    ['case 64: A=b=c', { name: 'A', value: 'b=c' }],
    ['case 64: A=x,y', { name: 'A', value: 'x,y' }],
    ['A=', { name: 'A', value: '' }],
    ['HOME', { name: 'HOME', value: '/root' }],
    ['EMPTY', { name: 'EMPTY', value: '' }],
    ['NOT_SET', { name: 'NOT_SET', value: undefined }],
    ['constructor', { name: 'constructor', value: undefined }],
  ])('reads -e %s', (text, expected) => {
    expect(parseEnvOption(text.replace(/^case 64: /, ''), host)).toEqual(expected);
  });

  it.each(['', '=b', 'A=\0'])('refuses -e %j', (text) => {
    expect(() => parseEnvOption(text, host)).toThrow('allowed: NAME=VALUE');
  });

  it('reads a file by docker\'s rules: comments, host values, quotes and blanks kept', () => {
    const text = '\uFEFF# comment\n\nA=1 \r\n  B="quoted"\nC=x=y\nHOME\nNOT_SET\n#D=1\nE=\n';
    expect(mergeEnv(parseEnvFile(text, '/x.env', host))).toEqual(['A=1 ', 'B="quoted"', 'C=x=y', 'HOME=/root', 'E=']);
  });

  it.each([['A B=1', 'line 1: found "A B=1"'], ['X=1\n=2', 'line 2: found "=2"']])('refuses the line of %j with its number', (text, message) => {
    expect(() => parseEnvFile(text, '/x.env', host)).toThrow(message);
  });

  it('lets later lists win and a name without value take away', () => {
    expect(mergeEnv(imageEnv(['A=1', 'B=2', 'junk']), [{ name: 'B', value: '3' }, { name: 'A', value: undefined }, { name: 'C', value: '' }])).toEqual(['B=3', 'C=']);
  });
});
