import { describe, expect, it } from 'vitest';
import { chooseCapabilities } from './capabilities.ts';
import { parseDevice } from './devices.ts';
import { hostsFile, parseAddHost, parseDns, resolvConf } from './etc-files.ts';
import { defaultIdMaps, namespaceModes, specNamespaces, withDefaultMappings } from './namespaces.ts';
import { parseResources, parseRlimits } from './resources.ts';
import { checkContainerName, checkRunOptions, type RunOptions } from './run-options.ts';
import { MASKED_PATHS, parseSecurityOptions, READONLY_PATHS } from './security.ts';
import { parseSysctls } from './sysctls.ts';
import { ROOT_FACTS, testContext, USER_FACTS } from './context.testing.ts';

const MIB = 1024 ** 2;

describe('capabilities', () => {
  const choose = (options: RunOptions, userns = false) => chooseCapabilities(options, ROOT_FACTS, userns);
  it('starts from docker\'s fourteen', () => expect(choose({})).toHaveLength(14));
  it.each<[string, RunOptions, string[]]>([
    ['drop all, add one', { capDrop: ['ALL'], capAdd: ['net_admin'] }, ['CAP_NET_ADMIN']],
    ['drop all', { capDrop: ['all'] }, []],
    ['privileged without one', { privileged: true, capDrop: ['ALL'], capAdd: ['CAP_KILL', 'CHOWN'] }, ['CAP_CHOWN', 'CAP_KILL']],
  ])('%s', (_, options, expected) => expect(choose(options)).toEqual(expected));
  it('adds and drops by name', () => {
    expect(choose({ capAdd: ['SYS_TIME'], capDrop: ['CAP_KILL'] })).toEqual(expect.arrayContaining(['CAP_SYS_TIME', 'CAP_CHOWN']));
    expect(choose({ capAdd: ['SYS_TIME'], capDrop: ['CAP_KILL'] })).not.toContain('CAP_KILL');
    expect(choose({ capAdd: ['ALL'], capDrop: ['SYS_ADMIN'] })).not.toContain('CAP_SYS_ADMIN');
  });
  it('takes ALL for what can be had', () => {
    expect(choose({ capAdd: ['ALL'] })).not.toContain('CAP_SYS_RESOURCE');
    expect(choose({ capAdd: ['ALL'] }, true)).toHaveLength(41);
  });
  it('keeps one that is asked for by name, for the compiler to warn of', () => expect(choose({ capAdd: ['SYS_RESOURCE'] })).toContain('CAP_SYS_RESOURCE'));
  it.each(['NOPE', 'constructor', ''])('refuses %j', (name) => expect(() => choose({ capDrop: [name] })).toThrow('read --cap-drop: found'));
});

