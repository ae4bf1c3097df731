import { once } from 'node:events';
import { spawn, spawnSync } from 'node:child_process';
import { afterAll, describe, expect, it } from 'vitest';
import { bundle, makeHome, refusal } from '../cli/command.ts';
import { missingCommand } from '../images/cache.ts';
import { USERS } from './ordinary-user.ts';
import { listAll } from './processes.ts';
import { startInTerminal, type TerminalSession } from './pty.ts';

const setsid = missingCommand('setsid');
const needs = setsid === undefined ? undefined : 'needs setsid of util-linux';

const SIZE = { rows: 42, columns: 173 };
const GONE = 'the command and its container are gone';

/** Nothing of ours still runs: the session's own descendants were in this list before. */
const running = (pids: readonly number[]): readonly number[] => listAll().filter(({ pid, state }) => pids.includes(pid) && state !== 'Z').map(({ pid }) => pid);

describe.each(USERS)('a terminal for $who', ({ why: reason, uid, make }) => {
  const why = reason ?? needs;
  const home = why === undefined ? make() : undefined;
  afterAll(() => home?.remove());
  const image = home?.image ?? [];
  const title = (text: string): string => (why === undefined ? text : `${text} (${why})`);
  const start = (...args: readonly string[]): TerminalSession => {
    const { command, store, temporary, directory } = home!;
    return startInTerminal([process.execPath, command, '--root', store, 'run', '--rm', ...args], {
      size: SIZE, env: { PATH: process.env.PATH, HOME: directory, TMPDIR: temporary, XDG_RUNTIME_DIR: temporary, TERM: 'xterm' }, ...(uid === undefined ? {} : { uid }),
    });
  };

  it.skipIf(why !== undefined)(title('case 15 (podman#10560): the first thing that a command reads of its terminal is the right size'), async () => {
    expect(await start('-it', ...image, 'stty', 'size').ended()).toEqual({ status: 0, shown: '42 173\r\n' });
  });

  it.skipIf(why !== undefined)(title('case 15 (podman#3903, #351): a terminal is typed at and kept in step, and its end of input is Ctrl-D'), async () => {
    const resized = 'trap "stty size; done=1" WINCH; echo waiting; until [ -n "$done" ]; do sleep 0.05; done; echo over';
    const session = start('-it', ...image, 'sh', '-c', `tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo ready; while IFS= read -r line; do echo "<$line>"; done; ${resized}`);
    await session.shows(/^\/dev\/pts\/0\r\nready\r\n/);
    session.type('typed\n');
    await session.shows(/<typed>/);
    session.type('\x04');
    await session.shows(/waiting/);
    session.resize({ rows: 11, columns: 22 });
    expect(await session.ended()).toMatchObject({ status: 0, shown: expect.stringMatching(/11 22\r\nover\r\n$/) });
  });

  it.skipIf(why !== undefined)(title('case 15: a terminal that is closed hangs up the container\'s, whose command does not wait for ever'), async () => {
    const session = start('-it', ...image, 'sh', '-c', 'echo ready; while IFS= read -r line; do :; done; exit 9');
    await session.shows(/ready/);
    session.close();
    expect(await once(session.child, 'exit')).toEqual([9, null]);
  });

  it.skipIf(why !== undefined)(title('case 21 (moby#44249): Ctrl-C goes to the container as a key, and SIGINT by kill(2) as a signal'), async () => {
    const key = start('-it', ...image, 'sh', '-c', 'trap "echo interrupted; exit 3" INT; echo ready; while :; do sleep 0.05; done');
    await key.shows(/ready/);
    key.type('\x03');
    expect(await key.ended()).toMatchObject({ status: 3, shown: expect.stringContaining('interrupted') });
    const signal = start('-it', '--init', ...image, 'sh', '-c', 'echo ready; exec sleep 1000');
    await signal.shows(/ready/);
    signal.child.kill('SIGINT');
    expect(await signal.ended()).toMatchObject({ status: 130 });
    expect(running([signal.child.pid!]), GONE).toEqual([]);
  });

  it.skipIf(why !== undefined)(title('case 21: SIGINT without a terminal reaches the container, and the command stays until that has ended'), async () => {
    const child = home!.start(['run', '--rm', ...image, 'sh', '-c', 'trap "echo caught; done=1" INT; echo ready; until [ -n "$done" ]; do sleep 0.05; done; exit 5']);
    const text: string[] = [];
    child.stdout!.setEncoding('utf8').on('data', (chunk: string) => text.push(chunk));
    await once(child.stdout!, 'data');
    child.kill('SIGINT');
    expect([...await once(child, 'close'), text.join('')]).toEqual([5, null, 'ready\ncaught\n']);
  });

  it.skipIf(why !== undefined)(title('case 21: a process 1 without a handler ignores SIGINT, and the command does not die leaving it running'), async () => {
    const child = home!.start(['run', '--rm', '-i', ...image, 'cat'], { input: 'ready\n' });
    const text: string[] = [];
    child.stdout!.setEncoding('utf8').on('data', (chunk: string) => text.push(chunk));
    await once(child.stdout!, 'data');
    child.kill('SIGINT');
    child.stdin!.end('still here\n');
    expect([...await once(child, 'close'), text.join('')]).toEqual([0, null, 'ready\nstill here\n']);
  });

  it.skipIf(why !== undefined)(title('case 16 (containerd#2439, kata#9532): piped input arrives whole and ends'), () => {
    expect(home!.run(['run', '--rm', '-i', ...image, 'cat'], { input: 'hi\n' })).toEqual({ code: 0, signal: null, stdout: 'hi\n', stderr: '' });
    const big = 'x'.repeat(1_000_000);
    expect(home!.run(['run', '--rm', '-i', ...image, 'wc', '-c'], { input: big })).toMatchObject({ code: 0, stdout: '1000000\n' });
  });

  it.skipIf(why !== undefined)(title('case 16: without -i there is no input, and nobody waits for it'), () => {
    expect(home!.run(['run', '--rm', ...image, 'cat'], { input: 'not for it' })).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
  });
});

