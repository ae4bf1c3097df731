import { once } from 'node:events';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { bundle, makeHome, refusal, waitFor } from '../cli/command.ts';
import { missingCommand } from '../images/cache.ts';
import { USERS } from './ordinary-user.ts';
import { containerProcess, descendants, listAll } from './processes.ts';

/** Sees to it that nothing else on the machine is called so. */
const alive = (pids: readonly number[]): readonly number[] => listAll().filter(({ pid, state }) => pids.includes(pid) && state !== 'Z').map(({ pid }) => pid);

describe.each(USERS)('lifetime for $who', ({ why, make }) => {
  const home = why === undefined ? make() : undefined;
  afterAll(() => home?.remove());
  const image = home?.image ?? [];
  const title = (text: string): string => (why === undefined ? text : `${text} (${why})`);

  it.skipIf(why !== undefined)(title('case 23 (bubblewrap#529, #633, #692): when the command is killed, grandchildren in sessions of their own die too'), async () => {
    const child = home!.start(['run', '--rm', '--init', ...image, 'sh', '-c', 'setsid sh -c "sleep 1000 & sleep 1000" & echo ready; wait']);
    await once(child.stdout!, 'data');
    const inside = await waitFor('the grandchildren', () => {
      const below = descendants(child.pid!);
      return below.filter(({ name }) => name === 'sleep').length === 2 && below.map(({ pid }) => pid);
    });
    child.kill('SIGKILL');
    await once(child, 'exit');
    await waitFor('all of it is gone', () => alive(inside).length === 0);
    expect(home!.run(['ps', '-a']).stdout).not.toContain('running');
  });

  it.skipIf(why !== undefined)(title('case 23: with the host\'s process ids, the container\'s process dies with the command'), async () => {
    const child = home!.start(['run', '--rm', '--pid', 'host', ...image, 'sh', '-c', 'echo ready; exec sleep 1000']);
    await once(child.stdout!, 'data');
    const pid = await containerProcess(child.pid!, 'sleep');
    child.kill('SIGKILL');
    await once(child, 'exit');
    await waitFor('it is gone', () => alive([pid]).length === 0);
  });
});

const why = refusal();
const reason = why ?? (missingCommand('env', 'unshare') === undefined ? undefined : 'needs env and unshare');

describe('lifetime', () => {
  const home = why === undefined ? makeHome() : undefined;
  afterAll(() => home?.remove());
  const title = (text: string): string => (reason === undefined ? text : `${text} (${reason})`);
  const argv = (...args: readonly string[]): readonly string[] => [process.execPath, bundle, '--root', home!.store, 'run', '--rm', ...args];
  const env = { PATH: process.env.PATH };

  it.skipIf(reason !== undefined)(title('case 24 (bubblewrap#705): the exit code is right when SIGCHLD was ignored by who started the command'), () => {
    const result = spawnSync('env', ['--ignore-signal=CHLD', ...argv('host', 'sh', '-c', 'grep SigIgn /proc/self/status; (exit 3); echo $?; exit 7')], { encoding: 'utf8', env });
    expect(result).toMatchObject({ status: 7, stdout: 'SigIgn:\t0000000000000000\n3\n' });
  });

  it.skipIf(reason !== undefined)(title('case 24 (bubblewrap#697, #587): where no process 1 reaps, no dead process of ours is left'), async () => {
    // In a pid namespace whose process 1 is a shell that waits for one child only: what is orphaned there stays a zombie.
    const script = '"$@"; echo "code $?"; for stat in /proc/[0-9]*/stat; do read -r line <"$stat" || continue; case "${line##*) }" in Z*) echo "left: $line" ;; esac; done; exit 0';
    const child = spawn('unshare', ['--pid', '--fork', '--mount-proc', '--kill-child', 'sh', '-c', script, 'sh', ...argv('host', 'sh', '-c', 'sleep 1000 & exit 5')], { stdio: ['ignore', 'pipe', 'pipe'], env });
    const text: string[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => text.push(chunk));
    await once(child, 'close');
    expect(text.join('')).toBe('code 5\n');
  });

  it.skipIf(reason !== undefined)(title('case 24: blocked signals and other ignored ones do not reach the container either'), () => {
    const result = spawnSync('env', ['--ignore-signal=INT,TERM,USR1', '--block-signal=USR2', ...argv('host', 'grep', '-E', '^Sig(Blk|Ign)', '/proc/self/status')], { encoding: 'utf8', env });
    expect(result).toMatchObject({ status: 0, stdout: 'SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n' });
  });

  it.skipIf(reason !== undefined)(title('case 23: a command whose parent died before it launches anything still runs to its end and tidies up'), async () => {
    const marker = `${home!.temporary}/ended`;
    const child = spawn('sh', ['-c', '"$@" & exit 0', 'sh', ...argv('-v', `${home!.temporary}:/shared`, 'host', 'sh', '-c', 'echo >/shared/ended')], { stdio: 'ignore', env });
    await once(child, 'exit');
    await waitFor('the container has run', () => existsSync(marker));
    await waitFor('it is forgotten', () => !home!.run(['ps', '-a', '-q']).stdout.trim());
  });
});
