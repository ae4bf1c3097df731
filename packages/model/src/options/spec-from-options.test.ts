import { describe, expect, it } from 'vitest';
import { parseSpec } from '../spec/validate.ts';
import type { ImageConfig, ImageRunConfig } from '../spec/image-config.ts';
import type { SpecMount } from '../spec/spec.ts';
import { ROOT_FACTS, testContext, USER_FACTS, type TestFiles } from './context.testing.ts';
import type { OptionContext, RunOptions, SpecResult } from './run-options.ts';
import { specFromOptions } from './spec-from-options.ts';

const etc = {
  '/etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nsync:x:4:65534:sync:/bin:/bin/sync\nalice:x:1000:1000::/home/alice:/bin/sh\n',
  '/etc/group': 'root:x:0:\nwheel:x:10:root\naudio:x:29:alice\n',
};

function image(config: ImageRunConfig): ImageConfig {
  return { architecture: 'amd64', os: 'linux', config, rootfs: { type: 'layers', diff_ids: [] } };
}

function run(options: RunOptions = {}, overrides: Partial<OptionContext> = {}, files: TestFiles = {}, config?: ImageRunConfig, command: readonly string[] = ['true']): SpecResult {
  return specFromOptions(options, command, config === undefined ? undefined : image(config), testContext(overrides, { root: etc, ...files }));
}

const at = (result: SpecResult, destination: string): SpecMount | undefined => result.spec.mounts?.find((mount) => mount.destination === destination);
const env = (result: SpecResult): readonly string[] => result.spec.process?.env ?? [];

describe('the spec of a container', () => {
  it('is what docker run gives by default', () => {
    const { spec, warnings, stopSignal } = run();
    expect(warnings).toEqual([]);
    expect(stopSignal).toBe(15);
    expect(spec).toMatchObject({
      ociVersion: '1.0.2', hostname: '0123456789ab', root: { readonly: false },
      process: { args: ['true'], cwd: '/', terminal: false, user: { uid: 0, gid: 0, additionalGids: [0, 10], username: 'root' }, noNewPrivileges: false, env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOSTNAME=0123456789ab', 'HOME=/root'] },
      linux: { cgroupsPath: '/tsc-box/0123456789abcdef0123456789abcdef', resources: { devices: [{ allow: false, access: 'rwm' }] }, seccomp: { defaultAction: 'SCMP_ACT_ERRNO' } },
    });
    expect(spec.mounts?.map(({ destination, type }) => `${destination} ${type ?? ''}`)).toEqual(['/proc proc', '/dev tmpfs', '/dev/pts devpts', '/sys sysfs', '/sys/fs/cgroup cgroup', '/dev/mqueue mqueue', '/dev/shm tmpfs']);
    expect(spec.process?.capabilities?.effective).toHaveLength(14);
    expect(spec.process).not.toHaveProperty('rlimits');
    expect(spec.process).not.toHaveProperty('oomScoreAdj');
  });

  it.each<[string, SpecResult]>([
    ['by default', run()],
    ['of an ordinary user', run({}, { facts: USER_FACTS })],
    ['with everything', run({ terminal: true, readOnly: true, memory: '64m', cpus: '1', pidsLimit: '50', volumes: ['/srv:/data:ro'], tmpfs: ['/t'], devices: ['/dev/fuse'], sysctls: ['net.core.somaxconn=5'], ulimits: ['nofile=10'], userns: 'auto', time: 'private', oomScoreAdj: '0', umask: '027' })],
  ])('is valid by our own rules: %s', (_, { spec }) => {
    expect(parseSpec(JSON.parse(JSON.stringify(spec)))).toEqual({ spec, warnings: [] });
  });

  it('has the oldest version that knows its fields', () => {
    expect([run(), run({ domainname: 'x' }), run({ time: 'private' })].map(({ spec }) => spec.ociVersion)).toEqual(['1.0.2', '1.2.0', '1.2.0']);
  });

  it('of an ordinary user has a user namespace with one id, no tty group, no device rules, no supplementary groups', () => {
    const { spec } = run({}, { facts: USER_FACTS });
    expect(spec.linux).toMatchObject({ uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }], gidMappings: [{ containerID: 0, hostID: 100, size: 1 }] });
    expect(spec.linux?.namespaces).toContainEqual({ type: 'user' });
    expect(spec.linux?.resources).toEqual({});
    expect(spec.process?.user).toEqual({ uid: 0, gid: 0, username: 'root' });
    expect(spec.mounts?.find(({ destination }) => destination === '/dev/pts')?.options).not.toContain('gid=5');
  });
  it('of an ordinary user with ranges keeps the groups that have an id', () => {
    const { spec } = run({}, { facts: { ...USER_FACTS, subuid: [{ start: 100_000, count: 9 }], subgid: [{ start: 100_000, count: 9 }] } });
    expect(spec.process?.user.additionalGids).toEqual([0]);
    expect(spec.mounts?.find(({ destination }) => destination === '/dev/pts')?.options).toContain('gid=5');
  });
  it('an ordinary user with one id can not add groups, and is told how to', () => {
    expect(() => run({ groupAdd: ['audio'] }, { facts: USER_FACTS })).toThrow(expect.objectContaining({ code: 'ERR_TSCBOX_UNSUPPORTED', hint: expect.stringContaining('/etc/subgid') }));
  });
  it('of the machine\'s own root gets a fresh /run and nothing of the host\'s environment', () => {
    const result = run({}, { image: 'host', hostEnv: { SECRET: 'x', PATH: '/opt' } });
    expect(at(result, '/run')?.type).toBe('tmpfs');
    expect(env(result).map((entry) => entry.split('=')[0])).toEqual(['PATH', 'HOSTNAME', 'HOME']);
  });
});

