import { readFileSync } from 'node:fs';
import { BoxError, SyscallError } from '@tsc-box/model';
import { describe, expect, it } from 'vitest';
import { formatStates, formatStatus } from './commands/ps.ts';
import { COMMANDS } from './commands/registry.ts';
import { streamWishes } from './commands/run.ts';
import { dispatch, openSystem } from './dispatch.ts';
import { fakeOutside, fakeState, type Behaviour, type Recorded } from './fake-engine.testing.ts';
import { VERSION } from './version.ts';

async function box(args: readonly string[], behaviour: Behaviour = {}): Promise<Recorded & { code: number }> {
  const { outside, recorded } = fakeOutside(behaviour);
  return { ...recorded, code: await dispatch(args, outside), requests: recorded.requests, output: recorded.output, errors: recorded.errors, cleanups: recorded.cleanups, dismissed: recorded.dismissed };
}

describe('run', () => {
  it('asks the engine for what the flags say', async () => {
    const { requests, code } = await box(['run', '--rm', '-i', '--memory', '64m', '-e', 'A=1', '--name=x', 'host', 'ls', '-l']);
    expect(code).toBe(0);
    expect(requests).toMatchObject([{ image: 'host', command: ['ls', '-l'], options: { interactive: true, memory: '64m', env: ['A=1'], name: 'x' }, remove: true, cwd: '/work dir', dieWithParent: true }]);
    expect(Object.keys(requests[0]?.options ?? {})).toEqual(['interactive', 'memory', 'env', 'name']);
  });

  it('takes a directory or a bundle in place of an image', async () => {
    expect((await box(['run', '--rootfs', './root', '/bin/sh', '-c', 'x'])).requests).toMatchObject([{ rootfs: './root', command: ['/bin/sh', '-c', 'x'], options: {} }]);
    expect((await box(['run', '--bundle', './b'])).requests).toMatchObject([{ bundle: './b', command: [], options: {} }]);
  });

  it.each([[['run']], [['run', '--']], [['run', '--rootfs', 'a', '--bundle', 'b']], [['run', '']]])('%j is refused: it isn\'t clear what to run', async (args) => {
    const { code, errors, requests } = await box(args);
    expect([code, requests]).toEqual([125, []]);
    expect(errors).toContain('tsc-box: error: read the command line: ');
  });

  it.each([[{ code: 0 }, 0], [{ code: 7 }, 7], [{ code: 137, signal: 9 }, 137], [{ code: 125 }, 125]])('ends as the container did: %j gives %d', async (status, expected) => {
    expect((await box(['run', 'host', 'true'], { status })).code).toBe(expected);
  });

  it.each([
    ['ERR_TSCBOX_COMMAND_NOT_FOUND', 127], ['ERR_TSCBOX_COMMAND_NOT_EXECUTABLE', 126], ['ERR_TSCBOX_IMAGE_NOT_FOUND', 125], ['ERR_TSCBOX_STATE', 125],
  ] as const)('a launch that fails with %s gives %d', async (errorCode, expected) => {
    const { code, errors } = await box(['run', 'host', 'nope'], { error: new BoxError({ code: errorCode, attempted: 'execute "nope"' }) });
    expect(code).toBe(expected);
    expect(errors).toBe('tsc-box: error: execute "nope"\n');
  });

  it('shows warnings, and says when memory ran out', async () => {
    const { errors } = await box(['run', 'host', 'x'], { status: { code: 137, signal: 9, oomKilled: true } });
    expect(errors).toBe('tsc-box: warning: something odd\ntsc-box: warning: the kernel killed a process of the container: its memory limit was reached\n');
  });

  it('kills the container when waiting for it fails', async () => {
    const { code, killed, cleanups, dismissed } = await box(['run', 'host', 'x'], { waitError: new Error('lost') });
    expect([code, killed, cleanups, dismissed]).toEqual([125, [9], 1, 0]);
  });

  it('lets its guard go when the container has ended and is tidied up', async () => {
    expect((await box(['run', 'host', 'x'])).dismissed).toBe(1);
  });

  it('gives a bundle the terminal that its config asks for', () => {
    expect(streamWishes({ bundle: '/nowhere', options: {}, cwd: '/' })).toEqual({ interactive: true, terminal: false });
  });
});

