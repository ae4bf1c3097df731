/** The shape of config.json, field by field: OCI runtime-spec 1.2 config.md and config-linux.md. Rules between fields are in validate.ts. */
import { absolutePath, anything, boolean, integer, limit, list, object, oneOf, record, string, text, type Check } from './check.ts';
import { RLIMIT_TYPES } from './rlimits.ts';
import type {
  DeviceRule, IdMapping, Spec, SpecBlockIo, SpecCapabilities, SpecCpu, SpecDevice, SpecHook, SpecHooks, SpecLinux, SpecMemory, SpecMount, SpecNamespace, SpecProcess, SpecResources,
  SpecRlimit, SpecScheduler, SpecSeccomp, SpecSyscall, SpecUser, ThrottleDevice,
} from './spec.ts';

/** Ids are 32 bits, the highest one means "no change". */
const id: Check<number> = integer(0, 0xffff_fffe);
const strings: Check<readonly string[]> = list(string);
const UINT32 = 0xffff_ffff;

const idMapping = object<IdMapping>({ containerID: id, hostID: id, size: integer(1, UINT32) }, ['containerID', 'hostID', 'size']);

const mount = object<SpecMount>(
  { destination: text, type: string, source: string, options: strings, uidMappings: list(idMapping), gidMappings: list(idMapping) }, ['destination']);

const userFields = object<Partial<SpecUser>>({ uid: id, gid: id, umask: integer(0, 0o777), additionalGids: list(id), username: string });
/** Left out ids are 0: other tools leave out zeros. */
const user: Check<SpecUser> = (value, pointer) => ({ uid: 0, gid: 0, ...userFields(value, pointer) });

const capabilities = object<SpecCapabilities>({ bounding: strings, effective: strings, inheritable: strings, permitted: strings, ambient: strings });

const rlimit = object<SpecRlimit>({ type: oneOf(...RLIMIT_TYPES), soft: limit(-1), hard: limit(-1) }, ['type', 'soft', 'hard']);

const scheduler = object<SpecScheduler>({
  policy: oneOf('SCHED_OTHER', 'SCHED_FIFO', 'SCHED_RR', 'SCHED_BATCH', 'SCHED_ISO', 'SCHED_IDLE', 'SCHED_DEADLINE'), nice: integer(-20, 19), priority: integer(0, 99),
  flags: strings, runtime: integer(0), deadline: integer(0), period: integer(0),
}, ['policy']);

const processFields = object<SpecProcess>({
  terminal: boolean, consoleSize: object({ height: integer(0, 0xffff), width: integer(0, 0xffff) }, ['height', 'width']), user, args: strings, env: list(string), cwd: absolutePath,
  capabilities, rlimits: list(rlimit), noNewPrivileges: boolean, apparmorProfile: string, oomScoreAdj: integer(-1000, 1000), selinuxLabel: string, scheduler,
  ioPriority: object<NonNullable<SpecProcess['ioPriority']>>({ class: oneOf('IOPRIO_CLASS_RT', 'IOPRIO_CLASS_BE', 'IOPRIO_CLASS_IDLE'), priority: integer(0, 7) }, ['class']),
  execCPUAffinity: object<NonNullable<SpecProcess['execCPUAffinity']>>({ initial: string, final: string }),
}, ['cwd']);
const process: Check<SpecProcess> = (value, pointer) => {
  const found = processFields(value, pointer);
  return { ...found, user: found.user ?? { uid: 0, gid: 0 } };
};

const hook = list(object<SpecHook>({ path: absolutePath, args: strings, env: strings, timeout: integer(1) }, ['path']));
const hooks = object<SpecHooks>({ prestart: hook, createRuntime: hook, createContainer: hook, startContainer: hook, poststart: hook, poststop: hook });

const namespaceFields = object<SpecNamespace>({ type: oneOf('pid', 'network', 'mount', 'ipc', 'uts', 'user', 'cgroup', 'time'), path: string }, ['type']);
/** An empty path is how Go programs write "a new one". */
const namespace: Check<SpecNamespace> = (value, pointer) => {
  const { type, path } = namespaceFields(value, pointer);
  return path === undefined || path === '' ? { type } : { type, path };
};

const device = object<SpecDevice>({ type: oneOf('c', 'b', 'u', 'p'), path: absolutePath, major: integer(0, 0xfff), minor: integer(0, 0xf_ffff), fileMode: integer(0, 0o177777), uid: id, gid: id }, ['type', 'path']);

const access: Check<string> = (value, pointer) => (value === '' ? 'rwm' : oneOf('r', 'w', 'm', 'rw', 'wr', 'rm', 'mr', 'wm', 'mw', 'rwm', 'rmw', 'wrm', 'wmr', 'mrw', 'mwr')(value, pointer));
const deviceNumber = integer(-1, 0xf_ffff);
const deviceRule: Check<DeviceRule> = (value, pointer) => {
  const { major, minor, ...rule } = object<DeviceRule>({ allow: boolean, type: oneOf('a', 'c', 'b'), major: deviceNumber, minor: deviceNumber, access }, ['allow'])(value, pointer);
  // runc's own lists write -1 for "every number".
  return { ...rule, ...(major === undefined || major < 0 ? {} : { major }), ...(minor === undefined || minor < 0 ? {} : { minor }) };
};

const memory = object<SpecMemory>({
  limit: limit(-1), reservation: limit(-1), swap: limit(-1), kernel: limit(-1), kernelTCP: limit(-1), swappiness: integer(0, 200),
  disableOOMKiller: boolean, useHierarchy: boolean, checkBeforeUpdate: boolean,
});

