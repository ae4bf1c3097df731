/** A machine from its description: the kernel's state, and process 1, which sets the machine up and reaps. */
import type { Call, CallResult, Program } from '../abi/calls.ts';
import type { ProgramRegistry } from '../abi/programs.ts';
import { AT_FDCWD, MS_NODEV, MS_NOEXEC, MS_NOSUID, S_IFCHR, SIGCHLD } from '../abi/constants.ts';
import { ECHILD } from '../abi/errno.ts';
import { openClock } from '../det/clock.ts';
import { openFaults, type Fault } from '../det/faults.ts';
import { openRandom } from '../det/rng.ts';
import { openTrace } from '../det/trace.ts';
import { device } from '../vfs/dev.ts';
import { createMount, type MountNamespace } from '../vfs/mount.ts';
import { createNsfs } from '../vfs/nsfs.ts';
import { createTmpfs } from '../vfs/union-fs.ts';
import type { Union } from '../vfs/union/union.ts';
import { chargeTask, createHierarchy, type Hierarchy } from './cgroup/tree.ts';
import { createUserNamespace, rootCredentials } from './cred.ts';
import { createTable } from './fd.ts';
import { initialNamespaces } from './nsproxy.ts';
import { allocate } from './pidns.ts';
import { turn } from './sched.ts';
import { spawn } from './task.ts';
import type { Kernel, Machine, Task } from './types.ts';
import { createQueue } from './wait.ts';

export type CgroupMode = 'v1' | 'v2' | 'hybrid' | 'none';

export interface MachineOptions {
  readonly seed: number;
  readonly machine: Machine;
  readonly cgroup: CgroupMode;
  /** Seconds since 1970 when it starts. */
  readonly bootTime: number;
  readonly hostname: string;
  readonly faults: readonly Fault[];
  readonly trace: boolean;
  readonly programs: ProgramRegistry;
}

const V2_CONTROLLERS = ['cpuset', 'cpu', 'io', 'memory', 'pids'];
const V1 = [['cpuset'], ['cpu', 'cpuacct'], ['blkio'], ['memory'], ['freezer'], ['pids']] as const;

function hierarchies(kernel: Pick<Kernel, 'nextId'>, mode: CgroupMode): Hierarchy[] {
  const found: Hierarchy[] = [];
  const add = (version: 1 | 2, controllers: readonly string[], mountpoint: string): void => void found.push(createHierarchy(kernel, version, controllers, mountpoint, found.length));
  if (mode === 'v1' || mode === 'hybrid') for (const controllers of V1) add(1, controllers, `/sys/fs/cgroup/${controllers.join(',')}`);
  if (mode === 'hybrid') add(2, [], '/sys/fs/cgroup/unified');
  if (mode === 'v2') add(2, V2_CONTROLLERS, '/sys/fs/cgroup');
  return found;
}

/** setrlimit(2) of process 1, as the kernel and init systems have it. */
function limits(): Task['rlimits'] {
  const none = { soft: Infinity, hard: Infinity };
  const all = Array.from({ length: 16 }, () => none);
  all[3] = { soft: 8 * 2 ** 20, hard: Infinity };
  all[4] = { soft: 0, hard: Infinity };
  all[6] = { soft: 65_536, hard: 65_536 };
  all[7] = { soft: 1024, hard: 1_048_576 };
  all[13] = { soft: 0, hard: 0 };
  all[14] = { soft: 0, hard: 0 };
  return all;
}

/** Starts the machine: when it returns, process 1 has set it up and waits. */
export function boot(union: Union, options: MachineOptions): { readonly kernel: Kernel; readonly init: Task } {
  let ids = 4_026_531_834;
  let devices = 20;
  const base = { nextId: () => (ids += 1), nextDevice: () => device(0, (devices += 1)) };
  const initialUser = createUserNamespace(undefined, base.nextId(), undefined, 0, 0);
  const kernel: Kernel = {
    ...base, machine: options.machine, union, clock: openClock(options.bootTime), random: { schedule: openRandom(options.seed, 'schedule'), programs: openRandom(options.seed, 'programs') }, trace: openTrace(false),
    fault: openFaults(options.faults, openRandom(options.seed, 'faults')), programs: options.programs, tasks: new Set(), runnable: [], computing: new Set(), hierarchies: hierarchies(base, options.cgroup), initialUser,
    layersAt: new Map(), nsfs: createNsfs(base, initialUser), mountNamespaces: new Set(), fifos: new Map(), devpts: new WeakMap(), masters: new WeakMap(), calls: 0,
  };
  const init = createInit(kernel, options.hostname);
  while (init.call?.call !== 'pause' && turn(kernel));
  kernel.trace.enabled = options.trace;
  return { kernel, init };
}