describe('errors', () => {
  it('are JSON with --error-format, wherever it stands', async () => {
    const error = new SyscallError({ attempted: 'mount x', step: 'mounts.1', syscall: 'mount', errno: 'EPERM' });
    for (const args of [['--error-format', 'json', 'run', 'host', 'x'], ['run', '--error-format=json', 'host', 'x']]) {
      expect(JSON.parse((await box(args, { error })).errors)).toMatchObject({ code: 'ERR_TSCBOX_STEP_FAILED', step: 'mounts.1', errno: 'EPERM' });
    }
  });

  it('in the command line itself are JSON too when asked for', async () => {
    expect(JSON.parse((await box(['run', '--nope', '--error-format', 'json', 'host'])).errors)).toMatchObject({ code: 'ERR_TSCBOX_USAGE' });
    expect((await box(['run', '--nope', 'host', '--', '--error-format', 'json'])).errors).toMatch(/^tsc-box: error: /);
  });

  it('in the command suggest another', async () => {
    const { code, errors } = await box(['rnu', 'host']);
    expect(code).toBe(125);
    expect(errors).toContain('did you mean "run"?');
  });

  it.each([[['ps', 'x']], [['rm']], [['diff']], [['diff', 'a', 'b']], [['ps', '--format', 'yaml']], [['completion', 'tcsh']], [['--root']]])('%j is refused', async (args) => {
    expect((await box(args)).code).toBe(125);
  });
});

describe('the kernel', () => {
  it.each<[string[], Record<string, string>, string]>([
    [['run', 'host', 'x'], {}, 'linux'], [['run', '--simulate', 'host', 'x'], {}, 'sim'], [['--system', 'sim', 'run', 'host', 'x'], {}, 'sim'],
    [['run', '--system=linux', 'host', 'x'], { TSC_BOX_SYSTEM: 'sim' }, 'linux'], [['run', 'host', 'x'], { TSC_BOX_SYSTEM: 'sim' }, 'sim'], [['run', 'host', 'x'], { TSC_BOX_SYSTEM: '' }, 'linux'],
  ])('for %j with %j is %s', async (args, env, system) => {
    expect((await box(args, { env })).opened).toEqual([[system, undefined]]);
  });

  it('that nobody knows is refused with those there are', async () => {
    await expect(openSystem('bsd')).rejects.toThrow('found "bsd", allowed: linux, sim');
  });

  it('has its things under --root, before or after the command', async () => {
    expect((await box(['--root', '/a', 'ps'])).opened).toEqual([['linux', '/a']]);
    expect((await box(['--root', '/a', 'ps', '--root', '/b'])).opened).toEqual([['linux', '/b']]);
  });
});

describe('plan and check', () => {
  it('print text, or JSON', async () => {
    expect((await box(['plan', 'host', 'true'])).output).toContain('clone:\n  CLONE_NEWNS');
    expect(JSON.parse((await box(['plan', '--json', 'host', 'true'])).output)).toMatchObject({ version: 1, clone: { flags: ['CLONE_NEWNS'] } });
    expect(JSON.parse((await box(['check', '--json', 'host', 'true'])).output)).toMatchObject([{ ok: true }, { ok: true }]);
  });

  it('say what would fail, why and what to do, and give 1 then', async () => {
    expect((await box(['check', 'host', 'true'])).code).toBe(0);
    const { code, output } = await box(['check', 'host', 'true'], { error: 'x' });
    expect(code).toBe(1);
    expect(output).toBe('ok    kernel  Linux 6.1\nFAIL  cgroup  limit: not delegated\n      hint: run as root\n\n1 of 2 checks failed: run would fail at cgroup\n');
  });
});