const cpu = object<SpecCpu>({
  shares: integer(0), quota: limit(-1), burst: integer(0), period: integer(0), realtimeRuntime: integer(-1), realtimePeriod: integer(0), cpus: string, mems: string, idle: integer(-1, 1),
});

const throttle = list(object<ThrottleDevice>({ major: integer(0, 0xfff), minor: integer(0, 0xf_ffff), rate: integer(0) }, ['major', 'minor', 'rate']));
const weight = integer(0, 1000);
const blockIO = object<SpecBlockIo>({
  weight, leafWeight: weight,
  weightDevice: list(object<NonNullable<SpecBlockIo['weightDevice']>[number]>({ major: integer(0, 0xfff), minor: integer(0, 0xf_ffff), weight, leafWeight: weight }, ['major', 'minor'])),
  throttleReadBpsDevice: throttle, throttleWriteBpsDevice: throttle, throttleReadIOPSDevice: throttle, throttleWriteIOPSDevice: throttle,
});

const resources = object<SpecResources>({
  devices: list(deviceRule), memory, cpu, pids: object<NonNullable<SpecResources['pids']>>({ limit: limit(-1) }), blockIO,
  hugepageLimits: list(object({ pageSize: text, limit: limit(0) }, ['pageSize', 'limit'])),
  network: object<NonNullable<SpecResources['network']>>({ classID: integer(0, UINT32), priorities: list(object({ name: text, priority: integer(0, UINT32) }, ['name', 'priority'])) }),
  rdma: record(object<{ readonly hcaHandles?: number; readonly hcaObjects?: number }>({ hcaHandles: integer(0, UINT32), hcaObjects: integer(0, UINT32) })),
  unified: record(string),
});

/** Values are 64 bits in the kernel; one that JSON can't hold exactly would silently be another one, so it is refused. */
const argument = object<NonNullable<SpecSyscall['args']>[number]>({
  index: integer(0, 5), value: integer(0), valueTwo: integer(0), op: oneOf('SCMP_CMP_NE', 'SCMP_CMP_LT', 'SCMP_CMP_LE', 'SCMP_CMP_EQ', 'SCMP_CMP_GE', 'SCMP_CMP_GT', 'SCMP_CMP_MASKED_EQ'),
}, ['index', 'value', 'op']);

export const seccompAction: Check<string> = oneOf(
  'SCMP_ACT_KILL', 'SCMP_ACT_KILL_PROCESS', 'SCMP_ACT_KILL_THREAD', 'SCMP_ACT_TRAP', 'SCMP_ACT_ERRNO', 'SCMP_ACT_TRACE', 'SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_NOTIFY');
export const seccompArguments: Check<NonNullable<SpecSyscall['args']>> = list(argument);
/** Errno values go up to MAX_ERRNO of the kernel. */
export const seccompErrno: Check<number> = integer(0, 4095);
export const seccompArchitecture: Check<string> = (value, pointer) => oneOf(
  'SCMP_ARCH_X86', 'SCMP_ARCH_X86_64', 'SCMP_ARCH_X32', 'SCMP_ARCH_ARM', 'SCMP_ARCH_AARCH64', 'SCMP_ARCH_MIPS', 'SCMP_ARCH_MIPS64', 'SCMP_ARCH_MIPS64N32', 'SCMP_ARCH_MIPSEL',
  'SCMP_ARCH_MIPSEL64', 'SCMP_ARCH_MIPSEL64N32', 'SCMP_ARCH_PPC', 'SCMP_ARCH_PPC64', 'SCMP_ARCH_PPC64LE', 'SCMP_ARCH_S390', 'SCMP_ARCH_S390X', 'SCMP_ARCH_PARISC', 'SCMP_ARCH_PARISC64',
  'SCMP_ARCH_RISCV64', 'SCMP_ARCH_LOONGARCH64', 'SCMP_ARCH_M68K', 'SCMP_ARCH_SH', 'SCMP_ARCH_SHEB')(value, pointer);
export const seccompFlags: Check<readonly string[]> = list(oneOf('SECCOMP_FILTER_FLAG_TSYNC', 'SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_SPEC_ALLOW', 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'));

const seccomp = object<SpecSeccomp>({
  defaultAction: seccompAction, defaultErrnoRet: seccompErrno, architectures: list(seccompArchitecture), flags: seccompFlags, listenerPath: string, listenerMetadata: string,
  syscalls: list(object<SpecSyscall>({ names: list(text), action: seccompAction, errnoRet: seccompErrno, args: seccompArguments }, ['names', 'action'])),
}, ['defaultAction']);

const linux = object<SpecLinux>({
  namespaces: list(namespace), uidMappings: list(idMapping), gidMappings: list(idMapping),
  timeOffsets: record(object<{ readonly secs?: number; readonly nanosecs?: number }>({ secs: integer(Number.MIN_SAFE_INTEGER), nanosecs: integer(0, 999_999_999) })),
  devices: list(device), netDevices: record(object<{ readonly name?: string }>({ name: string })), cgroupsPath: string, resources,
  rootfsPropagation: oneOf('', 'shared', 'rshared', 'slave', 'rslave', 'private', 'rprivate', 'unbindable', 'runbindable'), seccomp, sysctl: record(string),
  maskedPaths: list(absolutePath), readonlyPaths: list(absolutePath), mountLabel: string,
  personality: object<NonNullable<SpecLinux['personality']>>({ domain: oneOf('LINUX', 'LINUX32'), flags: strings }, ['domain']), intelRdt: record(anything),
});

export const specShape: Check<Spec> = object<Spec>({
  ociVersion: text, root: object<NonNullable<Spec['root']>>({ path: text, readonly: boolean }, ['path']), mounts: list(mount), process, hostname: string, domainname: string, hooks,
  annotations: record(string), linux,
}, ['ociVersion']);
