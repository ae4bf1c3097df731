/**
 * The filter a container gets unless told otherwise. Same effect as docker's default profile (docs.docker.com, "Seccomp security
 * profiles for Docker"): what is not allowed answers EPERM, and the capabilities of the container open the calls that go with them.
 */
import { CALLS_BY_ARCHITECTURE, CALLS_BY_CAPABILITY, ORDINARY_CALLS, TRACE_CALLS } from './seccomp-calls.ts';
import type { SpecSeccomp, SpecSyscall } from './spec.ts';

const EPERM = 1;
const ENOSYS = 38;

/** Every CLONE_NEW* flag of clone(2) but CLONE_NEWTIME, which shares its bit with the exit signal there. */
const CLONE_NAMESPACES = 0x7e02_0000;

/** Domains of personality(2) that only change numbers shown: PER_LINUX, PER_LINUX32, UNAME26 with each, and the query. */
const PERSONALITIES = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/** AF_ALG, the kernel's crypto (much code, no namespace), and AF_VSOCK, which reaches the hypervisor: socket(2). */
const AF_ALG = 38;
const AF_VSOCK = 40;

export const SECCOMP_ARCHITECTURES: Readonly<Record<'x64' | 'arm64', readonly string[]>> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
};

const allow = (names: readonly string[], args?: SpecSyscall['args']): SpecSyscall => ({ names, action: 'SCMP_ACT_ALLOW', ...(args === undefined ? {} : { args }) });

/** The last profile made: containers that start one after another mostly have the same, and building it is half the cost of a spec. */
let last: { readonly key: string; readonly profile: SpecSeccomp } | undefined;

/** The default profile for a process whose bounding set is `capabilities`. The same input gives the same object. */
export function defaultSeccompProfile(capabilities: readonly string[], architecture: 'x64' | 'arm64', kernel: readonly [number, number]): SpecSeccomp {
  const key = `${architecture} ${kernel.join('.')} ${capabilities.join(' ')}`;
  if (last?.key !== key) last = { key, profile: buildProfile(capabilities, architecture, kernel) };
  return last.profile;
}

function buildProfile(capabilities: readonly string[], architecture: 'x64' | 'arm64', kernel: readonly [number, number]): SpecSeccomp {
  const admin = capabilities.includes('CAP_SYS_ADMIN');
  const opened = Object.entries(CALLS_BY_CAPABILITY).flatMap(([capability, names]) => (capabilities.includes(capability) ? names : []));
  const tracing = kernel[0] > 4 || (kernel[0] === 4 && kernel[1] >= 8) ? TRACE_CALLS : [];
  const always = [...Object.values(ORDINARY_CALLS).flat(), ...CALLS_BY_ARCHITECTURE[architecture], ...tracing, ...opened];
  return {
    defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: EPERM, architectures: SECCOMP_ARCHITECTURES[architecture],
    syscalls: [
      allow([...new Set(always)]),
      allow(['socket'], [{ index: 0, value: AF_ALG, op: 'SCMP_CMP_LT' }]),
      allow(['socket'], [{ index: 0, value: 39, op: 'SCMP_CMP_EQ' }]),
      allow(['socket'], [{ index: 0, value: AF_VSOCK, op: 'SCMP_CMP_GT' }]),
      ...PERSONALITIES.map((value) => allow(['personality'], [{ index: 0, value, op: 'SCMP_CMP_EQ' }])),
      ...(admin ? [] : withoutNamespaces()),
    ],
  };
}

/** clone3 has its flags in memory, out of a filter's sight: ENOSYS makes the C library use clone. */
function withoutNamespaces(): SpecSyscall[] {
  return [
    allow(['clone'], [{ index: 0, value: CLONE_NAMESPACES, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }]),
    { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
  ];
}
