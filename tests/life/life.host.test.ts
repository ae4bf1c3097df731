import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { copyBusyboxRoot } from '../cases/bundle.ts';
import { waitFor } from '../cli/command.ts';
import { USERS } from '../cases/ordinary-user.ts';

interface Listed {
  readonly name: string;
  readonly status: string;
  readonly restarts?: number;
  readonly error?: string;
  readonly exitCode?: number;
  readonly pid?: number;
}

describe.each(USERS)('containers that are left behind, for $who', ({ why, make, uid }) => {
  const home = why === undefined ? make() : undefined;
  // Not the machine's own root: between `create` and `start` its mounts may come and go.
  const image = home === undefined ? [] : uid === undefined ? ['--rootfs', copyBusyboxRoot(join(home.directory, 'rootfs'))] : home.image;
  const title = (text: string): string => (why === undefined ? text : `${text} (${why})`);
  const test = it.skipIf(why !== undefined);
  const run = (...args: readonly string[]): ReturnType<NonNullable<typeof home>['run']> => home!.run(args);
  const list = (): readonly Listed[] => run('ps', '-a', '--format', 'json').stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line) as Listed);
  const find = (name: string): Listed | undefined => list().find((each) => each.name === name);
  afterEach(() => list().forEach(({ name }) => void run('rm', '-f', name)));
  afterAll(() => home?.remove());

  test(title('start -a shows all of a run that ends at once, of that run only, and exits with its code'), () => {
    run('create', '--name', 'job', ...image, 'sh', '-c', 'echo out; echo err >&2; exit 3');
    for (const flags of ['-a', '--attach']) expect(run('start', flags, 'job')).toMatchObject({ code: 3, stdout: 'out\n', stderr: 'err\n' });
    expect(run('logs', 'job').stdout).toBe('out\nout\n');
  });

  test(title('start -a has output and code of a container that is removed at its end'), async () => {
    run('create', '--rm', '--name', 'job', ...image, 'sh', '-c', 'echo once; exit 4');
    expect(run('start', '-a', 'job')).toMatchObject({ code: 4, stdout: 'once\n' });
    await waitFor('it is removed', () => find('job') === undefined);
  });

  test(title('start -ai passes standard input on and ends it; without -i at its creation the input goes nowhere'), () => {
    run('create', '-i', '--name', 'cat', ...image, 'cat');
    expect(home!.run(['start', '-ai', 'cat'], { input: 'hello\nworld' })).toMatchObject({ code: 0, stdout: 'hello\nworld' });
    run('create', '--name', 'deaf', ...image, 'sh', '-c', 'cat; exit 5');
    expect(home!.run(['start', '-ai', 'deaf'], { input: 'hello' })).toMatchObject({ code: 5, stdout: '' });
  });

  test(title('a policy starts it again as often as it says, and stop holds between two starts'), async () => {
    run('run', '-d', '--name', 'again', '--restart', 'on-failure:2', ...image, 'sh', '-c', 'exit 9');
    await waitFor('two more starts', () => find('again')?.restarts === 2 && find('again')?.status === 'exited');
    run('run', '-d', '--name', 'always', '--restart', 'always', ...image, 'false');
    await waitFor('a start by its policy', () => (find('always')?.restarts ?? 0) > 1);
    expect(run('stop', '-t', '0', 'always').code).toBe(0);
    const { restarts } = find('always') ?? {};
    run('run', '-d', '--name', 'other', '--restart', 'always', ...image, 'false');
    await waitFor('the supervisor has looked again', () => (find('other')?.restarts ?? 0) > 2);
    expect(find('always')).toMatchObject({ status: 'exited', restarts });
  });

  test(title('case 4 (podman#389): kill from outside ends it with 137; wait tells it'), async () => {
    run('run', '-d', '--name', 'sleeper', ...image, 'sleep', '1000');
    const waiting = home!.start(['wait', 'sleeper']);
    expect(run('kill', 'sleeper').code).toBe(0);
    const [text] = await once(waiting.stdout!, 'data') as [Buffer];
    expect(text.toString()).toBe('137\n');
    expect(find('sleeper')).toMatchObject({ status: 'exited', exitCode: 137 });
  });

  test(title('case 6 (youki#953): exec tells a command that is not there, a container that is not, and one that has ended apart'), () => {
    run('run', '-d', '--name', 'sleeper', ...image, 'sleep', '1000');
    expect(run('exec', 'sleeper', 'nope').code).toBe(127);
    expect(run('exec', 'nobody', 'true')).toMatchObject({ code: 125, stderr: expect.stringContaining('no container has that name') as string });
    run('kill', 'sleeper');
    expect(run('exec', 'sleeper', 'true')).toMatchObject({ code: 125, stderr: expect.stringContaining('not running') as string });
  });

  test(title('cases 10 and 16: exec keeps the container\'s environment, and ends its input'), () => {
    run('run', '-d', '--name', 'sleeper', '--env', 'B=2', ...image, 'sleep', '1000');
    expect(run('exec', '--env', 'A=1', 'sleeper', 'sh', '-c', 'echo $A$B').stdout).toBe('12\n');
    expect(home!.run(['exec', '-i', 'sleeper', 'cat'], { input: 'hi' }).stdout).toBe('hi');
  });

  test(title('case 19: logs have the last line without its newline, one-byte lines, nothing for --tail 0, and both streams apart'), () => {
    run('create', '--name', 'job', ...image, 'sh', '-c', 'echo a; echo b >&2; echo c; printf end');
    run('start', '-a', 'job');
    expect(run('logs', 'job')).toMatchObject({ stdout: 'a\nc\nend', stderr: 'b\n' });
    expect(run('logs', '--tail', '0', 'job')).toMatchObject({ stdout: '', stderr: '' });
    // Which of two pipes is read first is the monitor's choice.
    const last = run('logs', '--tail', '1', 'job');
    expect(last.stdout + last.stderr).toMatch(/^(end|b\n)$/);
    expect(run('logs', '--tail', 'x', 'job')).toMatchObject({ code: 125, stderr: expect.stringContaining('a number of lines') as string });
  });

  test(title('a container whose process was killed is started again by its policy, and rm refuses it while it runs'), async () => {
    run('run', '-d', '--name', 'kept', '--restart', 'always', ...image, 'sleep', '1000');
    const pid = find('kept')?.pid ?? 0;
    process.kill(pid, 9);
    await waitFor('it runs again', () => find('kept')?.status === 'running' && find('kept')?.pid !== pid);
    expect(run('rm', 'kept')).toMatchObject({ code: 125, stderr: expect.stringContaining('it is running') as string });
    expect(run('rm', '-f', 'kept').code).toBe(0);
  });

  test(title('of many that start one container at once, one does, and the others say that it runs'), async () => {
    run('create', '--name', 'one', ...image, 'sleep', '1000');
    const tries = Array.from({ length: 6 }, () => home!.start(['start', 'one']));
    const codes = await Promise.all(tries.map(async (child) => (await once(child, 'exit') as [number])[0]));
    expect(codes.filter((code) => code === 0)).toHaveLength(1);
    expect(find('one')?.status).toBe('running');
  });
});