describe('command, environment, user and directory', () => {
  const config = { Entrypoint: ['/entry', '-x'], Cmd: ['a', 'b c'], Env: ['PATH=/bin', 'A=1', 'HOME=/img'], User: 'alice', WorkingDir: 'work', StopSignal: 'SIGQUIT', Labels: { a: '1', b: '2' } };
  const args = (options: RunOptions, command: readonly string[], own: ImageRunConfig = config) => run(options, {}, {}, own, command).spec.process?.args;
  it.each<[string, RunOptions, readonly string[], readonly string[]]>([
    ['entrypoint and Cmd of the image', {}, [], ['/entry', '-x', 'a', 'b c']],
    ['a command takes the place of Cmd', {}, ['c'], ['/entry', '-x', 'c']],
    ['case 48: an entrypoint takes Cmd away', { entrypoint: '/mine' }, [], ['/mine']],
    ['an entrypoint with a command', { entrypoint: '/mine' }, ['c'], ['/mine', 'c']],
    ['an empty entrypoint takes the image\'s away', { entrypoint: '' }, ['c'], ['c']],
  ])('%s', (_, options, command, expected) => expect(args(options, command)).toEqual(expected));
  it.each<[RunOptions, ImageRunConfig]>([[{}, {}], [{ entrypoint: '' }, config]])('refuses to run nothing: %j', (options, own) => {
    expect(() => args(options, [], own)).toThrow('choose the command: found none');
  });

  it('takes the image\'s settings', () => {
    const result = run({ labels: ['b=3', 'c'] }, {}, {}, config, []);
    expect(env(result)).toEqual(['PATH=/bin', 'HOSTNAME=0123456789ab', 'A=1', 'HOME=/img']);
    expect(result).toMatchObject({ stopSignal: 3, createCwd: true, labels: { a: '1', b: '3', c: '' }, spec: { process: { cwd: '/work', user: { uid: 1000, gid: 1000, additionalGids: [1000, 29] } } } });
  });
  it('case 7: only the image\'s own directory is made', () => {
    expect(run({ workdir: '/w' }, {}, {}, config)).toMatchObject({ createCwd: false, spec: { process: { cwd: '/w' } } });
    expect(() => run({ workdir: 'w' })).toThrow('read --workdir: found "w", allowed: an absolute path');
  });
  it('merges the environment: docker\'s, the image\'s, files, flags', () => {
    const result = run({ terminal: true, envFiles: ['x.env'], env: ['B=flag', 'HOST', 'A', 'C=a=b'] }, { hostEnv: { HOST: 'h' } }, { host: { '/home/alice/x.env': 'B=file\nD="q"\n' } }, config);
    expect(env(result)).toEqual(['PATH=/bin', 'HOSTNAME=0123456789ab', 'TERM=xterm', 'HOME=/img', 'B=flag', 'D="q"', 'HOST=h', 'C=a=b']);
  });
  it('case 64: a HOSTNAME of the user\'s wins', () => expect(env(run({ hostname: 'box', env: ['HOSTNAME=mine'] }))).toContain('HOSTNAME=mine'));
  it.each<[string, RunOptions, ImageRunConfig | undefined, string]>([
    ['case 50: HOME is that of the container\'s passwd', { user: 'alice' }, undefined, 'HOME=/home/alice'],
    ['case 50: HOME set to nothing counts as not set', { env: ['HOME='] }, undefined, 'HOME=/root'],
    ['case 50: a HOME of the image wins', { user: 'alice' }, { Env: ['HOME=/img'] }, 'HOME=/img'],
    ['case 50: an unknown number has /', { user: '4242' }, undefined, 'HOME=/'],
  ])('%s', (_, options, own, expected) => expect(env(run(options, {}, {}, own)).filter((entry) => entry.startsWith('HOME='))).toEqual([expected]));
  it('case 51: numbers need no files; a name alone has the group of passwd', () => {
    expect(run({ user: '7:8' }, {}, { root: {} }).spec.process?.user).toEqual({ uid: 7, gid: 8, additionalGids: [8] });
    expect(run({ user: 'sync' }).spec.process?.user).toMatchObject({ uid: 4, gid: 65_534 });
  });
  it('adds groups by name and number', () => expect(run({ groupAdd: ['audio', '77'] }).spec.process?.user.additionalGids).toEqual([0, 10, 29, 77]));
  it('another user than root may gain capabilities, but holds none', () => {
    expect(run({ user: 'alice' }).spec.process?.capabilities).toMatchObject({ effective: [], permitted: [], inheritable: [], ambient: [], bounding: expect.arrayContaining(['CAP_CHOWN']) });
  });
  it('names an env file that is not there', () => expect(() => run({ envFiles: ['nope'] })).toThrow('read the env file "/home/alice/nope": found no such file'));
  it('reads the umask and the stop signal', () => {
    expect(run({ umask: '027', stopSignal: 'INT' })).toMatchObject({ stopSignal: 2, spec: { process: { user: { umask: 0o27 } } } });
    expect(() => run({ umask: '999' })).toThrow('read --umask');
    expect(() => run({ stopSignal: 'NOPE' })).toThrow('found "NOPE"');
  });
});

