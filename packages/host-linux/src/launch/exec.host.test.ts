import { closeSync, mkdtempSync, openSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReadStream } from 'node:tty';
import { compileExec, parseExitRecord, readJournal, type LaunchedProcess, type LaunchRequest, type Spec, type SpecProcess } from '@tsc-box/model';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openLinux } from '../index.ts';
import { makeRoot, makeSpec, readAll, start, whyNot, type Outcome, type Root } from './busybox.testing.ts';

const reason = whyNot();
const system = openLinux();
const title = reason === undefined ? 'exec' : `exec (${reason})`;

describe.skipIf(reason !== undefined)(title, () => {
  let root: Root;
  const launches: LaunchedProcess[] = [];
  beforeAll(() => void (root = makeRoot()));
  afterAll(() => root.remove());
  afterEach(() => {
    for (const launched of launches.splice(0)) launched.cleanup();
  });

  const container = (spec: Spec = makeSpec(root, ['sleep', '600'])): { readonly spec: Spec; readonly launched: LaunchedProcess } => {
    const launched = start(system, spec);
    launches.push(launched);
    return { spec, launched };
  };
  const launchExec = ({ spec, launched }: ReturnType<typeof container>, args: readonly string[], change: Partial<SpecProcess> = {}, more: Partial<LaunchRequest> = {}): LaunchedProcess => {
    const process: SpecProcess = { ...spec.process, cwd: '/', user: { uid: 0, gid: 0 }, args, ...change };
    const plan = compileExec(process, { id: 'test', pid: launched.pid, startTime: launched.startTime, spec }, system.facts());
    return system.launch({ plan, stdio: { stdin: 'null', stdout: 'pipe', stderr: 'pipe' }, ...more });
  };
  const exec = async (...args: Parameters<typeof launchExec>): Promise<Outcome> => {
    const executed = launchExec(...args);
    const [stdout, stderr, status] = await Promise.all([readAll(executed.stdout), readAll(executed.stderr), executed.wait()]);
    return { status, stdout, stderr };
  };

  it('stands in the namespaces, root and cgroups of the container, and is our child', async () => {
    const running = container();
    const { stdout, status } = await exec(running, ['sh', '-c', 'for n in mnt pid uts ipc net cgroup; do readlink /proc/self/ns/$n; done; hostname; ls /bin/busybox; exit 5']);
    const spaces = ['mnt', 'pid', 'uts', 'ipc', 'net', 'cgroup'].map((name) => readlinkSync(`/proc/${String(running.launched.pid)}/ns/${name}`));
    expect(stdout.trim().split('\n')).toEqual([...spaces, 'box', '/bin/busybox']);
    expect(status).toEqual({ code: 5 });
    const executed = launchExec(running, ['sleep', '600']);
    expect(readFileSync(`/proc/${String(executed.pid)}/cgroup`, 'utf8')).toBe(readFileSync(`/proc/${String(running.launched.pid)}/cgroup`, 'utf8'));
    executed.kill(9);
    expect(await executed.wait()).toEqual({ code: 137, signal: 9 });
  });

  it('has its own user, groups, capabilities and limits, and the umask of the container (podman#25610, podman#19713)', async () => {
    const spec = makeSpec(root, ['sleep', '600'], { process: { user: { uid: 0, gid: 0, umask: 0o27 } } });
    const caps = ['CAP_KILL'];
    const { stdout } = await exec(container(spec), ['sh', '-c', 'id -u; id -G; umask; ulimit -n; grep -E "CapBnd|NoNewPrivs" /proc/self/status; pwd; echo $A'], {
      user: { uid: 1000, gid: 1001, additionalGids: [5, 6] }, capabilities: { bounding: caps }, rlimits: [{ type: 'RLIMIT_NOFILE', soft: 100, hard: 200 }], cwd: '/tmp', env: ['PATH=/bin', 'A=b'],
    });
    expect(stdout).toBe('1000\n1001 5 6\n0027\n100\nCapBnd:\t0000000000000020\nNoNewPrivs:\t1\n/tmp\nb\n');
  });

  it('is under the seccomp filter of the container', async () => {
    const spec = makeSpec(root, ['sleep', '600'], { linux: { seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 }] } } });
    const { stderr, status } = await exec(container(spec), ['mkdir', '/tmp/x']);
    expect(status.code).toBe(1);
    expect(stderr).toContain('Operation not permitted');
  });

  it.each([['nope', 'ERR_TSCBOX_COMMAND_NOT_FOUND'], ['/etc', 'ERR_TSCBOX_COMMAND_NOT_EXECUTABLE']])('refuses %s as run does (youki#953)', (command, code) => {
    expect(() => launchExec(container(), [command])).toThrow(expect.objectContaining({ code }) as Error);
  });

  it('names a working directory that is not there (runc#979)', () => {
    expect(() => launchExec(container(), ['true'], { cwd: '/none' })).toThrow(expect.objectContaining({ step: 'cwd', path: '/none' }) as Error);
  });

  it('refuses a container that has ended, and one whose pid is another process now', async () => {
    const running = container();
    const stale = { ...running, launched: { ...running.launched, startTime: running.launched.startTime - 1 } };
    expect(() => launchExec(stale, ['true'])).toThrow(/ESRCH \(it has ended\)/);
    running.launched.kill(9);
    await running.launched.wait();
    expect(() => launchExec(running, ['true'])).toThrow(/ESRCH \(it has ended\)/);
  });

  it('has a terminal of its size before anything can read it (podman#10560)', async () => {
    const executed = launchExec(container(), ['sh', '-c', 'stty size; tty; ls -l /proc/self/fd | grep -c pts'], { terminal: true, consoleSize: { height: 42, width: 173 } }, { stdio: { stdin: 'null', stdout: 'null', stderr: 'null' } });
    const stream = new ReadStream(executed.terminal ?? -1);
    let text = '';
    stream.on('data', (chunk) => void (text += String(chunk))).on('error', () => undefined);
    const closed = new Promise((resolve) => stream.on('close', resolve));
    expect(await executed.wait()).toEqual({ code: 0 });
    await closed;
    expect(text).toMatch(/^42 173\r\n\/dev\/pts\/\d+\r\n/);
  });

  it('joins the cgroup that process 1 stands in now (youki#3437)', async () => {
    const running = container();
    const own = running.spec.linux?.cgroupsPath ?? '';
    const pids = system.facts().cgroup.hierarchies.find(({ controllers, version }) => version === 2 || controllers.includes('pids'));
    const path = `${pids?.mountpoint ?? ''}${own}/inner`;
    const { mkdirSync, rmdirSync } = await import('node:fs');
    mkdirSync(path);
    writeFileSync(join(path, 'cgroup.procs'), String(running.launched.pid));
    const executed = launchExec(running, ['sleep', '600']);
    expect(readFileSync(join(path, 'cgroup.procs'), 'utf8').trim().split('\n')).toContain(String(executed.pid));
    executed.kill(9);
    await executed.wait();
    running.launched.kill(9);
    await running.launched.wait();
    rmdirSync(path);
  });

  it('is not limited by pids.max when it comes in, but its forks are (runc#4413)', async () => {
    const running = container(makeSpec(root, ['sleep', '600'], { linux: { resources: { pids: { limit: 3 } } } }));
    const executed = Array.from({ length: 5 }, () => launchExec(running, ['sleep', '600']));
    expect((await exec(running, ['sh', '-c', '(true) && echo forked'])).stdout).toBe('');
    for (const each of executed) each.kill(9);
    await Promise.all(executed.map(async (each) => each.wait()));
  });

  it('makes a process in a user namespace', async () => {
    const maps = [{ containerID: 0, hostID: 100_000, size: 1000 }];
    const spec = makeSpec(root, ['sleep', '600']);
    const running = container({ ...spec, linux: { ...spec.linux, uidMappings: maps, gidMappings: maps, namespaces: [...(spec.linux?.namespaces ?? []), { type: 'user' }] } });
    expect((await exec(running, ['sh', '-c', 'id -u; cat /proc/self/uid_map'], { user: { uid: 7, gid: 7 } })).stdout).toMatch(/^7\n\s+0\s+100000\s+1000\n$/);
    expect(() => launchExec(running, ['true'], { user: { uid: 5000, gid: 0 } })).toThrow(/run as uid 5000/);
  });

  it('leaks no descriptor, and no directory of the host as the current one (CVE-2024-21626)', async () => {
    const running = container();
    const directory = openSync('/', 'r');
    expect((await exec(running, ['sh', '-c', 'ls /proc/$$/fd; true'])).stdout).toBe('0\n1\n2\n');
    for (let fd = 3; fd < 40; fd += 1) expect(() => launchExec(running, ['true'], { cwd: `/proc/self/fd/${String(fd)}` })).toThrow(expect.objectContaining({ step: 'cwd' }) as Error);
    closeSync(directory);
  });

  it('may be detached', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tsc-box-exec-'));
    const executed = launchExec(container(), ['sh', '-c', 'echo detached; exit 3'], {}, { monitor: { journal: join(directory, 'journal'), exit: join(directory, 'exit') } });
    expect(await executed.wait()).toEqual({ code: 3 });
    expect(readJournal(readFileSync(join(directory, 'journal'))).frames.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['detached\n']);
    expect(parseExitRecord(readFileSync(join(directory, 'exit')))?.pid).toBe(executed.pid);
    rmSync(directory, { recursive: true });
  });
});