describe('namespaces', () => {
  const types = (options: RunOptions, facts = ROOT_FACTS) => specNamespaces(namespaceModes(options, facts)).map(({ type, path }) => (path === undefined ? type : `${type}=${path}`));
  it.each<[string, RunOptions, string[]]>([
    ['the default', {}, ['mount', 'network', 'uts', 'pid', 'ipc', 'cgroup']],
    ['those of the host are left out', { network: 'host', pid: 'host', ipc: 'host', uts: 'host', cgroupns: 'host' }, ['mount']],
    ['a user and a time namespace', { userns: 'auto', time: 'private', network: 'none' }, ['mount', 'network', 'uts', 'pid', 'ipc', 'cgroup', 'user', 'time']],
    ['existing ones by path', { network: 'ns:/proc/1/ns/net', userns: 'ns:/proc/1/ns/user' }, ['mount', 'network=/proc/1/ns/net', 'uts', 'pid', 'ipc', 'cgroup', 'user=/proc/1/ns/user']],
  ])('%s', (_, options, expected) => expect(types(options)).toEqual(expected));
  it('an ordinary user always gets a user namespace', () => {
    expect(types({}, USER_FACTS)).toContain('user');
    expect(types({ userns: '' }, USER_FACTS)).toContain('user');
    expect(() => types({ userns: 'host' }, USER_FACTS)).toThrow('uid 1000 without CAP_SYS_ADMIN needs a user namespace');
  });
  it.each<[RunOptions, string]>([
    [{ network: 'bridge' }, 'read --network bridge: this mode is not built, allowed: none, host, ns:PATH'],
    [{ pid: 'container:x' }, 'this mode is not built'],
    [{ network: 'ns:x' }, 'allowed: ns: and an absolute path'],
    [{ uts: 'nope' }, 'read --uts: found "nope", allowed: private, host, ns:PATH'],
    [{ ipc: 'shareable' }, 'this mode is not built'],
  ])('refuses %j', (options, message) => expect(() => types(options)).toThrow(message));

  it('maps one id where there are no ranges', () => {
    expect(defaultIdMaps(USER_FACTS)).toEqual({ uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }], gidMappings: [{ containerID: 0, hostID: 100, size: 1 }] });
  });
  it('maps the ranges of /etc/subuid behind it', () => {
    const facts = { ...USER_FACTS, subuid: [{ start: 100_000, count: 10 }, { start: 500_000, count: 5 }], subgid: [{ start: 100_000, count: 10 }] };
    expect(defaultIdMaps(facts).uidMappings).toEqual([{ containerID: 0, hostID: 1000, size: 1 }, { containerID: 1, hostID: 100_000, size: 10 }, { containerID: 11, hostID: 500_000, size: 5 }]);
  });
  it('cuts its own id out of a range that holds it', () => {
    const facts = { ...USER_FACTS, subuid: [{ start: 999, count: 4 }], subgid: [{ start: 100, count: 3 }] };
    expect(defaultIdMaps(facts)).toEqual({
      uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }, { containerID: 1, hostID: 999, size: 1 }, { containerID: 2, hostID: 1001, size: 2 }],
      gidMappings: [{ containerID: 0, hostID: 100, size: 1 }, { containerID: 1, hostID: 101, size: 2 }],
    });
  });
  it('fills in mappings that a bundle leaves out', () => {
    const spec = { ociVersion: '1.2.0', linux: { namespaces: [{ type: 'user' }] } } as const;
    expect(withDefaultMappings(spec, USER_FACTS).linux?.uidMappings).toEqual([{ containerID: 0, hostID: 1000, size: 1 }]);
    const joined = { ociVersion: '1.2.0', linux: { namespaces: [{ type: 'user', path: '/x' }] } } as const;
    expect(withDefaultMappings(joined, USER_FACTS)).toBe(joined);
  });
});

describe('limits', () => {
  const memory = (options: RunOptions, facts = ROOT_FACTS) => parseResources(options, facts).memory;
  it.each<[string, RunOptions, object | undefined]>([
    ['nothing asked, nothing set', {}, undefined],
    ['swap as much as memory, as docker', { memory: '32m' }, { limit: 32 * MIB, swap: 64 * MIB }],
    ['case 27: equal means no swap', { memory: '33554432', memorySwap: '33554432' }, { limit: 33_554_432, swap: 33_554_432 }],
    ['case 27: a little swap', { memory: '33554432', memorySwap: '33558528' }, { limit: 33_554_432, swap: 33_558_528 }],
    ['unlimited swap', { memory: '32m', memorySwap: '-1' }, { limit: 32 * MIB, swap: -1 }],
    ['a reservation', { memoryReservation: '16m' }, { reservation: 16 * MIB }],
    ['0 is no limit', { memory: '0' }, undefined],
    ['case 34: as little as 5m is taken: running out of it is told as that', { memory: '5m', memorySwap: '5m' }, { limit: 5 * MIB, swap: 5 * MIB }],
  ])('%s', (_, options, expected) => expect(memory(options)).toEqual(expected));
  it('case 28: a host without swap is no error', () => expect(memory({ memory: '32m' }, { ...ROOT_FACTS, swap: false })).toEqual({ limit: 32 * MIB }));
  it.each<[RunOptions, string]>([
    [{ memorySwap: '64m' }, 'found "64m" without --memory'],
    [{ memory: '64m', memorySwap: '32m' }, 'allowed: at least --memory 64m'],
    [{ memory: '64m', memoryReservation: '65m' }, 'allowed: at most --memory 64m'],
    [{ memory: '-1' }, 'read --memory: found "-1"'],
    [{ cpus: '1', cpuQuota: '50000' }, 'allowed: one way to say it'],
    [{ cpuQuota: '5' }, 'at least 1000 microseconds'],
    [{ cpuPeriod: '1' }, 'from 1000 to 1000000'],
    [{ cpuShares: '-1' }, 'from 0 to 262144'],
    [{ pidsLimit: '-2' }, 'read --pids-limit'],
    [{ cpusetCpus: 'x' }, 'read --cpuset-cpus'],
  ])('refuses %j', (options, message) => expect(() => parseResources(options, ROOT_FACTS)).toThrow(message));
  it.each([['0', -1], ['-1', -1], ['5', 5]])('case 26: --pids-limit %s', (text, limit) => expect(parseResources({ pidsLimit: text }, ROOT_FACTS).pids).toEqual({ limit }));
  it('reads CPU limits', () => {
    expect(parseResources({ cpus: '1.5', cpuShares: '512', cpusetCpus: '0-1', cpusetMems: '0' }, ROOT_FACTS).cpu).toEqual({ shares: 512, quota: 150_000, period: 100_000, cpus: '0-1', mems: '0' });
    expect(parseResources({ cpuQuota: '-1', cpuPeriod: '50000' }, ROOT_FACTS).cpu).toEqual({ quota: -1, period: 50_000 });
    expect(parseResources({ cpus: '0', cpuShares: '0' }, ROOT_FACTS)).toEqual({});
  });
  it('case 61: sets no limit that was not asked for; the last of a kind counts', () => {
    expect(parseRlimits([], ROOT_FACTS)).toEqual([]);
    expect(parseRlimits(['nofile=1', 'NOFILE=2:3'], ROOT_FACTS)).toEqual([{ type: 'RLIMIT_NOFILE', soft: 2, hard: 3 }]);
  });
  it('names the hard limit that this process may not exceed', () => {
    expect(() => parseRlimits(['nofile=1024:-1'], ROOT_FACTS)).toThrow('found "nofile=1024:-1", allowed: up to 20000');
    expect(parseRlimits(['nofile=1024:-1'], { ...ROOT_FACTS, capabilities: ['CAP_SYS_RESOURCE'] })).toHaveLength(1);
  });
});

