import { describe, expect, it } from 'vitest';
import { DEFAULT_CAPABILITIES } from './capabilities.ts';
import { CALLS_BY_CAPABILITY, ORDINARY_CALLS } from './seccomp-calls.ts';
import { defaultSeccompProfile } from './seccomp-default.ts';
import { resolveSeccompFile } from './seccomp-file.ts';
import type { SpecSeccomp } from './spec.ts';

const rulesFor = (profile: SpecSeccomp, name: string) =>
  (profile.syscalls ?? []).filter((rule) => rule.names.includes(name)).map((rule) => Object.fromEntries(Object.entries(rule).filter(([key]) => key !== 'names')));

describe('the default seccomp profile', () => {
  const plain = defaultSeccompProfile(DEFAULT_CAPABILITIES, 'x64', [6, 1]);
  const admin = defaultSeccompProfile([...DEFAULT_CAPABILITIES, 'CAP_SYS_ADMIN'], 'x64', [6, 1]);

  it('answers EPERM to what it does not allow', () => {
    expect(plain).toMatchObject({ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 1, architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'] });
    for (const name of ['mount', 'unshare', 'setns', 'bpf', 'keyctl', 'kexec_load', 'init_module', 'reboot', 'open_by_handle_at', 'userfaultfd', 'io_uring_setup', 'swapon', 'pivot_root']) expect(rulesFor(plain, name)).toEqual([]);
  });
  it('allows everyday calls, chroot by default, ptrace from Linux 4.8 on', () => {
    for (const name of ['read', 'openat', 'execve', 'fork', 'futex', 'getrandom', 'chroot', 'ptrace', 'landlock_create_ruleset', 'clock_nanosleep_time64']) expect(rulesFor(plain, name)).toEqual([{ action: 'SCMP_ACT_ALLOW' }]);
    expect(rulesFor(defaultSeccompProfile(DEFAULT_CAPABILITIES, 'x64', [4, 7]), 'ptrace')).toEqual([]);
  });
  it('lets clone make processes, not namespaces, and answers ENOSYS to clone3', () => {
    expect(rulesFor(plain, 'clone')).toEqual([{ action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: 0x7e020000, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }] }]);
    expect(rulesFor(plain, 'clone3')).toEqual([{ action: 'SCMP_ACT_ERRNO', errnoRet: 38 }]);
  });
  it('opens the calls of a capability with it', () => {
    for (const name of ['mount', 'clone', 'clone3', 'setns', 'bpf']) expect(rulesFor(admin, name)).toEqual([{ action: 'SCMP_ACT_ALLOW' }]);
    expect(rulesFor(defaultSeccompProfile([], 'x64', [6, 1]), 'chroot')).toEqual([]);
  });
  it('is made for each architecture', () => {
    const arm = defaultSeccompProfile(DEFAULT_CAPABILITIES, 'arm64', [6, 1]);
    expect(arm.architectures).toEqual(['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM']);
    expect([rulesFor(arm, 'arch_prctl'), rulesFor(plain, 'arch_prctl')]).toEqual([[], [{ action: 'SCMP_ACT_ALLOW' }]]);
  });
  it('names each ordinary call once, and none that needs a capability', () => {
    const names = Object.values(ORDINARY_CALLS).flat();
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
    expect(names.filter((name) => Object.values(CALLS_BY_CAPABILITY).flat().includes(name))).toEqual([]);
  });
});

describe('a seccomp file', () => {
  const given = { capabilities: ['CAP_CHOWN'], architecture: 'x64', kernel: [5, 10] } as const;
  it('has its conditions resolved', () => {
    const call = (name: string, conditions: object) => ({ names: [name], action: 'SCMP_ACT_ALLOW', ...conditions });
    const profile = resolveSeccompFile({
      defaultAction: 'SCMP_ACT_ERRNO',
      archMap: [{ architecture: 'SCMP_ARCH_AARCH64', subArchitectures: null }, { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }],
      syscalls: [
        call('yes', { includes: { caps: ['CAP_CHOWN'], arches: ['amd64'], minKernel: '5.10' } }), call('no-cap', { includes: { caps: ['CAP_CHOWN', 'CAP_KILL'] } }), call('no-arch', { includes: { arches: ['arm64'] } }),
        call('no-kernel', { includes: { minKernel: '5.11' } }), call('excluded', { excludes: { caps: ['CAP_CHOWN'] } }), call('kept', { excludes: { arches: ['arm64'] } }), { name: 'old-style', action: 'SCMP_ACT_KILL' },
      ],
    }, given);
    expect(profile).toEqual({
      defaultAction: 'SCMP_ACT_ERRNO', architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'],
      syscalls: [{ names: ['yes'], action: 'SCMP_ACT_ALLOW' }, { names: ['kept'], action: 'SCMP_ACT_ALLOW' }, { names: ['old-style'], action: 'SCMP_ACT_KILL' }],
    });
  });
  it.each([
    [{}, 'linux.seccomp.defaultAction'],
    [{ defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_X86'], archMap: [] }, 'found architectures and archMap'],
    [{ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ action: 'SCMP_ACT_KILL' }] }, 'linux.seccomp.syscalls[0].names'],
    [{ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['a'], action: 'SCMP_ACT_KILL', includes: { minKernel: 'x' } }] }, 'linux.seccomp.syscalls[0].includes.minKernel'],
  ])('is refused with the path of the wrong field: %j', (value, message) => {
    expect(() => resolveSeccompFile(value, given)).toThrow(message);
  });
});
