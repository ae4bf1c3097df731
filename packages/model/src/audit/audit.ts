/**
 * What of a container is isolated, limited, shared with the machine or leaking, in plain words: read from its spec, as the kernel
 * will have it. namespaces(7), capabilities(7), cgroups(7); what no namespace covers: time_namespaces(7), uname(2), proc(5).
 */
import { MASKED_PATHS, READONLY_PATHS } from '../options/security.ts';
import type { NamespaceType, Spec, SpecMount } from '../spec/spec.ts';

export type AuditState = 'isolated' | 'limited' | 'shared' | 'unlimited' | 'open';

/** `high`: who is root inside can do harm outside. `medium`: it can see or take what belongs to others. `low`: worth knowing. `none`: as it should be. */
export type AuditSeverity = 'none' | 'low' | 'medium' | 'high';

export interface AuditFinding {
  readonly area: 'namespaces' | 'resources' | 'rights' | 'files' | 'kernel';
  /** `pid`, `memory`, `CAP_SYS_ADMIN` … */
  readonly item: string;
  readonly state: AuditState;
  readonly severity: AuditSeverity;
  readonly text: string;
  /** What changes it. */
  readonly flag?: string;
}

interface NamespaceText {
  readonly isolated: string;
  readonly shared: string;
  readonly severity: AuditSeverity;
  readonly flag: string;
}

const NAMESPACES: Readonly<Record<NamespaceType, NamespaceText>> = {
  mount: { isolated: 'has mounts of its own', shared: 'sees and changes the mounts of the machine', severity: 'high', flag: '' },
  pid: { isolated: 'sees only its own processes', shared: 'sees all processes of the machine, and may signal those of the same user', severity: 'high', flag: '--pid' },
  network: { isolated: 'has a network of its own', shared: 'uses the network of the machine, with its ports and abstract sockets', severity: 'medium', flag: '--network none' },
  ipc: { isolated: 'has shared memory and message queues of its own', shared: 'shares System V IPC and message queues with the machine', severity: 'medium', flag: '--ipc private' },
  uts: { isolated: 'has a host name of its own', shared: 'has the host name of the machine, and may set it with CAP_SYS_ADMIN', severity: 'low', flag: '--uts' },
  user: { isolated: 'its root is an ordinary user outside', shared: 'its root is root of the machine where nothing else holds it back', severity: 'medium', flag: '--userns auto' },
  cgroup: { isolated: 'sees its own cgroup as the root', shared: 'sees the cgroups of the machine', severity: 'low', flag: '--cgroupns private' },
  time: { isolated: 'has a boot time and monotonic clock of its own', shared: 'shares uptime and the monotonic clock', severity: 'none', flag: '--time private' },
};

/** Each of them lets root inside become root outside, where there is no user namespace. */
const STRONG = new Set(['CAP_SYS_ADMIN', 'CAP_SYS_MODULE', 'CAP_SYS_RAWIO', 'CAP_SYS_PTRACE', 'CAP_DAC_READ_SEARCH', 'CAP_BPF', 'CAP_SYS_BOOT', 'CAP_MAC_ADMIN']);
/** These reach what is shared by all. */
const NOTABLE = new Set(['CAP_NET_ADMIN', 'CAP_SYS_TIME', 'CAP_SYS_NICE', 'CAP_SYS_RESOURCE', 'CAP_SYSLOG', 'CAP_PERFMON', 'CAP_IPC_LOCK']);

/** In the order in which they are shown. The same spec gives the same findings. */
export function auditSpec(spec: Spec): readonly AuditFinding[] {
  return [...auditNamespaces(spec), ...auditResources(spec), ...auditRights(spec), ...auditFiles(spec), ...KERNEL];
}

function auditNamespaces({ linux }: Spec): AuditFinding[] {
  return (Object.keys(NAMESPACES) as NamespaceType[]).map((type) => {
    const { isolated, shared, severity, flag } = NAMESPACES[type];
    const found = linux?.namespaces?.find((namespace) => namespace.type === type);
    const joined = found?.path === undefined ? '' : `: joined, that of ${found.path}`;
    if (found !== undefined && found.path === undefined) return { area: 'namespaces', item: type, state: 'isolated', severity: 'none', text: isolated };
    return { area: 'namespaces', item: type, state: 'shared', severity, text: `${joined === '' ? shared : 'shares it with others'}${joined}`, ...(flag === '' ? {} : { flag }) };
  });
}

function auditResources({ linux, process }: Spec): AuditFinding[] {
  const { memory, cpu, pids, blockIO } = linux?.resources ?? {};
  const one = (item: string, limit: string | undefined, open: string, flag: string, severity: AuditSeverity): AuditFinding => (limit === undefined
    ? { area: 'resources', item, state: 'unlimited', severity, text: open, flag } : { area: 'resources', item, state: 'limited', severity: 'none', text: limit });
  const positive = (value: number | undefined): value is number => value !== undefined && value > 0;
  const files = process?.rlimits?.find(({ type }) => type === 'RLIMIT_NOFILE');
  return [
    one('memory', positive(memory?.limit) ? `at most ${String(memory.limit)} bytes` : undefined, 'may use all memory: others are killed or swapped out for it', '--memory', 'medium'),
    one('swap', positive(memory?.swap) ? `memory and swap together at most ${String(memory.swap)} bytes` : undefined, 'may use all swap there is', '--memory-swap', 'low'),
    one('cpu', positive(cpu?.quota) ? `at most ${String(cpu.quota / (cpu.period ?? 100_000))} processors` : cpu?.cpus === undefined ? undefined : `on the processors ${cpu.cpus} only`, 'may keep every processor busy', '--cpus', 'low'),
    one('processes', positive(pids?.limit) ? `at most ${String(pids.limit)}` : undefined, 'may take all process ids: a fork bomb stops the machine', '--pids-limit', 'medium'),
    one('block io', blockIO === undefined ? undefined : 'weighted or throttled', 'may keep disks busy', 'linux.resources.blockIO of a bundle', 'low'),
    one('open files', files === undefined ? undefined : `at most ${String(files.hard)} for each process`, 'has the limits of who started it', '--ulimit nofile=', 'low'),
  ];
}