describe('--security-opt', () => {
  const parse = (...securityOpt: string[]) => parseSecurityOptions({ securityOpt }, testContext());
  it.each(['no-new-privileges', 'no-new-privileges:true', 'no-new-privileges=true'])('case 59: %s', (text) => expect(parse(text).noNewPrivileges).toBe(true));
  it('case 59: no-new-privileges=false', () => expect(parse('no-new-privileges=false').noNewPrivileges).toBe(false));
  it('chooses the filter', () => {
    expect([parse().seccomp, parse('seccomp=unconfined').seccomp, parse('seccomp:unconfined').seccomp, parse('seccomp=builtin').seccomp, parse('seccomp=p.json').seccomp])
      .toEqual([{ kind: 'default' }, { kind: 'unconfined' }, { kind: 'unconfined' }, { kind: 'default' }, { kind: 'file', path: 'p.json' }]);
  });
  it('hides and shows paths', () => {
    expect([parse().maskedPaths, parse().readonlyPaths]).toEqual([MASKED_PATHS, READONLY_PATHS]);
    expect(parse('systempaths=unconfined')).toMatchObject({ maskedPaths: [], readonlyPaths: [] });
    expect(parse('mask=/a:/b/../c').maskedPaths).toEqual([...MASKED_PATHS, '/a', '/c']);
    expect(parse('unmask=ALL')).toMatchObject({ maskedPaths: [], readonlyPaths: [] });
    expect(parse('unmask=/proc/*')).toMatchObject({ maskedPaths: MASKED_PATHS.filter((path) => !path.startsWith('/proc')), readonlyPaths: [] });
  });
  it.each([
    ['bogus', 'found "bogus", allowed: no-new-privileges'], ['no-new-privileges=maybe', 'allowed: no-new-privileges, '], ['seccomp=', 'allowed: seccomp=unconfined'], ['apparmor=x', 'this kernel has no AppArmor'],
    ['label=type:x', 'this kernel has no SELinux'], ['systempaths=x', 'allowed: systempaths=unconfined'], ['mask=x', 'absolute paths'], ['', 'found ""'], ['constructor', 'found "constructor"'],
  ])('refuses %j', (text, message) => expect(() => parse(text)).toThrow(message));
});

