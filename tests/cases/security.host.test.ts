import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { bundle, makeHome, refusal } from '../cli/command.ts';
import { missingCommand } from '../images/cache.ts';
import { writeBundle } from './bundle.ts';

const missing = missingCommand('busybox');
const why = refusal() ?? (missing === undefined ? undefined : `needs ${missing}`);
const title = (text: string): string => (why === undefined ? text : `${text} (${why})`);

describe('capabilities and limits', () => {
  const home = why === undefined ? makeHome() : undefined;
  afterAll(() => home?.remove());
  const run = (script: string, ...flags: readonly string[]) => home!.run(['run', '--rm', ...flags, 'host', 'sh', '-c', script]);

  it.skipIf(why !== undefined)(title('case 59 (runc#2854): a capability in a bundle that is not known gives a warning, and it runs with the others'), () => {
    const sets = ['CAP_CHOWN', 'CAP_UNKNOWN'];
    const directory = writeBundle(join(home!.directory, 'bundle'), 'grep CapEff /proc/self/status', (spec) => ({ ...spec, process: { ...spec.process!, capabilities: { bounding: sets, effective: sets, permitted: sets } } }));
    expect(home!.run(['run', '--rm', '--bundle', directory])).toMatchObject({ code: 0, stdout: 'CapEff:\t0000000000000001\n', stderr: expect.stringMatching(/warning: .*CAP_UNKNOWN/) });
    expect(home!.run(['run', '--rm', '--cap-add', 'CAP_UNKNOWN', 'host', 'true'])).toMatchObject({ code: 125, stderr: expect.stringContaining('"CAP_UNKNOWN"') });
  });

  it.skipIf(why !== undefined)(title('case 59 (podman#14133): no-new-privileges is written in three ways, and can be false'), () => {
    const privileges = (option: string): string => run('grep NoNewPrivs /proc/self/status', '--security-opt', option).stdout;
    expect(['no-new-privileges', 'no-new-privileges:true', 'no-new-privileges=true', 'no-new-privileges=false'].map(privileges)).toEqual([1, 1, 1, 0].map((value) => `NoNewPrivs:\t${String(value)}\n`));
    expect(home!.run(['run', '--rm', '--security-opt', 'no-new-privileges=maybe', 'host', 'true'])).toMatchObject({ code: 125, stderr: expect.stringContaining('allowed') });
  });

  it.skipIf(why !== undefined)(title('case 61 (moby#38814, #9876): the number of open files is the caller\'s, not a huge one'), () => {
    const own = spawnSync('sh', ['-c', 'ulimit -n; ulimit -Hn'], { encoding: 'utf8' }).stdout;
    // Node raises its own soft limit at start: the container may have that, never more than the hard one.
    const [soft = '', hard = ''] = run('ulimit -n; ulimit -Hn').stdout.split('\n');
    expect(hard).toBe(own.split('\n')[1]);
    expect(Number(soft)).toBeLessThanOrEqual(Number(hard));
  });

  it.skipIf(why !== undefined)(title('case 61 (podman#18077, #24886): a limit is named in either case, and -1 is none'), () => {
    expect(run('ulimit -n; ulimit -Hn; ulimit -c; ulimit -Hc', '--ulimit', 'NOFILE=100:200', '--ulimit', 'core=0:-1').stdout).toBe('100\n200\n0\nunlimited\n');
    expect(run('ulimit -Hn; ulimit -c', '--ulimit', 'nofile=64', '--ulimit', 'core=-1').stdout).toBe('64\nunlimited\n');
  });

  it.skipIf(why !== undefined)(title('case 61 (podman#13731, crun 1.9): oom_score_adj that is absent is the caller\'s, and 0 is written'), () => {
    const script = 'echo 321 >/proc/self/oom_score_adj; shift; exec "$@"';
    const under = (...flags: readonly string[]): string => spawnSync('sh', ['-c', script, 'sh', '-', process.execPath, bundle, '--root', home!.store, 'run', '--rm', ...flags, 'host', 'cat', '/proc/self/oom_score_adj'], { encoding: 'utf8', env: { PATH: process.env.PATH } }).stdout;
    expect([under(), under('--oom-score-adj', '500'), under('--oom-score-adj', '321')]).toEqual(['321\n', '500\n', '321\n']);
    expect(run('cat /proc/self/oom_score_adj', '--oom-score-adj', '0').stdout).toBe('0\n');
  });
});