function auditRights({ process, linux }: Spec): AuditFinding[] {
  const held = process?.capabilities?.bounding ?? [];
  const userns = linux?.namespaces?.some(({ type }) => type === 'user') === true;
  const capability = (name: string): AuditFinding => {
    const severity = userns ? 'low' : STRONG.has(name) ? 'high' : 'medium';
    return { area: 'rights', item: name, state: 'open', severity, text: userns ? 'root inside holds it, over its own namespaces only' : STRONG.has(name) ? 'root inside can become root of the machine with it' : 'root inside can change what is shared with it', flag: `--cap-drop ${name.slice('CAP_'.length)}` };
  };
  const filter: AuditFinding = linux?.seccomp === undefined
    ? { area: 'rights', item: 'seccomp', state: 'open', severity: 'medium', text: 'every system call of the kernel may be made', flag: '--security-opt seccomp=FILE, or leave out seccomp=unconfined' }
    : { area: 'rights', item: 'seccomp', state: 'limited', severity: 'none', text: 'system calls that containers need seldom are refused' };
  const privileges: AuditFinding = process?.noNewPrivileges === true
    ? { area: 'rights', item: 'new privileges', state: 'limited', severity: 'none', text: 'set-user-id programs give nothing' }
    : { area: 'rights', item: 'new privileges', state: 'open', severity: 'low', text: 'set-user-id programs of the image work', flag: '--security-opt no-new-privileges' };
  const root: AuditFinding = process?.user.uid === 0
    ? { area: 'rights', item: 'user', state: 'open', severity: userns ? 'none' : 'low', text: userns ? 'runs as root of its user namespace' : 'runs as root', ...(userns ? {} : { flag: '--user' }) }
    : { area: 'rights', item: 'user', state: 'limited', severity: 'none', text: `runs as user ${String(process?.user.uid ?? 0)}` };
  const remarkable = held.filter((name) => STRONG.has(name) || NOTABLE.has(name));
  return [root, { area: 'rights', item: 'capabilities', state: held.length === 0 ? 'isolated' : 'limited', severity: 'none', text: held.length === 0 ? 'none' : `${String(held.length)} may be held` }, ...remarkable.map(capability), privileges, filter];
}

function auditFiles({ linux, mounts = [], root }: Spec): AuditFinding[] {
  const missing = (all: readonly string[], own: readonly string[] | undefined): readonly string[] => all.filter((path) => own?.includes(path) !== true);
  const covered = (item: string, open: readonly string[], good: string, bad: string): AuditFinding => (open.length === 0
    ? { area: 'files', item, state: 'isolated', severity: 'none', text: good } : { area: 'files', item, state: 'open', severity: 'medium', text: `${bad}: ${open.join(' ')}`, flag: 'leave out systempaths=unconfined and --privileged' });
  return [
    { area: 'files', item: 'root', state: root?.readonly === true ? 'isolated' : 'limited', severity: 'none', text: root?.readonly === true ? 'read-only' : 'writes go to a layer of its own', ...(root?.readonly === true ? {} : { flag: '--read-only' }) },
    covered('masked paths', missing(MASKED_PATHS, linux?.maskedPaths), 'files that tell of the machine are hidden', 'files that tell of the machine can be read'),
    covered('read-only paths', missing(READONLY_PATHS, linux?.readonlyPaths), 'files that change the machine are read-only', 'files that change the machine can be written'),
    ...mounts.filter(isOfHost).map(auditMount),
  ];
}

const isOfHost = ({ type, options = [] }: SpecMount): boolean => type === 'bind' || options.includes('bind') || options.includes('rbind');

function auditMount({ destination, source = '', options = [] }: SpecMount): AuditFinding {
  const writable = !options.some((option) => option === 'ro' || option === 'rro');
  const deep = ['/', '/etc', '/proc', '/sys', '/dev', '/boot', '/var/run', '/run', '/usr', '/lib', '/bin', '/sbin'].includes(source) || source.endsWith('docker.sock') || source.endsWith('containerd.sock');
  return {
    area: 'files', item: destination, state: 'shared', severity: deep && writable ? 'high' : writable || deep ? 'low' : 'none', text: `${writable ? 'reads and writes' : 'reads'} ${source} of the machine`, ...(writable ? { flag: `-v ${source}:${destination}:ro` } : {}),
  };
}

/** The same for every container: no namespace covers these. */
const KERNEL: readonly AuditFinding[] = [
  { area: 'kernel', item: 'kernel', state: 'shared', severity: 'low', text: 'the kernel is that of the machine: a fault in it is a way out', flag: 'a virtual machine' },
  { area: 'kernel', item: 'wall clock', state: 'shared', severity: 'none', text: 'the time of day is that of the machine' },
  { area: 'kernel', item: 'kernel log and sysctls', state: 'shared', severity: 'none', text: 'sysctls outside its namespaces hold for all' },
  { area: 'kernel', item: 'contention', state: 'shared', severity: 'none', text: 'caches, memory bandwidth and the page cache are used by all: what others do can be timed' },
];