const why = refusal();

describe('streams', () => {
  const home = why === undefined ? makeHome() : undefined;
  afterAll(() => home?.remove());
  const title = (text: string): string => (why === undefined ? text : `${text} (${why})`);

  it.skipIf(why !== undefined)(title('case 16: a pipeline ends when its reader does, by SIGPIPE and not by hanging'), () => {
    const shell = `"$1" "$2" --root "$3" run --rm host sh -c 'while echo y; do :; done 2>/dev/null' | head -n 1`;
    const result = spawnSync('bash', ['-c', `set -o pipefail; ${shell}`, 'bash', process.execPath, bundle, home!.store], { encoding: 'utf8', env: { PATH: process.env.PATH, HOME: home!.directory }, timeout: 20_000 });
    expect(result).toMatchObject({ stdout: 'y\n', signal: null });
  });

  it.skipIf(why !== undefined)(title('case 16: output and errors stay apart, and closed streams are no obstacle'), async () => {
    expect(home!.run(['run', '--rm', 'host', 'sh', '-c', 'echo out; echo err >&2'])).toEqual({ code: 0, signal: null, stdout: 'out\n', stderr: 'err\n' });
    const closed = spawn('sh', ['-c', 'exec "$0" "$@" <&- >&- 2>&-', process.execPath, bundle, '--root', home!.store, 'run', '--rm', 'host', 'sh', '-c', 'echo lost; exit 4'], { stdio: 'ignore', env: { PATH: process.env.PATH, HOME: home!.directory } });
    expect(await once(closed, 'exit')).toEqual([4, null]);
  });

  it.skipIf(why !== undefined)(title('case 15: -t without -i gives a terminal also where the caller has none; -i -t then is refused'), () => {
    expect(home!.run(['run', '--rm', '-t', 'host', 'sh', '-c', 'test -t 0 && test -t 1 && echo terminal'])).toMatchObject({ code: 0, stdout: 'terminal\r\n' });
    expect(home!.run(['run', '--rm', '-it', 'host', 'true'])).toMatchObject({ code: 125, stderr: expect.stringContaining('not a TTY') });
  });
});
