/** The records of the kernel: a task and what it points at. Data only; each concern's rules are in the file of its name. */
import type { Call, CallResult, Program, Rlimit, SigAction } from '../abi/calls.ts';
import type { ProgramRegistry } from '../abi/programs.ts';
import type { Clock, Timer } from '../det/clock.ts';
import type { FaultHook } from '../det/faults.ts';
import type { Random } from '../det/rng.ts';
import type { Trace } from '../det/trace.ts';
import type { Cgroup, Hierarchy } from './cgroup/tree.ts';
import type { Credentials, UserNamespace } from './cred.ts';
import type { FileTable, OpenFile } from './fd.ts';
import type { Namespace, Namespaces } from './nsproxy.ts';
import type { Pid } from './pidns.ts';
import type { Pipe } from './pipe.ts';
import type { Terminal } from './tty.ts';
import type { WaitQueue } from './wait.ts';
import type { FileSystem } from '../vfs/filesystem.ts';
import type { Mount, MountNamespace, Position } from '../vfs/mount.ts';
import type { Union } from '../vfs/union/union.ts';

/** What a handler gives when the call must wait: the task has been put on wait queues, and the call is made again when it is woken. */
export const BLOCKED: unique symbol = Symbol('blocked');
export type Blocked = typeof BLOCKED;

export interface Machine {
  readonly cpus: number;
  /** Bytes. */
  readonly memory: number;
  readonly release: string;
  readonly architecture: 'x64' | 'arm64';
}

export interface Kernel {
  readonly machine: Machine;
  readonly union: Union;
  readonly clock: Clock;
  readonly random: { readonly schedule: Random; readonly programs: Random };
  readonly trace: Trace;
  readonly fault: FaultHook | undefined;
  readonly programs: ProgramRegistry;
  /** All tasks but the dead, in order of their start. */
  readonly tasks: Set<Task>;
  /** Tasks that can go on. */
  readonly runnable: Task[];
  /** Tasks that compute (call `cpu`). */
  readonly computing: Set<Task>;
  readonly hierarchies: readonly Hierarchy[];
  readonly initialUser: UserNamespace;
  /** Layers that stand for directories of the host tree, by `dev:node`. */
  readonly layersAt: Map<string, number>;
  /** Where the magic links to namespaces and nameless files lead. */
  readonly nsfs: Nsfs;
  readonly mountNamespaces: Set<MountNamespace>;
  /** FIFOs that are open, by `dev:ino`. */
  readonly fifos: Map<string, Pipe>;
  readonly devpts: WeakMap<FileSystem, { readonly openNew: (task: Task) => OpenFile; readonly find: (number: number) => Terminal | undefined }>;
  /** Terminals by the open file of their master side. */
  readonly masters: WeakMap<OpenFile, Terminal>;
  /** Calls made so far. */
  calls: number;
  /** Inode numbers of namespaces, ids of mounts, devices without a disk. */
  nextId(): number;
  nextDevice(): number;
}

export interface Nsfs {
  readonly mount: Mount;
  /** By what the link says: `net:[4026531840]`. */
  readonly namespaces: Map<string, Namespace>;
  /** A place that stands for an open file without a name, such as a pipe: /proc/PID/fd/N. */
  standIn(file: OpenFile, task: Task): Position;
  /** The open file behind such a place. */
  fileAt(position: Position): OpenFile | undefined;
}

export type TaskState = 'runnable' | 'sleeping' | 'stopped' | 'zombie' | 'dead';

export interface Frame {
  readonly run: Generator<Call, number | void, CallResult>;
  /** Of a signal handler: the mask to put back, and the call that it interrupted. */
  readonly restore?: { readonly mask: ReadonlySet<number>; readonly call: Call | undefined; readonly value: CallResult };
}

export interface FsContext {
  root: Position;
  cwd: Position;
  umask: number;
}

export interface Task {
  readonly kernel: Kernel;
  readonly pid: Pid;
  group: Pid;
  session: Pid;
  parent: Task | undefined;
  readonly children: Set<Task>;
  comm: string;
  argv: readonly string[];
  env: readonly string[];
  /** The file it runs, for /proc/PID/exe. */
  exe: Position | undefined;
  state: TaskState;
  frames: Frame[];
  /** The call that waits. */
  call: Call | undefined;
  value: CallResult;
  /** What a call that is made again keeps: a deadline, bytes written so far. */
  progress: number | undefined;
  timer: Timer | undefined;
  readonly queues: Set<WaitQueue>;
  cred: Credentials;
  ns: Namespaces;
  /** Namespace of the children: unshare(2) of a pid namespace. */
  fs: FsContext;
  files: FileTable;
  readonly actions: Map<number, SigAction>;
  blocked: ReadonlySet<number>;
  readonly pending: Set<number>;
  alarm: Timer | undefined;
  parentDeathSignal: number;
  subreaper: boolean;
  dumpable: number;
  readonly rlimits: Rlimit[];
  nice: number;
  affinity: readonly number[];
  oomScoreAdj: number;
  terminal: Terminal | undefined;
  /** One a hierarchy, in its order. */
  cgroups: Cgroup[];
  /** Bytes of anonymous memory, and the most there were. */
  memory: number;
  memoryPeak: number;
  /** Nanoseconds of CPU. */
  cpuTime: number;
  childCpuTime: number;
  /** Fair time, for the scheduler. */
  vruntime: number;
  startTime: number;
  /** As wait4(2) gives it, once it is a zombie. */
  status: number;
  /** State changes that a parent has not asked about: of stopped and continued. */
  report: 'stopped' | 'continued' | undefined;
  stopSignal: number;
  /** Has called execve since it was made. */
  executed: boolean;
  readonly childQueue: WaitQueue;
  readonly program: Program;
}
