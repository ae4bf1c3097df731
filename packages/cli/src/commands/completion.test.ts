import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { complete, type Names } from './completion.ts';
import { SCRIPTS } from './completion-scripts.ts';

const names: Names = (kind) => Promise.resolve(kind === 'containers' ? ['web', 'db'] : ['debian:12']);
const words = async (...typed: string[]): Promise<string[]> => (await complete(typed, names)).words.map(([word]) => word);
const directive = async (...typed: string[]): Promise<string> => (await complete(typed, names)).directive;

describe('completion', () => {
  it('offers commands, images and containers where they stand', async () => {
    expect(await words('')).toContain('run');
    expect(await words('--root', '/x', 'ru')).toContain('run');
    expect(await words('run', '-it', '')).toEqual(['host', 'oci:', 'docker-archive:', 'debian:12']);
    expect(await words('rm', '-f', '')).toEqual(['web', 'db']);
    expect(await words('rmi', '')).toEqual(['debian:12']);
    expect(await words('inspect', '')).toEqual(['web', 'db', 'debian:12']);
    expect(await words('completion', '')).toEqual(['bash', 'zsh', 'fish']);
  });

  it('offers flags, and their values', async () => {
    expect(await words('run', '--me')).toContain('--memory');
    expect(await words('run', '--network', '')).toEqual(['none', 'host', 'ns:']);
    expect(await words('run', '--network=')).toEqual(['--network=none', '--network=host', '--network=ns:']);
    expect(await words('--system', '')).toEqual(['linux', 'sim']);
    expect(await directive('run', '--rootfs', '')).toBe('directory');
    expect(await directive('run', '-itv', '')).toBe('file');
  });

  it('leaves the container\'s command to the shell', async () => {
    expect(await directive('run', '-m', '64m', 'host', '')).toBe('program');
    expect(await directive('run', 'host', 'ls', '--')).toBe('file');
    expect(await words('run', 'host', 'ls', '--')).toEqual([]);
    expect(await directive('run', 'oci:')).toBe('directory');
  });
});

/** bash takes a socket on its standard input for a remote login, and reads ~/.bashrc. */
const NO_STARTUP_FILES = ['--norc'];

/** A stand-in for tsc-box that answers as told, for the scripts. */
function inShell(shell: string, answer: string, script: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'tsc-box-completion-'));
  try {
    writeFileSync(join(directory, 'tsc-box'), `#!/bin/sh\nprintf '%b' '${answer}'\n`);
    chmodSync(join(directory, 'tsc-box'), 0o755);
    const { stdout, stderr } = spawnSync(shell, [...NO_STARTUP_FILES, '-c', `${SCRIPTS[shell] ?? ''}\n${script}`], { env: { PATH: `${directory}:${process.env['PATH'] ?? ''}` }, encoding: 'utf8' });
    expect(stderr.replaceAll(/.*compopt: not currently executing completion function\n/g, '')).toBe('');
    return stdout;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const has = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0;
const type = (line: string): string => `COMP_LINE='${line}' COMP_POINT=${line.length}; _tsc_box; printf '%s\\n' "\${COMPREPLY[@]}"`;

describe('the script for bash', () => {
  it.skipIf(!has('bash'))('puts the answer into COMPREPLY (needs bash)', () => {
    expect(inShell('bash', 'run\\tRun a command\\nrm\\n:none\\n', type('tsc-box r'))).toBe('run\nrm\n');
  });

  it.skipIf(!has('bash'))('replaces only what follows a colon or an equals sign (needs bash)', () => {
    expect(inShell('bash', '--network=none\\n--network=host\\n:none\\n', type('tsc-box run --network='))).toBe('none\nhost\n');
  });

  it.skipIf(!has('bash'))('adds directories where told to (needs bash)', () => {
    expect(inShell('bash', ':directory\\n', type('tsc-box run --rootfs /us'))).toBe('/usr\n');
  });
});

it.each(['zsh', 'fish'])('the script for %s is one that the shell can read (needs the shell)', (shell) => {
  expect(SCRIPTS[shell]).toContain('__complete');
  expect(SCRIPTS[shell]).not.toContain('\\${');
  if (has(shell)) expect(spawnSync(shell, ['-n', '-c', SCRIPTS[shell] ?? '']).status).toBe(0);
});
