import { chmodSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterAll, describe, expect, it } from 'vitest';
import { makeHome, refusal } from '../cli/command.ts';
import { command, missingCommand } from '../images/cache.ts';
import { USERS } from './ordinary-user.ts';
import { containerProcess } from './processes.ts';
import { copyBusyboxRoot } from './bundle.ts';

describe.each(USERS)('exit codes as $who', ({ why, make }) => {
  const home = why === undefined ? make() : undefined;
  afterAll(() => home?.remove());
  const run = (...args: readonly string[]) => home!.run(['run', '--rm', ...args]);
  const image = home?.image ?? [];
  const title = (text: string): string => (why === undefined ? text : `${text} (${why})`);

  it.skipIf(why !== undefined)(title('case 1 (podman#367): a command that is not found is 127, a directory or a file without x is 126'), () => {
    expect(run(...image, 'nope')).toMatchObject({ code: 127, stdout: '', stderr: expect.stringMatching(/"nope".*not found in PATH of the container/) });
    expect(run(...image, '/nope')).toMatchObject({ code: 127 });
    expect(run(...image, '/etc')).toMatchObject({ code: 126, stderr: expect.stringContaining('it is a directory') });
    expect(run(...image, '/etc/passwd')).toMatchObject({ code: 126, stderr: expect.stringContaining('no execute permission') });
  });

  it.skipIf(why !== undefined)(title('case 1: the command\'s own code is passed on, also one that tsc-box uses'), () => {
    for (const code of [1, 125, 255]) expect(run(...image, 'sh', '-c', `exit ${String(code)}`)).toMatchObject({ code, stderr: '' });
  });

  it.skipIf(why !== undefined)(title('case 2 (podman#1398): an unknown flag, an unknown command and an image that is not there are 125'), () => {
    for (const args of [['run', '--no-such-flag', 'host', 'true'], ['no-such-command'], ['run'], ['run', 'no-such-image', 'true'], ['run', 'oci:/no/such/layout', 'true'], ['run', '--rootfs', '/no/such/root', 'true'], ['run', '--bundle', '/no/such/bundle']]) {
      expect([args, home!.run(args)]).toMatchObject([args, { code: 125, stdout: '', stderr: expect.stringContaining('tsc-box: error: ') }]);
    }
  });

  it.skipIf(why !== undefined).each([
    ['SIGKILL to its process', [], 'KILL', 137],
    ['SIGTERM to a process with the default handler under --init', ['--init'], 'TERM', 143],
  ] as const)(title('case 4 (podman#389): %s gives 128 and the signal'), async (_, flags, signal, code) => {
    const child = home!.start(['run', '--rm', ...flags, ...image, 'sh', '-c', 'echo ready; exec sleep 1000']);
    await once(child.stdout!, 'data');
    // With an init the sleep is its child, in the same pid namespace.
    process.kill(await containerProcess(child.pid!, 'sleep'), `SIG${signal}`);
    expect(await once(child, 'exit')).toEqual([code, null]);
  });

  it.skipIf(why !== undefined)(title('case 7 (runc#979): a working directory that is not there is quoted and called process.cwd'), () => {
    const result = run('-w', '/testdir', ...image, 'pwd');
    expect(result).toMatchObject({ code: 126, stdout: '' });
    expect(result.stderr).toMatch(/process\.cwd.*"\/testdir".*does not exist/);
  });
});

const why = refusal();
const title = (text: string, reason = why): string => (reason === undefined ? text : `${text} (${reason})`);

describe('commands and working directories', () => {
  const home = why === undefined ? makeHome() : undefined;
  afterAll(() => home?.remove());
  const missing = why ?? (missingCommand('umoci') === undefined ? undefined : 'needs umoci');

  it.skipIf(missing !== undefined)(title('case 7 (podman#9040): the working directory of an image that is not there is made', missing), () => {
    const layout = join(home!.directory, 'oci');
    const root = copyBusyboxRoot(join(home!.directory, 'image-root'));
    const image = `${layout}:1`;
    command('umoci', 'init', '--layout', layout);
    command('umoci', 'new', '--image', image);
    command('umoci', 'insert', '--image', image, root, '/');
    command('umoci', 'config', '--image', image, '--config.workingdir=/srv/made/for/me', '--config.env=PATH=/bin');
    expect(home!.run(['run', '--rm', `oci:${image}`, 'sh', '-c', 'pwd; ls -A | wc -l; touch here'])).toEqual({ code: 0, signal: null, stdout: '/srv/made/for/me\n0\n', stderr: '' });
    expect(home!.run(['run', '--rm', '-w', '/other', `oci:${image}`, 'pwd'])).toMatchObject({ code: 126, stderr: expect.stringContaining('"/other"') });
  });

  it.skipIf(why !== undefined)(title('case 8 (crun#1672): what is wrong with a file that can\'t be run is said'), async () => {
    const directory = join(home!.directory, 'things');
    mkdirSync(join(directory, 'directory'), { recursive: true });
    const script = (name: string, text: string, mode = 0o755): void => {
      writeFileSync(join(directory, name), text);
      chmodSync(join(directory, name), mode);
    };
    script('plain', '#!/bin/sh\n', 0o644);
    script('no-interpreter', '#!/no/such/interpreter\n');
    script('garbage', 'garbage');
    spawnSync('mkfifo', [join(directory, 'fifo')]);
    symlinkSync('nowhere', join(directory, 'dangling'));
    symlinkSync('loop', join(directory, 'loop'));
    const server = createServer().listen(join(directory, 'socket'));
    await once(server, 'listening');
    const table: readonly (readonly [string, number, RegExp])[] = [
      ['./socket', 126, /it is a socket/], ['./fifo', 126, /it is a named pipe/], ['./directory', 126, /it is a directory/], ['./plain', 126, /no execute permission/],
      ['./no-interpreter', 126, /interpreter "\/no\/such\/interpreter" does not exist/], ['./garbage', 126, /exec format error/], ['./missing', 127, /no such file/], ['./dangling', 127, /no such file/],
      ['./loop', 126, /ELOOP.*symbolic links/], ['', 127, /empty/],
    ];
    for (const [name, code, message] of table) expect([name, home!.run(['run', '--rm', '-v', `${directory}:/things:ro`, '-w', '/things', 'host', name])]).toMatchObject([name, { code, stderr: expect.stringMatching(message) }]);
    server.close();
  });

  it.skipIf(why !== undefined)(title('case 8 (crun#134): ./x is looked up in the working directory, and a name may start with a dot'), () => {
    const directory = join(home!.directory, 'programs');
    mkdirSync(directory);
    writeFileSync(join(directory, 'x'), '#!/bin/sh\necho "ran $0"\n');
    chmodSync(join(directory, 'x'), 0o755);
    linkSync(join(directory, 'x'), join(directory, '.hidden'));
    const run = (name: string): string => home!.run(['run', '--rm', '-v', `${directory}:/programs`, '-w', '/programs', '-e', 'PATH=/programs:/bin', 'host', name]).stdout;
    expect([run('./x'), run('./.hidden'), run('.hidden'), run('../programs/x')]).toEqual(['ran ./x\n', 'ran ./.hidden\n', 'ran /programs/.hidden\n', 'ran ../programs/x\n']);
  });
});
