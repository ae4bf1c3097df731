/** The built OCI runtime by its command line: runtime-spec runtime.md, and the calls that engines make. */
import { spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

const command = fileURLToPath(new URL('../../packages/cli/dist/tsc-box-runtime.cjs', import.meta.url));
const BUSYBOX = '/bin/busybox';
const reason = process.platform !== 'linux' ? 'needs Linux' : process.getuid?.() !== 0 ? 'needs root' : !existsSync(command) ? 'needs the build' : !existsSync(BUSYBOX) ? 'needs busybox-static' : undefined;

interface Config {
  process: Record<string, unknown>;
  root: { path: string; readonly: boolean };
  linux: Record<string, unknown>;
  hostname?: string;
  hooks?: object;
  mounts: object[];
}

describe.skipIf(reason !== undefined)(`tsc-box-runtime${reason === undefined ? '' : ` (${reason})`}`, () => {
  let home = '';
  let bundle = '';
  const ids = new Set<string>();
  let serial = 0;
  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), 'tsc-box-runtime-'));
    bundle = join(home, 'bundle');
    for (const directory of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp']) mkdirSync(join(bundle, 'rootfs', directory), { recursive: true });
    chmodSync(join(bundle, 'rootfs', 'tmp'), 0o1777);
    copyFileSync(BUSYBOX, join(bundle, 'rootfs', 'bin', 'busybox'));
    for (const applet of spawnSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).stdout.trim().split('\n')) if (applet !== 'busybox') symlinkSync('busybox', join(bundle, 'rootfs', 'bin', applet));
    writeFileSync(join(bundle, 'rootfs', 'etc', 'passwd'), 'root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n');
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));
  afterEach(() => {
    for (const id of ids) run('delete', '--force', id);
    ids.clear();
  });

  const run = (...args: readonly string[]): SpawnSyncReturns<string> => spawnSync(process.execPath, [command, '--root', join(home, 'state'), ...args], { cwd: bundle, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  /** Output of a command that must succeed. */
  const ok = (...args: readonly string[]): string => {
    const { status, stdout, stderr } = run(...args);
    expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: '' });
    return stdout;
  };
  const configure = (args: readonly string[], change: (config: Config) => void = () => undefined): string => {
    const path = join(bundle, 'config.json');
    rmSync(path, { force: true });
    ok('spec');
    const config = JSON.parse(readFileSync(path, 'utf8')) as Config;
    config.process['args'] = args;
    config.process['terminal'] = false;
    config.root.readonly = false;
    change(config);
    writeFileSync(path, JSON.stringify(config));
    serial += 1;
    const id = `test-${String(process.pid)}-${String(serial)}`;
    ids.add(id);
    return id;
  };
  const statusOf = (id: string): string => (JSON.parse(ok('state', id)) as { readonly status: string }).status;
  /** `create` leaves a process that holds its output: files, so that nobody waits for the end of a pipe. */
  const create = (id: string, ...flags: readonly string[]): { readonly status: number | null; readonly output: () => string } => {
    const { status } = spawnSync('sh', ['-c', 'exec "$@" >"$0" 2>&1', join(home, `${id}.out`), process.execPath, command, '--root', join(home, 'state'), 'create', ...flags, id], { cwd: bundle, stdio: ['ignore', 'ignore', 'ignore'] });
    return { status, output: () => readFileSync(join(home, `${id}.out`), 'utf8') };
  };
  const until = async (what: () => boolean): Promise<void> => {
    for (const end = Date.now() + 10_000; !what();) {
      if (Date.now() > end) throw new Error('it did not happen within 10 s');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };

  it('goes through the states of its life, and holds no Node process while it is created', async () => {
    const id = configure(['sh', '-c', 'echo started; exec sleep 600']);
    const pidFile = join(home, 'pid');
    const { status, output } = create(id, '--pid-file', pidFile);
    expect([status, output()]).toEqual([0, '']);
    const pid = readFileSync(pidFile, 'utf8');
    expect(JSON.parse(ok('state', id))).toMatchObject({ ociVersion: '1.2.0', id, pid: Number(pid), status: 'created', bundle });
    const memory = readFileSync(`/proc/${pid}/status`, 'utf8');
    expect(Number(/^VmRSS:\s+(\d+) kB/m.exec(memory)?.[1])).toBeLessThan(100);
    expect(readdirSync(`/proc/${pid}/task`)).toHaveLength(1);
    ok('start', id);
    await until(() => output() === 'started\n');
    expect(statusOf(id)).toBe('running');
    expect(run('start', id).stderr).toContain('cannot start an already running container');
    expect(JSON.parse(ok('ps', '--format', 'json', id))).toEqual([Number(pid)]);
    expect(ok('list', '-q')).toContain(`${id}\n`);
    ok('pause', id);
    expect(statusOf(id)).toBe('paused');
    expect(run('exec', id, 'true')).toMatchObject({ status: 255, stderr: expect.stringContaining('cannot exec in a paused container') as string });
    ok('resume', id);
    expect(run('delete', id).stderr).toContain('that is not stopped: running');
    ok('kill', id, 'KILL');
    await until(() => statusOf(id) === 'stopped');
    expect(run('kill', id, '15').stderr).toContain('container not running');
    ok('delete', id);
    expect(run('state', id).stderr).toContain('container does not exist');
    expect(run('delete', id).status).toBe(1);
    ok('delete', '--force', id);
  });

  it('runs in the foreground, and ends as the command does', () => {
    expect(run('run', configure(['sh', '-c', 'echo hi; exit 5']))).toMatchObject({ status: 5, stdout: 'hi\n' });
    expect(run('run', configure(['sh', '-c', 'kill -9 $$; sleep 1'], (config) => {
      delete config.hostname;
      config.linux['namespaces'] = [{ type: 'mount' }];
    }))).toMatchObject({ status: 137 });
  });

  it.each([
    [['nope'], 'exec: "nope": executable file not found in $PATH'], [['/bin/nope'], 'exec: "/bin/nope": stat /bin/nope: no such file or directory'], [['/etc'], 'exec: "/etc": permission denied'],
  ])('tells at create that %j can not be run, in the words that engines look for, and leaves nothing', (args, message) => {
    const id = configure(args);
    const log = join(home, 'log');
    const { status } = run('--log', log, '--log-format', 'json', 'create', id);
    expect(status).toBe(1);
    const lines = readFileSync(log, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as { readonly level: string; readonly msg: string });
    expect(lines.at(-1)).toMatchObject({ level: 'error', msg: expect.stringContaining(message) as string });
    expect(run('state', id).stderr).toContain('container does not exist');
    rmSync(log);
  });

  it('runs every hook in its order, with the state on standard input', async () => {
    const record = join(home, 'hooks');
    const hook = (name: string, file = record): object[] => [{ path: '/bin/sh', args: ['sh', '-c', `{ printf '${name} '; cat; echo; } >>${file}`], env: ['PATH=/bin:/usr/bin'] }];
    const id = configure(['true'], (config) => (config.hooks = { prestart: hook('prestart'), createRuntime: hook('createRuntime'), createContainer: hook('createContainer'), startContainer: hook('startContainer', '/tmp/hook'), poststart: hook('poststart'), poststop: hook('poststop') }));
    create(id);
    ok('start', id);
    await until(() => statusOf(id) === 'stopped');
    ok('delete', id);
    const seen = readFileSync(record, 'utf8').trim().split('\n').map((line) => [line.slice(0, line.indexOf(' ')), JSON.parse(line.slice(line.indexOf(' '))) as { readonly status: string; readonly id: string }] as const);
    expect(seen.map(([name, state]) => [name, state.status, state.id])).toEqual([['prestart', 'created', id], ['createRuntime', 'creating', id], ['createContainer', 'creating', id], ['poststart', 'running', id], ['poststop', 'stopped', id]]);
    expect(readFileSync(join(bundle, 'rootfs', 'tmp', 'hook'), 'utf8')).toMatch(/^startContainer \{.*"status":"created"/);
  });

  it('is undone by a hook that fails', () => {
    const id = configure(['true'], (config) => (config.hooks = { createRuntime: [{ path: '/bin/sh', args: ['sh', '-c', 'echo no good >&2; exit 3'] }] }));
    const { status, stderr } = run('create', id);
    expect(status).toBe(1);
    expect(stderr).toMatch(/hook #0 of createRuntime: error running hook: exit status 3, stderr: no good/);
    expect(run('state', id).stderr).toContain('container does not exist');
  });

  it('starts more processes: with a process.json, flags, and its exit code', () => {
    const id = configure(['sleep', '600']);
    create(id);
    ok('start', id);
    expect(run('exec', id, 'sh', '-c', 'echo in; exit 4')).toMatchObject({ status: 4, stdout: 'in\n' });
    expect(run('exec', '--user', '1000:5', '--cwd', '/tmp', '--env', 'A=b', id, 'sh', '-c', 'id -u; id -g; pwd; echo $A $HOME').stdout).toBe('1000\n5\n/tmp\nb /root\n');
    const file = join(home, 'process.json');
    writeFileSync(file, JSON.stringify({ args: ['sh', '-c', 'echo $HOME; exit 6'], cwd: '/', env: ['PATH=/bin'], user: { uid: 1000, gid: 1000 } }));
    expect(run('exec', '--process', file, id)).toMatchObject({ status: 6, stdout: '/home/ann\n' });
    expect(run('exec', id, 'nope')).toMatchObject({ status: 255, stderr: expect.stringContaining('executable file not found in $PATH') as string });
    ok('update', '--memory', '64m', '--pids-limit', '30', id);
    expect(JSON.parse(ok('events', '--stats', id))).toMatchObject({ type: 'stats', id, data: { pids: { limit: 30 }, memory: { usage: { limit: 64 * 1024 * 1024 } } } });
  });

  it('leaves a detached process to the subreaper, with its exit status', async () => {
    const id = configure(['sleep', '600']);
    create(id);
    ok('start', id);
    // As conmon does: the runtime is a child of a subreaper, which then waits for the process of the pid file.
    const script = `import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
subprocess.run(sys.argv[2:], check=True, stdin=subprocess.DEVNULL)
print(os.waitstatus_to_exitcode(os.waitpid(int(open(sys.argv[1]).read()), 0)[1]))`;
    const pidFile = join(home, 'exec.pid');
    const { stdout, stderr } = spawnSync('python3', ['-c', script, pidFile, process.execPath, command, '--root', join(home, 'state'), 'exec', '--detach', '--pid-file', pidFile, id, 'sh', '-c', 'exit 9'], { encoding: 'utf8' });
    expect({ stdout, stderr }).toEqual({ stdout: '9\n', stderr: '' });
  });

  it('hands the terminal to who listens on the console socket', async () => {
    const id = configure(['sh', '-c', 'tty; sleep 600'], (config) => (config.process['terminal'] = true));
    expect(run('create', id).stderr).toContain('cannot allocate tty if runc will detach without setting console socket');
    const path = join(home, 'console');
    const server = createServer();
    const connected = new Promise<string>((resolve) => server.on('connection', (socket) => socket.on('data', (bytes) => resolve(String(bytes)))));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const child = spawn(process.execPath, [command, '--root', join(home, 'state'), 'create', '--console-socket', path, id], { cwd: bundle, stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    expect(await connected).toBe('/dev/ptmx');
    expect(await ended).toBe(0);
    server.close();
  });

  it('keeps descriptors that are asked for, and no others', () => {
    const id = configure(['sh', '-c', 'cat <&4; ls /proc/self/fd']);
    const { stdout } = spawnSync('sh', ['-c', 'exec 3</dev/null 4<"$0" 5</dev/null; exec "$@"', join(bundle, 'rootfs', 'etc', 'passwd'), process.execPath, command, '--root', join(home, 'state'), 'run', '--preserve-fds', '2', id], { cwd: bundle, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    expect(stdout).toBe(`${readFileSync(join(bundle, 'rootfs', 'etc', 'passwd'), 'utf8')}0\n1\n2\n3\n4\n5\n`); // 5: of ls itself
  });

  it('copies what the root has into a tmpfs with tmpcopyup', () => {
    const id = configure(['sh', '-c', 'cat /etc/passwd | head -1; touch /etc/new'], (config) => config.mounts.push({ destination: '/etc', type: 'tmpfs', source: 'tmpfs', options: ['tmpcopyup'] }));
    expect(run('run', id)).toMatchObject({ status: 0, stdout: 'root:x:0:0:root:/root:/bin/sh\n' });
    expect(existsSync(join(bundle, 'rootfs', 'etc', 'new'))).toBe(false);
  });

  it.each([
    [['kernel.hostname', 'x'], 'the host name, allowed: the field hostname'], [['vm.swappiness', '1'], 'a setting of the whole machine'], [['net.core.somaxconn', '1'], "the host's network namespace"],
  ])('refuses the sysctl %j, which would change the machine', ([key, value], message) => {
    const id = configure(['true'], (config) => {
      delete config.hostname;
      config.linux['sysctl'] = { [key ?? '']: value };
      config.linux['namespaces'] = [{ type: 'mount' }, { type: 'pid' }];
    });
    expect(run('run', id).stderr).toContain(message);
  });

  it('has one error for each mistake', () => {
    for (const [args, message] of [
      [['nope'], 'found the command "nope"'], [['create'], 'found no word'], [['create', '../x'], 'invalid container ID format'], [['kill', 'x', 'NOPE'], 'container does not exist|read a signal'], [['--systemd-cgroup', 'list'], 'cgroups by systemd'], [['state', '--nope', 'x'], 'unknown option --nope'],
    ] as const) {
      const { status, stderr } = run(...args);
      expect({ args, status }).toEqual({ args, status: 1 });
      expect(stderr.trim().split('\n')).toHaveLength(1);
      expect(stderr).toMatch(new RegExp(message));
    }
  });

  it('shows nothing of the launcher in the process that waits', () => {
    const id = configure(['sleep', '600']);
    create(id);
    const { pid } = JSON.parse(ok('state', id)) as { readonly pid: number };
    // A fifo to wait on, one to tell of a failure, and the standard streams: no directory, no file of Node.
    const kinds = readdirSync(`/proc/${String(pid)}/fd`).map((fd) => readlinkSync(`/proc/${String(pid)}/fd/${fd}`)).filter((target) => !/^\/dev\/null$|\.out$|exec\.fifo(\.result)?$/.test(target));
    expect(kinds).toEqual([]);
  });
});
