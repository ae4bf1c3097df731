import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ReadStream } from 'node:tty';
import { BoxError, compile } from '@tsc-box/model';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLinux } from '../index.ts';
import { makeRoot, makeSpec, readAll, run, start, whyNot, type Root } from './busybox.testing.ts';

const reason = whyNot();
const system = openLinux();
const title = reason === undefined ? 'launch' : `launch (${reason})`;

function failureOf(action: () => unknown): BoxError {
  try {
    action();
  } catch (error) {
    if (error instanceof BoxError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

const leftovers = (): { readonly mounts: number; readonly cgroups: string[]; readonly fds: number } => ({
  mounts: readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length,
  cgroups: ['memory', 'pids', 'freezer', 'unified', ''].flatMap((name) => {
    const directory = join('/sys/fs/cgroup', name, 'tsc-box');
    return existsSync(directory) ? readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory() && entry.name.startsWith(`test-${process.pid}`)).map((entry) => join(directory, entry.name)) : [];
  }),
  fds: readdirSync('/proc/self/fd').length,
});

describe.skipIf(reason !== undefined)(title, () => {
  let root: Root;
  beforeAll(() => {
    root = makeRoot();
  });
  afterAll(() => root.remove());

  it('gives the exit code, and 128 + n for a signal', async () => {
    expect((await run(system, makeSpec(root, ['sh', '-c', 'exit 42']))).status).toEqual({ code: 42 });
    const launched = start(system, makeSpec(root, ['sleep', '60']));
    launched.kill(9);
    expect(await launched.wait()).toEqual({ code: 137, signal: 9 });
    launched.cleanup();
  });

  it('makes namespaces of its own, and the command is pid 1 in them', async () => {
    const { stdout } = await run(system, makeSpec(root, ['sh', '-c', 'echo $$; hostname; for n in mnt pid uts ipc net cgroup user; do readlink /proc/self/ns/$n; done']));
    const [pid, hostname, ...spaces] = stdout.trim().split('\n');
    expect([pid, hostname]).toEqual(['1', 'box']);
    const own = ['mnt', 'pid', 'uts', 'ipc', 'net', 'cgroup', 'user'].map((name) => readlinkSync(`/proc/self/ns/${name}`));
    spaces.forEach((space, index) => (index < 6 ? expect(space).not.toBe(own[index]) : expect(space).toBe(own[index])));
  });

  it('brings the loopback interface up in a new network namespace', async () => {
    expect((await run(system, makeSpec(root, ['ifconfig', 'lo']))).stdout).toMatch(/UP LOOPBACK RUNNING/);
  });

  it('passes no descriptor but the standard streams, and no blocked or ignored signal', async () => {
    expect((await run(system, makeSpec(root, ['sh', '-c', 'ls /proc/1/fd; true']))).stdout).toBe('0\n1\n2\n');
    const { stdout } = await run(system, makeSpec(root, ['grep', '-E', 'SigBlk|SigIgn', '/proc/self/status']));
    expect(stdout).toBe('SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n');
  });

  it('sets capabilities, no_new_privs, umask, rlimits and oom_score_adj as the spec says', async () => {
    const spec = makeSpec(root, ['sh', '-c', 'grep -E "Cap|NoNewPrivs" /proc/self/status; umask; ulimit -n; cat /proc/self/oom_score_adj'], {
      process: { user: { uid: 0, gid: 0, umask: 0o77 }, rlimits: [{ type: 'RLIMIT_NOFILE', soft: 100, hard: 200 }], oomScoreAdj: 500 },
    });
    expect((await run(system, spec)).stdout.split('\n')).toEqual([
      'CapInh:\t0000000000000000', 'CapPrm:\t00000000000000e1', 'CapEff:\t00000000000000e1', 'CapBnd:\t00000000000000e1', 'CapAmb:\t0000000000000000', 'NoNewPrivs:\t1', '0077', '100', '500', '',
    ]);
  });

  it('runs as another user with groups, and keeps ambient capabilities only', async () => {
    const caps = ['CAP_CHOWN', 'CAP_KILL'];
    const spec = makeSpec(root, ['sh', '-c', 'id -u; id -G; grep CapEff /proc/self/status'], {
      process: { user: { uid: 1000, gid: 1001, additionalGids: [5, 6] }, capabilities: { bounding: caps, effective: caps, permitted: caps, inheritable: ['CAP_KILL'], ambient: ['CAP_KILL'] } },
    });
    expect((await run(system, spec)).stdout).toBe('1000\n1001 5 6\nCapEff:\t0000000000000020\n');
  });

  it('loads a seccomp profile', async () => {
    const spec = makeSpec(root, ['sh', '-c', 'mkdir /tmp/x; echo $?'], {
      linux: { seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 }] } },
    });
    expect(await run(system, spec)).toMatchObject({ stdout: '1\n', stderr: "mkdir: can't create directory '/tmp/x': Operation not permitted\n" });
  });

  it('masks and write-protects paths', async () => {
    const spec = makeSpec(root, ['sh', '-c', 'wc -c < /proc/kallsyms; ls /sys/firmware | wc -l; echo 1 > /proc/sys/kernel/ostype'], {
      mounts: [{ destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['ro', 'nosuid', 'noexec', 'nodev'] }],
      linux: { maskedPaths: ['/proc/kallsyms', '/sys/firmware', '/not/there'], readonlyPaths: ['/proc/sys', '/not/there'] },
    });
    expect(await run(system, spec)).toMatchObject({ stdout: '0\n0\n', stderr: expect.stringContaining('Read-only file system') as string });
  });

  it('makes missing mount targets inside the root, also where the image has a link that leads out', async () => {
    const outside = join(root.path, '..', `outside-${process.pid}`);
    symlinkSync(`/../../../../../../..${outside}`, join(root.path, 'evil'));
    mkdirSync(join(root.path, 'source'));
    writeFileSync(join(root.path, 'source', 'file'), 'hello');
    const spec = makeSpec(root, ['cat', '/evil/data/file'], { mounts: [{ destination: '/evil/data', type: 'bind', source: join(root.path, 'source'), options: ['rbind', 'ro'] }] });
    const failure = failureOf(() => start(system, spec));
    expect(failure.errno).toBe('ENOENT');
    expect(existsSync(outside)).toBe(false);
  });

  it('binds a file and a directory, read-only where asked', async () => {
    writeFileSync(join(root.path, 'etc', 'one'), 'one');
    const spec = makeSpec(root, ['sh', '-c', 'cat /new/file; echo x > /new/file'], { mounts: [{ destination: '/new/file', type: 'bind', source: join(root.path, 'etc', 'one'), options: ['bind', 'ro'] }] });
    const outcome = await run(system, spec, { sources: { [join(root.path, 'etc', 'one')]: 'file' } });
    expect(outcome).toMatchObject({ stdout: 'one', stderr: expect.stringContaining('Read-only file system') as string });
  });

  it('switches the root by MS_MOVE and chroot with noPivot', async () => {
    expect((await run(system, makeSpec(root, ['ls', '/'], {}), { noPivot: true })).stdout).toContain('bin');
  });

  it('gives a read-only root', async () => {
    const outcome = await run(system, makeSpec(root, ['touch', '/x'], { rest: { root: { path: root.path, readonly: true } } }));
    expect(outcome.stderr).toContain('Read-only file system');
  });

  it('gives a terminal of the asked size, that is the controlling one and the console', async () => {
    const spec = makeSpec(root, ['sh', '-c', 'stty size; tty; ls -l /dev/console | cut -c1; echo x > /dev/tty'], { process: { terminal: true, consoleSize: { height: 33, width: 111 } } });
    const plan = compile(spec, system.facts(), { id: 'tty', root: { kind: 'directory', path: root.path } });
    const launched = system.launch({ plan, stdio: { stdin: 'null', stdout: 'null', stderr: 'null' } });
    const stream = new ReadStream(launched.terminal!);
    let text = '';
    stream.on('data', (chunk) => (text += String(chunk)));
    const closed = new Promise((resolve) => stream.on('error', resolve).on('close', resolve));
    expect(await launched.wait()).toEqual({ code: 0 });
    launched.cleanup();
    await closed;
    expect(text).toBe('33 111\r\n/dev/pts/0\r\nc\r\nx\r\n');
  });

  it('limits memory and processes, and says when the out-of-memory killer struck', async () => {
    const spec = makeSpec(root, ['sh', '-c', 'tail /dev/zero'], { linux: { resources: { memory: { limit: 16 * 2 ** 20, swap: 16 * 2 ** 20 }, pids: { limit: 10 } } } });
    const { status } = await run(system, spec);
    expect(status.code).toBe(137);
  });

  it('runs a reaper as process 1 with init: it passes signals on, and ends as the command does', async () => {
    expect((await run(system, makeSpec(root, ['sh', '-c', 'echo $$; until grep -q tsc-box-init /proc/1/comm; do :; done; cat /proc/1/comm; exit 7']), { init: true }))).toEqual({ status: { code: 7 }, stdout: '2\ntsc-box-init\n', stderr: '' });
    const launched = start(system, makeSpec(root, ['sleep', '60']), { init: true });
    launched.kill(15);
    expect(await launched.wait()).toEqual({ code: 143 });
    launched.cleanup();
    expect(failureOf(() => start(system, makeSpec(root, ['nope']), { init: true })).code).toBe('ERR_TSCBOX_COMMAND_NOT_FOUND');
  });

  it('joins the namespaces of a running container by path', async () => {
    const first = start(system, makeSpec(root, ['sleep', '60']));
    const ns = (name: string): string => `/proc/${first.pid}/ns/${name}`;
    const spec = makeSpec(root, ['sh', '-c', 'for n in pid net ipc uts; do readlink /proc/self/ns/$n; done; ps | grep -c sleep'], {
      linux: { namespaces: [{ type: 'mount' }, { type: 'pid', path: ns('pid') }, { type: 'network', path: ns('net') }, { type: 'ipc', path: ns('ipc') }, { type: 'uts', path: ns('uts') }] },
    });
    const expected = ['pid', 'net', 'ipc', 'uts'].map((name) => readlinkSync(ns(name)));
    const second = await run(system, spec);
    first.kill(9);
    await first.wait();
    first.cleanup();
    expect(second.stdout.trim().split('\n').slice(0, 4)).toEqual(expected);
  });

  it('makes a user namespace with ranges, in which the container is root', async () => {
    const maps = [{ containerID: 0, hostID: 100000, size: 65536 }];
    chmodSync(root.path, 0o755);
    const spec = makeSpec(root, ['sh', '-c', 'id -u; cat /proc/self/uid_map'], {
      linux: { namespaces: (['user', 'mount', 'pid', 'network', 'ipc', 'uts'] as const).map((type) => ({ type })), uidMappings: maps, gidMappings: maps },
    });
    const { stdout, stderr } = await run(system, spec);
    expect(stderr).toBe('');
    expect(stdout.split('\n').map((line) => line.trim().split(/ +/).join(' '))).toEqual(['0', '0 100000 65536', '']);
  });

  it('sets the clocks of a time namespace', async () => {
    const spec = makeSpec(root, ['cat', '/proc/uptime'], { linux: { namespaces: [{ type: 'mount' }, { type: 'pid' }, { type: 'time' }], timeOffsets: { boottime: { secs: 864000000 }, monotonic: { secs: 864000000 } } } });
    expect(Number((await run(system, spec)).stdout.split(' ')[0])).toBeGreaterThan(864000000);
  });

  it('names the step, call and cause of a launch that fails, and leaves nothing behind', () => {
    const before = leftovers();
    const failure = failureOf(() => start(system, makeSpec(root, ['true'], { mounts: [{ destination: '/x', type: 'tmpfs', source: 'tmpfs', options: ['size=nonsense'] }] })));
    expect(failure.code).toBe('ERR_TSCBOX_STEP_FAILED');
    expect(failure.message).toContain('size=nonsense');
    expect(failure).toMatchObject({ syscall: 'fsconfig', errno: 'EINVAL', reason: 'the file system does not know this option or its value: size=nonsense' });
    expect(leftovers()).toEqual({ ...before, cgroups: [] });
  });

  it('leaves nothing behind after ordinary runs', async () => {
    await run(system, makeSpec(root, ['true']));
    const before = leftovers();
    for (let round = 0; round < 5; round += 1) await run(system, makeSpec(root, ['true']));
    expect(leftovers()).toEqual({ ...before, cgroups: [] });
  });

  it('runs many at once', async () => {
    const outcomes = await Promise.all(Array.from({ length: 30 }, (_, index) => run(system, makeSpec(root, ['sh', '-c', `exit ${index}`]))));
    expect(outcomes.map(({ status }) => status.code)).toEqual(Array.from({ length: 30 }, (_, index) => index));
  });

  it('kills what the first process leaves running', async () => {
    const launched = start(system, makeSpec(root, ['sh', '-c', 'sleep 1000 & echo started']));
    expect(await readAll(launched.stdout)).toBe('started\n');
    await launched.wait();
    launched.cleanup();
  });

  it('lets no path of the image lead through a descriptor or a process of the host (CVE-2024-21626)', async () => {
    const namespaces = (['mount', 'uts', 'ipc', 'network', 'cgroup'] as const).map((type) => ({ type }));
    for (let fd = 0; fd < 40; fd += 1) {
      const failure = failureOf(() => start(system, makeSpec(root, ['true'], { process: { cwd: `/proc/self/fd/${fd}` } })));
      expect(failure.step).toBe('cwd');
      const command = failureOf(() => start(system, makeSpec(root, [`/proc/self/fd/${fd}/../../../../../../bin/true`])));
      expect(command.step).toBe('exec');
    }
    for (const cwd of ['/proc/1/root', '/proc/1/cwd', '/proc/self/root/etc']) {
      const failure = failureOf(() => start(system, makeSpec(root, ['true'], { process: { cwd }, linux: { namespaces } }), { createCwd: true }));
      expect(failure.step).toBe('cwd');
      // EACCES where even looking at the process is refused.
      expect(['ELOOP', 'EACCES']).toContain(failure.errno);
    }
    const made = await run(system, makeSpec(root, ['pwd'], { process: { cwd: '/made/for/it' } }), { createCwd: true });
    expect(made.stdout).toBe('/made/for/it\n');
  });

  describe('says why a command could not be executed', () => {
    const cases: readonly (readonly [name: string, command: string, make: (path: string) => void, code: string, text: RegExp])[] = [
      ['not in PATH', 'nope', () => {}, 'ERR_TSCBOX_COMMAND_NOT_FOUND', /not found in PATH of the container: \/bin/],
      ['no such file', '/no/such', () => {}, 'ERR_TSCBOX_COMMAND_NOT_FOUND', /no such file in the container/],
      ['an empty name', '', () => {}, 'ERR_TSCBOX_COMMAND_NOT_FOUND', /the command is an empty string/],
      ['a directory', '/etc', () => {}, 'ERR_TSCBOX_COMMAND_NOT_EXECUTABLE', /it is a directory/],
      ['no execute permission', '/plain', (path) => writeFileSync(path, '#!/bin/sh\n', { mode: 0o644 }), 'ERR_TSCBOX_COMMAND_NOT_EXECUTABLE', /no execute permission/],
      ['a missing interpreter', '/script', (path) => writeFileSync(path, '#!/usr/bin/python3 -u\n', { mode: 0o755 }), 'ERR_TSCBOX_COMMAND_NOT_EXECUTABLE', /its interpreter "\/usr\/bin\/python3" does not exist/],
      ['an unknown format', '/junk', (path) => writeFileSync(path, 'junk\n', { mode: 0o755 }), 'ERR_TSCBOX_COMMAND_NOT_EXECUTABLE', /neither a program of this machine nor a script/],
      ['a closed directory', '/closed/x', (path) => { mkdirSync(dirname(path), { mode: 0o700 }); writeFileSync(path, '', { mode: 0o755 }); }, 'ERR_TSCBOX_COMMAND_NOT_EXECUTABLE', /a directory on the way to it can not be entered/],
      ['an empty file', '/empty', (path) => writeFileSync(path, '', { mode: 0o755 }), 'ERR_TSCBOX_COMMAND_NOT_EXECUTABLE', /the file is empty/],
      ['another architecture', '/foreign', (path) => writeFileSync(path, Buffer.concat([Buffer.from('7f454c460201010000000000000000000200f300', 'hex'), Buffer.alloc(100)]), { mode: 0o755 }), 'ERR_TSCBOX_COMMAND_NOT_EXECUTABLE', /built for RISC-V/],
    ];
    it.each(cases)('%s', (_, command, make, code, text) => {
      make(join(root.path, command));
      const user = { uid: 1000, gid: 1000 };
      const failure = failureOf(() => start(system, makeSpec(root, [command], { process: { user } })));
      expect(failure.code).toBe(code);
      expect(failure.message).toMatch(text);
    });
  });
});
