/** podman with this runtime: what people do with it. Its own settings, store and state, so that nothing of the machine is touched. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const command = fileURLToPath(new URL('../../packages/cli/dist/tsc-box-runtime.cjs', import.meta.url));
const BUSYBOX = '/bin/busybox';
const present = (name: string): boolean => spawnSync('sh', ['-c', 'command -v "$0"', name]).status === 0;
const reason = process.platform !== 'linux' ? 'needs Linux' : process.getuid?.() !== 0 ? 'needs root' : !existsSync(command) ? 'needs the build' : !existsSync(BUSYBOX) ? 'needs busybox-static'
  : ['podman', 'conmon', 'script'].find((name) => !present(name)) === undefined ? undefined : 'needs podman, conmon and script';
const IMAGE = 'localhost/tsc-box-test:1';

describe.skipIf(reason !== undefined)(`podman over tsc-box-runtime${reason === undefined ? '' : ` (${reason})`}`, () => {
  let home = '';
  const runtime = (): string => join(home, 'tsc-box-runtime');
  const words = (args: readonly string[]): string[] => ['--root', join(home, 'root'), '--runroot', join(home, 'run'), '--tmpdir', join(home, 'tmp'), '--storage-driver', 'vfs', '--cgroup-manager', 'cgroupfs', '--runtime', runtime(), ...args];
  const env = (): NodeJS.ProcessEnv => ({ ...process.env, CONTAINERS_CONF: join(home, 'containers.conf') });
  const podman = (...args: readonly string[]): SpawnSyncReturns<string> => spawnSync('podman', words(args), { env: env(), encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const ok = (...args: readonly string[]): string => {
    const { status, stdout, stderr } = podman(...args);
    expect({ args, status, stderr }).toMatchObject({ args, status: 0 });
    return stdout;
  };
  const box = (...args: readonly string[]): SpawnSyncReturns<string> => podman('run', '--rm', '--network', 'none', ...args);

  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), 'tsc-box-podman-'));
    writeFileSync(runtime(), `#!/bin/sh\nexec "${process.execPath}" "${command}" --root "${join(home, 'state')}" "$@"\n`, { mode: 0o755 });
    // podman raises limits of open files and processes, which needs CAP_SYS_RESOURCE.
    writeFileSync(join(home, 'containers.conf'), '[engine]\ncgroup_manager="cgroupfs"\nevents_logger="file"\nruntime_supports_json=["tsc-box-runtime"]\nruntime_supports_nocgroup=["tsc-box-runtime"]\n[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=4096:4096"]\n');
    const root = join(home, 'image');
    for (const directory of ['bin', 'etc', 'tmp', 'proc', 'sys', 'dev']) mkdirSync(join(root, directory), { recursive: true });
    copyFileSync(BUSYBOX, join(root, 'bin', 'busybox'));
    for (const applet of spawnSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).stdout.trim().split('\n')) if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
    writeFileSync(join(root, 'etc', 'passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
    const archive = join(home, 'image.tar');
    expect(spawnSync('tar', ['-C', root, '-cf', archive, '.']).status).toBe(0);
    ok('import', archive, IMAGE);
  }, 60_000);
  afterAll(() => {
    podman('rm', '-fa', '-t', '0');
    expect(existsSync(join(home, 'state')) ? readdirSync(join(home, 'state')).filter((name) => !name.startsWith('.')) : []).toEqual([]);
    rmSync(home, { recursive: true, force: true });
  }, 60_000);

  it('runs a command, with its exit status', () => {
    expect(box(IMAGE, 'sh', '-c', 'echo hello; echo error >&2; exit 5')).toMatchObject({ status: 5, stdout: 'hello\n', stderr: 'error\n' });
    expect(box('--memory', '64m', IMAGE, 'true').status).toBe(0);
    expect(box('--cgroups', 'disabled', IMAGE, 'echo', 'none')).toMatchObject({ status: 0, stdout: 'none\n' });
  });

  it.each([['nope', 127], ['/etc', 126]] as const)('gives %s the status %i', (name, status) => {
    expect(box(IMAGE, name).status).toBe(status);
  });

  it('keeps a read-only root, with other mounts, another user and no rights', () => {
    const { stdout, status } = box('--read-only', '--tmpfs', '/tmp', '--user', '1000', '--cap-drop', 'all', '--security-opt', 'no-new-privileges', IMAGE, 'sh', '-c', 'id -u; touch /tmp/x && echo written; touch /x 2>/dev/null || echo refused; grep -E "CapEff|NoNew" /proc/self/status');
    expect({ stdout, status }).toEqual({ stdout: '1000\nwritten\nrefused\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n', status: 0 });
  });

  it('gives a terminal', () => {
    const { stdout } = spawnSync('script', ['-qec', ['podman', ...words(['run', '--rm', '-it', '--network', 'none', IMAGE, 'tty'])].join(' '), '/dev/null'], { env: env(), encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    expect(stdout).toContain('/dev/pts/0');
  });

  it('starts, enters, pauses, looks at, restarts and stops a container', () => {
    ok('run', '-d', '--name', 'c', '--network', 'none', IMAGE, 'sh', '-c', 'trap "exit 9" TERM; echo started; while :; do sleep 0.05; done');
    expect(podman('exec', 'c', 'sh', '-c', 'echo inside; exit 4')).toMatchObject({ status: 4, stdout: 'inside\n' });
    expect(podman('exec', 'c', 'nope').status).toBe(127);
    ok('exec', '-d', 'c', 'touch', '/tmp/detached');
    expect(ok('exec', '-w', '/tmp', '-e', 'A=b', '-u', '5:6', 'c', 'sh', '-c', 'pwd; echo $A; id -u')).toBe('/tmp\nb\n5\n');
    ok('pause', 'c');
    expect(ok('inspect', '--format', '{{.State.Status}}', 'c')).toBe('paused\n');
    ok('unpause', 'c');
    expect(ok('stats', '--no-stream', 'c')).toContain('c');
    expect(ok('top', 'c')).toContain('trap');
    expect(ok('logs', 'c')).toBe('started\n');
    ok('restart', '-t', '5', 'c');
    ok('stop', '-t', '5', 'c');
    expect(ok('inspect', '--format', '{{.State.ExitCode}} {{.State.Status}}', 'c')).toBe('9 exited\n');
    ok('start', 'c');
    ok('kill', 'c');
    expect(ok('wait', 'c')).toBe('137\n');
    ok('rm', 'c');
  }, 60_000);
});