describe('names', () => {
  it('case 62: a host name of 65 bytes is refused before anything starts, 64 is fine, the domain does not count', () => {
    expect(() => run({ hostname: 'a'.repeat(65) })).toThrow('read --hostname: found 65 bytes, allowed: at most 64 bytes');
    expect(run({ hostname: 'a'.repeat(64), domainname: 'b'.repeat(64) }).spec).toMatchObject({ hostname: 'a'.repeat(64), domainname: 'b'.repeat(64) });
  });
  it('leaves the host\'s name alone', () => {
    const result = run({ uts: 'host' });
    expect(result.spec).not.toHaveProperty('hostname');
    expect(env(result).some((entry) => entry.startsWith('HOSTNAME='))).toBe(false);
    expect(() => run({ uts: 'host', hostname: 'x' })).toThrow('found "x" together with --uts host');
  });
  it.each(['a b', 'a/b', 'a\nb'])('refuses the host name %j', (hostname) => expect(() => run({ hostname })).toThrow('allowed: a name without blanks'));
  it('reads the parent of the cgroup', () => {
    expect(run({ cgroupParent: '/my/parent/' }).spec.linux?.cgroupsPath).toBe('/my/parent/0123456789abcdef0123456789abcdef');
    expect(() => run({ cgroupParent: '../x' })).toThrow('allowed: a path without ".."');
  });
});