describe('--sysctl', () => {
  const parse = (options: RunOptions) => parseSysctls(options.sysctls ?? [], namespaceModes(options, ROOT_FACTS));
  it('takes what a namespace of the container holds', () => {
    expect(parse({ sysctls: ['net.core.somaxconn=99', 'kernel.shmmax=1', 'fs.mqueue.msg_max=5', 'net/ipv4/conf/eth0.1/forwarding=1', 'kernel.sem=1 2 3 4'] })).toEqual({
      'net.core.somaxconn': '99', 'kernel.shmmax': '1', 'fs.mqueue.msg_max': '5', 'net/ipv4/conf/eth0.1/forwarding': '1', 'kernel.sem': '1 2 3 4',
    });
  });
  it.each<[RunOptions, string]>([
    [{ sysctls: ['vm.swappiness=1'] }, 'read --sysctl vm.swappiness: found a setting of the whole machine'],
    [{ sysctls: ['kernel.hostname=x'] }, 'a setting of the whole machine'],
    [{ sysctls: ['net.core.somaxconn=1'], network: 'host' }, "found the host's network namespace"],
    [{ sysctls: ['kernel.msgmax=1'], ipc: 'host' }, "found the host's ipc namespace"],
    [{ sysctls: ['net.core'] }, 'allowed: KEY=VALUE'],
    [{ sysctls: ['net/../vm/swappiness=1'] }, 'allowed: KEY=VALUE'],
    [{ sysctls: [''] }, 'allowed: KEY=VALUE'],
  ])('refuses %j', (options, message) => expect(() => parse(options)).toThrow(message));
});

describe('--device', () => {
  const context = testContext();
  it.each([['/dev/fuse', '/dev/fuse', 'rwm'], ['/dev/fuse:/dev/x', '/dev/x', 'rwm'], ['/dev/fuse:r', '/dev/fuse', 'r'], ['/dev/fuse:/dev/x:rw', '/dev/x', 'rw']])('%s', (text, path, access) => {
    expect(parseDevice(text, context)).toEqual({ source: '/dev/fuse', device: { type: 'c', path, major: 10, minor: 229, fileMode: 0o666, uid: 0, gid: 0 }, rule: { allow: true, type: 'c', major: 10, minor: 229, access } });
  });
  it.each([['/srv', 'found a directory, allowed: a device node'], ['/etc/motd', 'found a file'], ['/nope', 'found no "/nope" on the host'], ['/dev/fuse:/x:rr', 'found access "rr"'], ['/dev/fuse:x', 'found "x", allowed: an absolute path'], ['', 'allowed: HOST'], ['/dev/fuse::r', 'allowed: HOST']])('refuses %j', (text, message) => {
    expect(() => parseDevice(text, context)).toThrow(message);
  });
});

describe('files of /etc', () => {
  it('case 65: hosts ends in a newline and has localhost', () => {
    const text = hostsFile('box', 'example.org', [parseAddHost('db:10.0.0.1'), parseAddHost('six=[::1]')]);
    expect(text).toMatch(/^127\.0\.0\.1\tlocalhost\n/);
    expect(text).toMatch(/\n10\.0\.0\.1\tdb\n::1\tsix\n127\.0\.1\.1\tbox\.example\.org box\n$/);
  });
  it('case 65: resolv.conf is made with and without a file of the host', () => {
    expect(resolvConf([], undefined, false)).toBe('');
    expect(resolvConf([], 'nameserver 1.1.1.1\nsearch x', false)).toBe('nameserver 1.1.1.1\nsearch x\n');
    expect(resolvConf(['9.9.9.9'], 'nameserver 1.1.1.1\nsearch x\n', false)).toBe('nameserver 9.9.9.9\nsearch x\n');
    expect(resolvConf([], 'nameserver 127.0.0.53\nnameserver 1.1.1.1\n', true)).toBe('nameserver 1.1.1.1\n');
  });
  it.each(['x', 'x:', 'x:1.2.3.256', ':1.2.3.4', 'a b:1.2.3.4'])('refuses --add-host %j', (text) => expect(() => parseAddHost(text)).toThrow('read --add-host'));
  it.each(['', 'dns', '1.2.3'])('refuses --dns %j', (text) => expect(() => parseDns(text)).toThrow('read --dns'));
});

describe('options as a whole', () => {
  it('refuses keys that are not known, wrong types and NUL bytes', () => {
    expect(() => checkRunOptions({ volume: ['x'] } as RunOptions)).toThrow('found the option "volume", allowed: interactive');
    expect(() => checkRunOptions({ memory: 5 } as unknown as RunOptions)).toThrow('read the option "memory": found 5, allowed: a string');
    expect(() => checkRunOptions({ env: 'A=b' } as unknown as RunOptions)).toThrow('allowed: a list of strings');
    expect(() => checkRunOptions({ volumes: ['/a\0:/b'] })).toThrow('found a NUL byte');
  });
  it.each(['box', 'a1', 'my_box.2-x'])('takes the name %s', (name) => expect(checkContainerName(name)).toBe(name));
  it.each(['', 'a', '-box', 'a b', 'a/b', '../x', 'é1', 'x'.repeat(256)])('refuses the name %j', (name) => expect(() => checkContainerName(name)).toThrow('read --name'));
});