describe('ps', () => {
  const states = [fakeState({ status: 'running', startedAt: '2026-01-01T00:00:00Z', name: 'up' }), fakeState({ exitCode: 0, finishedAt: '2026-01-01T00:00:05Z', id: 'b'.repeat(64) })];

  it('lists what runs, and all with -a', async () => {
    expect((await box(['ps', '-q'], { states })).output).toBe('aaaaaaaaaaaa\n');
    expect((await box(['ps', '-aq', '--no-trunc'], { states })).output).toBe(`${'a'.repeat(64)}\n${'b'.repeat(64)}\n`);
  });

  it('as JSON has a line for each container, without what is internal', async () => {
    const lines = (await box(['ps', '-a', '--format', 'json'], { states })).output.trimEnd().split('\n').map((line) => JSON.parse(line) as object);
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatchObject({ name: 'calm_box', status: 'exited', exitCode: 0 });
    expect(lines[1]).not.toHaveProperty('root');
  });

  it('as a table has docker\'s columns', () => {
    expect(formatStates(states, false, Date.parse('2026-01-01T00:01:00Z'))).toBe([
      'CONTAINER ID   IMAGE   COMMAND                  CREATED              STATUS                      NAMES',
      'aaaaaaaaaaaa   host    "sh -c echo a long c…"   About a minute ago   Up About a minute           up',
      'bbbbbbbbbbbb   host    "sh -c echo a long c…"   About a minute ago   Exited (0) 55 seconds ago   calm_box',
      '',
    ].join('\n'));
  });

  it('says how it ended', () => {
    expect(formatStatus({ status: 'created' }, 0)).toBe('Created');
    expect(formatStatus({ status: 'exited', exitCode: 137, signal: 9, oomKilled: true }, 0)).toBe('Exited (137, out of memory)');
    expect(formatStatus({ status: 'exited', exitCode: 143, signal: 15 }, 0)).toBe('Exited (143, SIGTERM)');
    expect(formatStatus({ status: 'exited' }, 0)).toBe('Exited (?)');
  });
});

describe('rm and diff', () => {
  it('remove each container named', async () => {
    const { removed, output } = await box(['rm', '-f', 'a', 'b']);
    expect(removed).toEqual([['a', true], ['b', true]]);
    expect(output).toBe('a\nb\n');
  });

  it('go on after one that can\'t be removed', async () => {
    const { code, errors } = await box(['rm', 'a', 'b'], { error: new BoxError({ code: 'ERR_TSCBOX_CONTAINER_NOT_FOUND', attempted: 'find it' }) });
    expect(code).toBe(125);
    expect(errors).toBe('tsc-box: error: find it\ntsc-box: error: find it\n');
  });

  it('show a path a line, quoted when it holds a line break', async () => {
    expect((await box(['diff', 'x'])).output).toBe('A /etc/new\nD "/odd\\nname"\n');
  });
});

describe('help', () => {
  it.each(COMMANDS.map(({ name }) => name))('of %s shows usage, options and examples', async (name) => {
    const { code, output } = await box([name, '--help']);
    expect(code).toBe(0);
    expect(output).toContain(`Usage:\n  tsc-box ${name}`);
    expect(output).toContain('--error-format FORMAT');
    expect(output).toContain('Examples:');
  });

  it.each([[[]], [['help']], [['-h']], [['--help']]])('of the program comes with %j', async (args) => {
    const { code, output } = await box(args);
    expect(code).toBe(0);
    for (const { name, summary } of COMMANDS) expect(output).toMatch(new RegExp(`^  ${name} +${summary}`, 'm'));
  });

  it('of a command also comes with "help COMMAND", and -h where that is no hostname', async () => {
    expect((await box(['help', 'ps'])).output).toBe((await box(['ps', '-h'])).output);
    expect((await box(['run', '-h'])).errors).toContain('-h needs a value: --hostname NAME');
  });

  it('has every flag of run in it', async () => {
    const { output } = await box(['run', '--help']);
    for (const { long } of COMMANDS[0]?.flags ?? []) expect(output).toContain(`--${long}`);
  });
});

it('the version is that of the package', async () => {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  expect(VERSION).toBe(manifest.version);
  expect((await box(['--version'])).output).toBe(`tsc-box ${VERSION}\n`);
  expect(JSON.parse((await box(['version', '--json'])).output)).toMatchObject({ version: VERSION, node: process.version });
});
