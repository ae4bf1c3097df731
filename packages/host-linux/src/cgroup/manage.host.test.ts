import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeSync } from 'node:fs';
import { DEFAULT_DEVICE_RULES, type Facts } from '@tsc-box/model';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { probeFacts } from '../facts/probe.ts';
import { createCgroup, openCgroup, type CgroupHandle } from './manage.ts';
import { rmdirQuietly } from './make.ts';

const root = process.platform === 'linux' && process.geteuid?.() === 0;
const MB = 1024 * 1024;

describe.skipIf(!root)('cgroups (needs root on Linux)', () => {
  const facts = root ? probeFacts() : undefined!;
  const handles: CgroupHandle[] = [];
  const base = `/tsc-box-test-${String(process.pid)}`;
  let count = 0;
  const make = (resources: Parameters<typeof createCgroup>[2], using: Facts = facts): CgroupHandle => {
    const handle = createCgroup(using, `${base}/c${String((count += 1))}`, resources);
    handles.push(handle);
    return handle;
  };
  afterEach(() => {
    for (const handle of handles.splice(0)) {
      handle.kill();
      handle.remove();
      expect(handle.directories.filter((directory) => existsSync(directory))).toEqual([]);
    }
  });
  afterAll(() => {
    for (const { mountpoint } of facts.cgroup.hierarchies) rmdirQuietly(mountpoint + base);
  });
  /** Runs a shell command that first puts itself into the cgroup. */
  const shell = (handle: CgroupHandle, command: string): string =>
    handle.directories.map((directory) => `echo $$ > ${directory}/cgroup.procs`).join(';') + `; ${command}`;

  it('limits memory and pids; the kernel enforces both', () => {
    const handle = make({ memory: { limit: 16 * MB }, pids: { limit: 8 }, cpu: { shares: 512, quota: 50000, cpus: '0' } });
    expect(handle.taskFds.length + (handle.directoryFd === undefined ? 0 : 1)).toBe(handle.directories.length);
    const result = spawnSync('sh', ['-c', shell(handle, 'exec tail /dev/zero')], { stdio: 'ignore', timeout: 20_000 });
    expect(result.signal).toBe('SIGKILL');
    expect(handle.usage().oomKills).toBeGreaterThan(0);
    expect(handle.usage().peakMemory).toBeGreaterThan(8 * MB);
  });

  it.skipIf(!facts?.cgroup.hierarchies.some((h) => h.controllers.includes('devices')))('v1 device list: null yes, kmsg no', () => {
    const handle = make({ devices: DEFAULT_DEVICE_RULES });
    const result = spawnSync('sh', ['-c', shell(handle, 'echo x > /dev/null && echo null; head -c1 /dev/kmsg || echo refused')], { encoding: 'utf8' });
    expect(result.stdout).toBe('null\nrefused\n');
    expect(result.stderr).toContain('Operation not permitted');
  });

  it.skipIf(!facts?.cgroup.hierarchies.some((h) => h.version === 2))('v2 device program: the verifier takes it and it decides', () => {
    const only = { ...facts, cgroup: { layout: 'v2' as const, hierarchies: facts.cgroup.hierarchies.filter((h) => h.version === 2) } };
    const handle = make({ devices: [...DEFAULT_DEVICE_RULES, { allow: true, type: 'b', major: 8, minor: 0, access: 'r' }, { allow: false, type: 'c', major: 1, minor: 9, access: 'w' }] }, only);
    const result = spawnSync('sh', ['-c', shell(handle, 'echo x > /dev/null && echo null; (head -c1 /dev/kmsg || echo refused) 2>&1')], { encoding: 'utf8' });
    expect(result.stdout).toMatch(/^null\n.*Operation not permitted\nrefused\n$/);
  });

  it('freezes, kills what is frozen, removes', async () => {
    const handle = make({});
    const child = spawn('sh', ['-c', shell(handle, 'echo in; sleep 100 & wait')], { stdio: ['ignore', 'pipe', 'ignore'] });
    const exited = new Promise((resolve) => child.on('exit', (_code, signal) => resolve(signal)));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    handle.freeze();
    expect(readFileSync(`/proc/${String(child.pid)}/cgroup`, 'utf8')).toContain(handle.path);
    const again = openCgroup(facts, handle.path);
    expect(again.pids()).toContain(child.pid);
    again.kill();
    expect(await exited).toBe('SIGKILL');
  });

  it('updates, and the descriptors work', () => {
    const handle = make({ memory: { limit: 16 * MB } });
    handle.update({ memory: { limit: 32 * MB }, pids: { limit: -1 } });
    const memory = handle.directories.find((directory) => existsSync(`${directory}/memory.limit_in_bytes`));
    if (memory !== undefined) expect(readFileSync(`${memory}/memory.limit_in_bytes`, 'utf8').trim()).toBe(String(32 * MB));
    for (const fd of handle.taskFds) expect(() => writeSync(fd, 'x')).toThrow(/EINVAL/);
  });

  it('a bad value leaves nothing behind and names file and controller', () => {
    expect(() => make({ cpu: { cpus: '4000' } })).toThrow(expect.objectContaining({ syscall: 'write', path: expect.stringContaining('cpuset.cpus') as unknown, message: expect.stringContaining('controller cpuset') as unknown }));
    expect(facts.cgroup.hierarchies.filter((h) => existsSync(`${h.mountpoint}${base}/c${String(count)}`))).toEqual([]);
  });
});

describe.skipIf(process.platform !== 'linux')('limits that can not be applied (needs Linux)', () => {
  it('names controller, cgroup and unit setting', () => {
    const own = '/user.slice/session-2.scope';
    const facts: Facts = { ...probeFacts(), uid: 1000, privileged: false, cgroup: { layout: 'v2', hierarchies: [{ mountpoint: '/sys/fs/cgroup', version: 2, controllers: ['memory'], own, parent: own, delegated: ['pids'] }] } };
    expect(() => createCgroup(facts, `${own}/x`, { memory: { limit: MB } })).toThrow(
      expect.objectContaining({ code: 'ERR_TSCBOX_UNSUPPORTED', message: expect.stringMatching(/controller memory/) as unknown, hint: expect.stringContaining('Delegate=memory') as unknown }),
    );
  });
});