function createInit(kernel: Kernel, hostname: string): Task {
  const fs = createTmpfs(kernel, { source: 'rootfs', mode: 0o755, uid: 0, gid: 0, size: Infinity, options: '', owner: kernel.initialUser });
  const root = createMount(kernel, fs, fs.root, 0);
  const mnt: MountNamespace = { kind: 'mnt', id: kernel.nextId(), owner: kernel.initialUser, root };
  root.ns = mnt;
  kernel.mountNamespaces.add(mnt);
  const ns = initialNamespaces(kernel, mnt, kernel.initialUser, hostname);
  const pid = allocate(ns.pid);
  const cgroups = kernel.hierarchies.map((hierarchy) => hierarchy.root);
  chargeTask(cgroups);
  return spawn(kernel, {
    kernel, pid, group: pid, session: pid, parent: undefined, children: new Set(), comm: 'init', argv: ['init'], env: [], exe: undefined, state: 'runnable', frames: [], call: undefined, value: 0, progress: undefined, timer: undefined, queues: new Set(),
    cred: rootCredentials(kernel.initialUser, 0, 0), ns, fs: { root: { mount: root, node: root.root }, cwd: { mount: root, node: root.root }, umask: 0o022 }, files: createTable(), actions: new Map(), blocked: new Set(), pending: new Set(), alarm: undefined,
    parentDeathSignal: 0, subreaper: false, dumpable: 1, rlimits: limits(), nice: 0, affinity: Array.from({ length: kernel.machine.cpus }, (_unused, cpu) => cpu), oomScoreAdj: 0, terminal: undefined, cgroups, memory: 0, memoryPeak: 0, cpuTime: 0, childCpuTime: 0,
    vruntime: 0, startTime: 0, status: 0, report: undefined, stopSignal: 0, executed: true, childQueue: createQueue('a child'), program: initProgram(kernel),
  });
}

const DIRECTORIES = ['/bin', '/dev', '/etc', '/home', '/proc', '/root', '/run', '/srv', '/sys', '/tmp', '/usr', '/var', '/var/lib', '/var/tmp'];
const NODES = [['null', 1, 3], ['zero', 1, 5], ['full', 1, 7], ['random', 1, 8], ['urandom', 1, 9], ['tty', 5, 0]] as const;

/** Sets the machine up as an init system does, then reaps what is left to it. */
function initProgram(kernel: Kernel): Program {
  return function* init(): Generator<Call, number, CallResult> {
    for (const path of DIRECTORIES) yield { call: 'mkdirat', dirfd: AT_FDCWD, path, mode: path.endsWith('tmp') ? 0o1777 : path === '/root' ? 0o700 : 0o755 };
    for (const path of ['/tmp', '/var/tmp']) yield { call: 'fchmodat', dirfd: AT_FDCWD, path, mode: 0o1777, flags: 0 };
    const mount = (source: string, target: string, fstype: string, flags: number, data = ''): Call => ({ call: 'mount', source, target, fstype, flags, data });
    const safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    yield mount('proc', '/proc', 'proc', safe);
    yield mount('sysfs', '/sys', 'sysfs', safe);
    yield mount('udev', '/dev', 'tmpfs', MS_NOSUID, 'mode=755');
    for (const [name, major, minor] of NODES) yield* node(`/dev/${name}`, major, minor);
    for (const path of ['/dev/pts', '/dev/shm', '/dev/mqueue']) yield { call: 'mkdirat', dirfd: AT_FDCWD, path, mode: 0o755 };
    yield mount('devpts', '/dev/pts', 'devpts', MS_NOSUID | MS_NOEXEC, 'gid=5,mode=620,ptmxmode=666');
    yield mount('tmpfs', '/dev/shm', 'tmpfs', MS_NOSUID | MS_NODEV);
    yield { call: 'symlinkat', dirfd: AT_FDCWD, path: '/dev/ptmx', target: 'pts/ptmx' };
    yield* mountCgroups(kernel);
    yield { call: 'rt_sigaction', signal: SIGCHLD, action: { handler: function* wakeUp() { /* Only so that pause ends. */ } } };
    for (;;) {
      const waited = yield { call: 'wait4', pid: -1, options: 0 };
      if (waited === -ECHILD) yield { call: 'pause' };
    }
  };
}

function* node(path: string, major: number, minor: number): Generator<Call, void, CallResult> {
  yield { call: 'mknodat', dirfd: AT_FDCWD, path, mode: S_IFCHR | 0o666, dev: device(major, minor) };
  yield { call: 'fchmodat', dirfd: AT_FDCWD, path, mode: 0o666, flags: 0 };
}

function* mountCgroups({ hierarchies: all }: Kernel): Generator<Call, void, CallResult> {
  const flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  const unified = all.length === 1 && all[0]?.version === 2;
  if (all.length > 0 && !unified) yield { call: 'mount', source: 'tmpfs', target: '/sys/fs/cgroup', fstype: 'tmpfs', flags, data: 'mode=755' };
  for (const { version, controllers, mountpoint } of all) {
    if (!unified) yield { call: 'mkdirat', dirfd: AT_FDCWD, path: mountpoint, mode: 0o755 };
    yield version === 2 ? { call: 'mount', source: 'cgroup2', target: mountpoint, fstype: 'cgroup2', flags, data: '' } : { call: 'mount', source: 'cgroup', target: mountpoint, fstype: 'cgroup', flags, data: controllers.join(',') };
  }
}
