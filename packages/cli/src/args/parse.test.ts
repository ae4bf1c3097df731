import { UsageError } from '@tsc-box/model';
import { describe, expect, it } from 'vitest';
import type { Parsed } from './flag.ts';
import { nearest } from './nearest.ts';
import { parseArgs } from './parse.ts';
import { DOCKER_ONLY, DOCKER_ONLY_SHORT, REQUEST_KEYS, RUN_FLAGS, GLOBAL_FLAGS } from './run-flags.ts';

const flags = [...RUN_FLAGS, ...GLOBAL_FLAGS];
const run = (...args: string[]): Parsed => parseArgs(args, { command: 'run', flags, stopAtWord: true });
const failure = (...args: string[]): UsageError => {
  try {
    run(...args);
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
  throw new Error('expected a UsageError');
};

describe('a command line', () => {
  it.each<[args: string[], values: Parsed['values'], positionals: string[]]>([
    [['host', 'ls', '-l', '--rm'], {}, ['host', 'ls', '-l', '--rm']],
    [['-it', 'host'], { interactive: true, terminal: true }, ['host']],
    [['-itw', '/tmp', 'host'], { interactive: true, terminal: true, workdir: '/tmp' }, ['host']],
    [['-itw/tmp', 'host'], { interactive: true, terminal: true, workdir: '/tmp' }, ['host']],
    [['-w=/tmp', 'host'], { workdir: '/tmp' }, ['host']],
    [['--env=K=V', '-e', 'A', '-eB=1=2', 'host'], { env: ['K=V', 'A', 'B=1=2'] }, ['host']],
    [['--env=', 'host'], { env: [''] }, ['host']],
    [['--memory', '64m', '--memory=32m', 'host'], { memory: '32m' }, ['host']],
    [['--memory-swap', '-1', 'host'], { memorySwap: '-1' }, ['host']],
    [['--rm=false', '--init=true', 'host'], { remove: false, init: true }, ['host']],
    [['-i=false', '-t', 'host'], { interactive: false, terminal: true }, ['host']],
    [['--', 'host', '--rm'], {}, ['host', '--rm']],
    [['host', '--', 'ls'], {}, ['host', '--', 'ls']],
    [['--name', '--', 'host'], { name: '--' }, ['host']],
    [['--net=none', 'host'], { network: 'none' }, ['host']],
    [['-h', 'box', 'host'], { hostname: 'box' }, ['host']],
    [['--error-format', 'json', '--root', '/r', 'host'], { errorFormat: 'json', root: '/r' }, ['host']],
    [['-', '-x'], {}, ['-', '-x']],
    [[], {}, []],
  ])('%j is read as docker reads it', (args, values, positionals) => {
    expect(run(...args)).toEqual({ values, positionals });
  });

  it('reads flags after words too where no container command follows', () => {
    expect(parseArgs(['a', '--rm', 'b', '--', '--c'], { command: 'rm', flags, stopAtWord: false })).toEqual({ values: { remove: true }, positionals: ['a', 'b', '--c'] });
  });

  it.each<[args: string[], message: string, hint: string]>([
    [['--memroy', '5', 'host'], 'unknown option --memroy', 'did you mean --memory? see: tsc-box run --help'],
    [['--cap-ad=X', 'host'], 'unknown option --cap-ad', 'did you mean --cap-add?'],
    [['--xyzzy'], 'unknown option --xyzzy', 'see: tsc-box run --help'],
    [['--constructor'], 'unknown option --constructor', 'see: tsc-box run --help'],
    [['-itZ', 'host'], 'unknown option -Z in "-itZ"', 'see: tsc-box run --help'],
    [['-rm', 'host'], 'unknown option -r in "-rm"', 'did you mean --rm?'],
    [['--memory'], '--memory needs a value: --memory SIZE', 'see: tsc-box run --help'],
    [['-e'], '-e needs a value: --env KEY[=VALUE]', 'see: tsc-box run --help'],
    [['--rm=maybe', 'host'], 'found "maybe", allowed: true or false', ''],
    [['--time=now', 'host'], 'found "now", allowed: private, host', ''],
    [['-p', '80', 'host'], '-p (--publish) is an option of docker that this version of tsc-box does not have', 'see: tsc-box run --help'],
    [['--publish=80:80', 'host'], '--publish is an option of docker that this version of tsc-box does not have', 'see'],
  ])('%j is refused with what is wrong and what to do', (args, message, hint) => {
    const error = failure(...args);
    expect(error.message).toContain(message);
    expect(error.hint ?? '').toContain(hint);
  });
});

describe('the table of flags', () => {
  it('names every flag, letter and key once', () => {
    const names = flags.flatMap(({ long, short, aliases = [] }) => [`--${long}`, ...aliases.map((alias) => `--${alias}`), ...(short === undefined ? [] : [`-${short}`])]);
    expect(names).toEqual([...new Set(names)]);
    const keys = flags.map(({ key }) => key);
    expect(keys).toEqual([...new Set(keys)]);
  });

  it('has a placeholder for each value and none for switches', () => {
    for (const flag of flags) expect([flag.long, flag.value === undefined]).toEqual([flag.long, flag.kind === 'boolean']);
  });

  it('does not call an option that it has docker\'s alone', () => {
    expect(flags.filter(({ long }) => DOCKER_ONLY.includes(long))).toEqual([]);
    expect(flags.filter(({ short }) => short !== undefined && short in DOCKER_ONLY_SHORT)).toEqual([]);
  });

  it('has a flag for each option of a container, of the right kind', async () => {
    const { checkRunOptions } = await import('@tsc-box/model');
    const sample = { boolean: true, string: 'x', list: ['x'] } as const;
    const options = Object.fromEntries(RUN_FLAGS.filter(({ key }) => !REQUEST_KEYS.includes(key)).map(({ key, kind }) => [key, sample[kind]]));
    expect(() => checkRunOptions(options)).not.toThrow();
    let known = '';
    try {
      checkRunOptions({ nothing: true } as object);
    } catch (error) {
      known = String(error);
    }
    expect(Object.keys(options).toSorted()).toEqual(known.replace(/^.*allowed: /s, '').split(', ').toSorted());
  });
});

describe('a suggestion', () => {
  it.each([['memroy', 'memory'], ['Memory', 'memory'], ['mem', 'memory'], ['xyzzy', undefined], ['', undefined]])('for "%s" is %s', (word, expected) => {
    expect(nearest(word, ['memory', 'name', 'env'])).toBe(expected);
  });
});
