/** Limits, accounting and freezing of real containers, through the command: on whichever cgroup version this machine has. */
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { makeHome, refusal, waitFor } from '../cli/command.ts';

const why = refusal();
const slow = process.env.TSC_BOX_TEST_MACHINE !== undefined;
const MIB = 2 ** 20;

interface Stats {
  readonly memory?: number;
  readonly memoryLimit?: number;
  readonly cpuTimeUs?: number;
  readonly pids?: number;
  readonly pidsLimit?: number;
}

describe.skipIf(why !== undefined)(`limits of running containers${why === undefined ? '' : ` (${why})`}`, () => {
  const home = why === undefined ? makeHome() : undefined;
  afterAll(() => {
    home?.run(['rm', '-f', ...home.run(['ps', '-aq']).stdout.split('\n').filter((id) => id !== '')]);
    home?.remove();
  });
  const box = (...args: readonly string[]) => home!.run(args);
  const detach = (name: string, script: string, ...flags: readonly string[]): void => {
    expect(box('run', '-d', '--name', name, ...flags, 'host', 'sh', '-c', script)).toMatchObject({ code: 0, stderr: '' });
  };
  const stats = (name: string): Stats => JSON.parse(box('stats', '--no-stream', '--format', 'json', name).stdout) as Stats;
  const state = (name: string) => (JSON.parse(box('inspect', name).stdout) as { readonly State: { readonly OOMKilled: boolean; readonly ExitCode: number; readonly Pid: number } }[])[0]!.State;

  it('case 28 (runc#2405): update changes what is given and keeps the rest, and holds when the container is started again', () => {
    detach('updated', 'exec sleep 1000', '--memory', '64m', '--pids-limit', '20');
    expect(box('update', '--memory', '32m', 'updated')).toMatchObject({ code: 0, stdout: 'updated\n', stderr: '' });
    expect(stats('updated')).toMatchObject({ memoryLimit: 32 * MIB, pidsLimit: 20, pids: 1 });
    expect(box('restart', '-t', '0', 'updated').code).toBe(0);
    expect(stats('updated')).toMatchObject({ memoryLimit: 32 * MIB, pidsLimit: 20 });
  });

  it('loses nothing in a row of updates', () => {
    detach('many', 'sleep 1000', '--memory', '64m');
    const limits = Array.from({ length: slow ? 3 : 12 }, (_, index) => 32 + ((index * 37) % 64));
    for (const limit of limits) expect(box('update', '--memory', `${String(limit)}m`, '--pids-limit', String(limit), 'many')).toMatchObject({ code: 0, stderr: '' });
    expect(stats('many')).toMatchObject({ memoryLimit: (limits.at(-1) ?? 0) * MIB, pidsLimit: limits.at(-1) });
  });

  it.each([
    [['update', 'updated'], /nothing is given to change/],
    [['update', '--memory', '64q', 'updated'], /--memory.*64q/],
    [['update', '--cpus', '1', 'nosuch'], /nosuch/],
    [['update', '--restart', 'sometimes', 'updated'], /on-failure/],
    [['pause', 'nosuch'], /nosuch/],
    [['unpause', 'updated'], /not paused/],
    [['top', 'nosuch'], /nosuch/],
  ])('%j is refused by name', (args, message) => {
    const { code, stderr } = box(...args);
    expect({ code, stderr }).toEqual({ code: 125, stderr: expect.stringMatching(message) as string });
  });

  it('case 34 (podman#13102): a memory limit that was reached is told in ps, inspect and the exit code', async () => {
    detach('greedy', 'tail /dev/zero', '--memory', '16m', '--memory-swap', '16m');
    expect(box('wait', 'greedy').stdout).toMatch(/^137\n|^1\n/);
    expect(state('greedy')).toMatchObject({ OOMKilled: true });
    expect(await waitFor('its line in ps', () => box('ps', '-a').stdout.match(/out of memory/)?.[0])).toBe('out of memory');
  });

  it('case 12 (runc#4413): with a limit of five processes exec still works, and a fork in it does not', () => {
    detach('few', 'sleep 1000', '--pids-limit', '2');
    for (let count = 0; count < 3; count += 1) expect(box('exec', '-d', 'few', 'sleep', '1000').code).toBe(0);
    const fork = box('exec', 'few', 'sh', '-c', 'sleep 1 & sleep 1 & wait');
    expect(fork.stderr).toMatch(/fork|resource/i);
    expect(stats('few').pids).toBeGreaterThanOrEqual(4);
  });

  it('a pids limit stops a fork bomb, and the container can still be removed', async () => {
    detach('bomb', 'sh -c "while :; do sleep 1000 & done"; exec sleep 1000', '--pids-limit', '30');
    await waitFor('its processes', () => (stats('bomb').pids ?? 0) >= 20 || undefined);
    expect(stats('bomb').pids).toBeLessThanOrEqual(30);
    expect(box('rm', '-f', 'bomb').code).toBe(0);
  });

  it('half a processor is half a processor', async () => {
    detach('half', 'while :; do :; done', '--cpus', '0.5');
    await waitFor('its start', () => (stats('half').cpuTimeUs ?? 0) > 0 || undefined);
    const [before, start] = [stats('half').cpuTimeUs ?? 0, performance.now()];
    await new Promise((resolve) => void setTimeout(resolve, 3000));
    const share = ((stats('half').cpuTimeUs ?? 0) - before) / ((performance.now() - start) * 1000);
    expect(share).toBeLessThan(0.6);
    box('kill', 'half');
  });

  it('pause stops all that a container does, exec is refused meanwhile (case 11, runc#3132), and rm -f works (runc#3134)', async () => {
    detach('frozen', 'while :; do echo tick; sleep 0.05; done');
    await waitFor('its first line', () => box('logs', 'frozen').stdout.includes('tick') || undefined);
    expect(box('pause', 'frozen').code).toBe(0);
    expect(box('ps').stdout).toMatch(/\(Paused\)/);
    const lines = box('logs', 'frozen').stdout.length;
    expect(box('exec', 'frozen', 'true')).toMatchObject({ code: 125, stderr: expect.stringMatching(/paused/) as string });
    expect(box('kill', '-s', 'TERM', 'frozen').stderr).toMatch(/paused/);
    expect(box('logs', 'frozen').stdout.length).toBe(lines);
    expect(box('unpause', 'frozen').code).toBe(0);
    await waitFor('more lines', () => box('logs', 'frozen').stdout.length > lines || undefined);
    expect(box('pause', 'frozen').code).toBe(0);
    expect(box('rm', '-f', 'frozen')).toMatchObject({ code: 0, stderr: '' });
  });

  it('case 35 (podman#14498): a stopped container has no figures, and that is no error', () => {
    detach('stopped', 'true');
    box('wait', 'stopped');
    expect(box('stats', '--no-stream', 'stopped')).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/stopped\s+0\.00%\s+0B/) as string });
  });

  it('top shows its processes with the numbers inside and outside', () => {
    expect(box('top', 'few').stdout).toMatch(/^UID\s+PID\s+PPID\s+NSPID.*\n0\s+\d+\s+\d+\s+1\s+S.*sh -c sleep 1000|sleep 1000/);
  });

  it('leaves no cgroup behind', () => {
    const ids = box('ps', '-aq', '--no-trunc').stdout.split('\n').filter((id) => id !== '');
    box('rm', '-f', ...ids);
    const mounts = [...readFileSync('/proc/self/mountinfo', 'utf8').matchAll(/^\d+ \d+ \S+ \S+ (\S+) .* - cgroup2? /gm)].map(([, path]) => path ?? '');
    const left = mounts.flatMap((mount) => {
      try {
        return readdirSync(`${mount}/tsc-box`).filter((name) => ids.includes(name));
      } catch {
        return [];
      }
    });
    expect(left).toEqual([]);
  });
});
