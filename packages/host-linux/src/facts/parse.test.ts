import { describe, expect, it } from 'vitest';
import { capabilityNames, parseHardLimits, parseMountinfo, parseOwnCgroups, parseSubIds } from './parse.ts';
import { countCpus, kernelVersion, userNamespaces } from './probe.ts';

describe('parsers', () => {
  it('capabilities: this machine lacks CAP_SYS_RESOURCE', () => {
    const names = capabilityNames(0x1fffeffffffn);
    expect([names.length, names.includes('CAP_SYS_RESOURCE'), names[0], names.at(-1)]).toEqual([40, false, 'CAP_CHOWN', 'CAP_CHECKPOINT_RESTORE']);
  });
  it('mountinfo with an optional field and an escaped space', () => {
    expect(parseMountinfo('35 30 0:32 /a /sys/fs/a\\040b ro,relatime shared:4 - cgroup cgroup rw,devices\n')).toEqual([{ root: '/a', mountpoint: '/sys/fs/a b', readOnly: true, fstype: 'cgroup', superOptions: ['rw', 'devices'] }]);
  });
  it('own cgroups', () => {
    expect([...parseOwnCgroups('4:cpu,cpuacct:/x:y\n1:name=systemd:/\n0::/u\n')]).toEqual([['cpu', '/x:y'], ['cpuacct', '/x:y'], ['name=systemd', '/'], ['', '/u']]);
  });
  it('subordinate ids by name and number', () => {
    expect(parseSubIds('ann:100000:65536\n1000:1:2\nbob:5:5\nann:x:1\n', 1000, 'ann')).toEqual([{ start: 100000, count: 65536 }, { start: 1, count: 2 }]);
  });
  it('hard limits', () => {
    expect(parseHardLimits('Limit                     Soft Limit           Hard Limit           Units     \nMax open files            20000                20000                files     \nMax cpu time              unlimited            unlimited            seconds   \n')).toEqual({ RLIMIT_NOFILE: 20000 });
  });
  it('kernel version, cpu list', () => {
    expect([kernelVersion('6.18.44-fc'), countCpus('0-3,8')]).toEqual([[6, 18], 5]);
  });
  it.each([
    ['user.max_user_namespaces', '0'],
    ['kernel.unprivileged_userns_clone', '0'],
    ['kernel.apparmor_restrict_unprivileged_userns', '1'],
  ])('names the sysctl %s', (name, value) => {
    const found = userNamespaces(false, (path) => (path === `/proc/sys/${name.replaceAll('.', '/')}` ? value : path.endsWith('max_user_namespaces') ? '9' : undefined));
    expect(found).toMatchObject({ usable: false, refusal: `sysctl ${name} is ${value}`, hint: expect.stringContaining(`sysctl -w ${name}=`) as unknown });
  });
});