describe('mounts and devices', () => {
  it('come after the default ones, parents first, and take their place', () => {
    const result = run({ volumes: ['/srv:/a/b/c', '/etc/motd:/m', '/nope:/a'], tmpfs: ['/dev/shm:size=1m'], mounts: ['type=tmpfs,dst=/a/b'] });
    expect(result.spec.mounts?.map(({ destination }) => destination)).toEqual(['/proc', '/dev', '/dev/pts', '/sys', '/sys/fs/cgroup', '/dev/mqueue', '/m', '/a', '/a/b', '/dev/shm', '/a/b/c']);
    expect(result).toMatchObject({ sources: { '/srv': 'directory', '/etc/motd': 'file', '/nope': 'directory' }, createDirectories: ['/nope'] });
  });
  it('a /dev of the user\'s takes away what would be below it', () => {
    expect(run({ volumes: ['/srv:/dev'] }).spec.mounts?.map(({ destination }) => destination)).toEqual(['/proc', '/sys', '/sys/fs/cgroup', '/dev']);
  });
  it('refuses two at one place', () => expect(() => run({ volumes: ['/srv:/a'], tmpfs: ['/a/'] })).toThrow('found two at "/a"'));
  it('makes /dev/shm of the size asked for', () => {
    expect(at(run({ shmSize: '1g' }), '/dev/shm')?.options).toContain('size=1073741824');
    expect(at(run({ ipc: 'none' }), '/dev/shm')).toBeUndefined();
    expect(() => run({ shmSize: '0' })).toThrow('read --shm-size');
  });
  it('shows the host\'s shared memory with the host\'s ipc namespace', () => {
    const result = run({ ipc: 'host' });
    expect(at(result, '/dev/shm')).toMatchObject({ type: 'bind', source: '/dev/shm' });
    expect(at(result, '/dev/mqueue')).toBeUndefined();
  });
  it('makes nodes as root, and binds the host\'s in a user namespace', () => {
    const root = run({ devices: ['/dev/fuse:/dev/x:r'] });
    expect(root.spec.linux?.devices).toEqual([{ type: 'c', path: '/dev/x', major: 10, minor: 229, fileMode: 0o666, uid: 0, gid: 0 }]);
    expect(root.spec.linux?.resources?.devices).toEqual([{ allow: false, access: 'rwm' }, { allow: true, type: 'c', major: 10, minor: 229, access: 'r' }]);
    const user = run({ devices: ['/dev/fuse:/dev/x'] }, { facts: USER_FACTS });
    expect(user.spec.linux).not.toHaveProperty('devices');
    expect(at(user, '/dev/x')).toEqual({ destination: '/dev/x', type: 'bind', source: '/dev/fuse', options: ['bind', 'rprivate'] });
    expect(user.sources).toEqual({ '/dev/fuse': 'file' });
  });
  it('refuses an owner of a tmpfs that has no id', () => expect(() => run({ tmpfs: ['/t:uid=5'] }, { facts: USER_FACTS })).toThrow('only id 0 is mapped'));
});

describe('security', () => {
  it('--privileged opens everything, with the devices of the host where they can be listed', () => {
    const hostDevices = () => [{ type: 'c', path: '/dev/kvm', major: 10, minor: 232 }, { type: 'c', path: '/dev/null', major: 1, minor: 3 }, { type: 'c', path: '/dev/pts/0', major: 136, minor: 0 }] as const;
    const result = run({ privileged: true }, { hostDevices });
    expect(result.warnings).toEqual([]);
    expect(result.spec.linux).toMatchObject({ maskedPaths: [], readonlyPaths: [], devices: [{ path: '/dev/kvm' }], resources: { devices: [{ allow: true, access: 'rwm' }] } });
    expect(result.spec.linux?.devices).toHaveLength(1);
    expect(result.spec.linux).not.toHaveProperty('seccomp');
    expect(at(result, '/sys')?.options).not.toContain('ro');
    expect(run({ privileged: true }).warnings[0]).toContain("the host's device nodes can't be listed here");
  });
  it('reads a profile of the user\'s', () => {
    const files = { host: { '/home/alice/p.json': '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["chroot"],"action":"SCMP_ACT_KILL"}]}', '/home/alice/bad.json': '{', '/home/alice/wrong.json': '{"defaultAction":"x"}' } };
    expect(run({ securityOpt: ['seccomp=p.json'] }, {}, files).spec.linux?.seccomp).toEqual({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['chroot'], action: 'SCMP_ACT_KILL' }] });
    expect(() => run({ securityOpt: ['seccomp=nope.json'] }, {}, files)).toThrow('read the seccomp profile "/home/alice/nope.json": found no such file');
    expect(() => run({ securityOpt: ['seccomp=bad.json'] }, {}, files)).toThrow('found no JSON');
    expect(() => run({ securityOpt: ['seccomp=wrong.json'] }, {}, files)).toThrow('linux.seccomp.defaultAction: found "x"');
  });
  it('without libseccomp warns by default, and refuses a profile that is asked for', () => {
    const facts = { ...ROOT_FACTS, seccomp: { filter: true, libseccomp: undefined } };
    expect(run({}, { facts }).warnings).toEqual(['no seccomp filter is loaded: libseccomp is not installed; install libseccomp (package libseccomp2 or libseccomp)']);
    expect(() => run({ securityOpt: ['seccomp=p.json'] }, { facts })).toThrow('load the seccomp profile "p.json": libseccomp is not installed');
    expect(run({ securityOpt: ['seccomp=unconfined'] }, { facts }).warnings).toEqual([]);
  });
  it('opens calls with capabilities, and case 61: writes an explicit 0', () => {
    const names = run({ capAdd: ['SYS_ADMIN'] }).spec.linux?.seccomp?.syscalls?.flatMap((rule) => rule.names) ?? [];
    expect(names).toContain('mount');
    expect(run({ oomScoreAdj: '0' }).spec.process?.oomScoreAdj).toBe(0);
  });
});
