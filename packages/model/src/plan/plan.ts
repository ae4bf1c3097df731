/**
 * The launch plan: what must be done, in order, to turn a spec into a process. Plain JSON, stable, versioned.
 * Systems perform it: host-linux encodes the child steps as a syscall program, the simulator interprets them.
 * `call` is a Linux system call by its name (section 2 of the manual), `why` one short clause.
 */
import type { IdMapping, SpecResources, SpecSeccomp } from '../spec/spec.ts';

/** A file descriptor: a number, `AT_FDCWD`, or the result of an earlier step. */
export type Fd = number | 'AT_FDCWD' | { readonly slot: string };

/** Arguments of every call a child step may make, by name. Flags are the kernel's constant names. */
export interface CallArgs {
  // mount API: fsopen(2), fsconfig(2), fsmount(2), move_mount(2), open_tree(2), mount_setattr(2)
  readonly mount: { readonly source: string; readonly target: string; readonly fstype: string; readonly flags: readonly string[]; readonly data: string };
  readonly umount2: { readonly target: string; readonly flags: readonly string[] };
  readonly fsopen: { readonly fsname: string };
  readonly fsconfig: { readonly fd: Fd; readonly cmd: 'FSCONFIG_SET_FLAG' | 'FSCONFIG_SET_STRING' | 'FSCONFIG_CMD_CREATE'; readonly key?: string; readonly value?: string };
  readonly fsmount: { readonly fd: Fd; readonly attributes: readonly string[] };
  readonly open_tree: { readonly dirfd: Fd; readonly path: string; readonly flags: readonly string[] };
  readonly move_mount: { readonly from: Fd; readonly to: Fd; readonly toPath: string };
  readonly mount_setattr: { readonly dirfd: Fd; readonly path: string; readonly recursive: boolean; readonly set: readonly string[]; readonly clear: readonly string[]; readonly propagation?: string };
  readonly pivot_root: { readonly newRoot: string; readonly putOld: string };
  readonly chroot: { readonly path: string };
  // files
  readonly openat2: { readonly dirfd: Fd; readonly path: string; readonly flags: readonly string[]; readonly resolve: readonly string[] };
  readonly mkdirat: { readonly dirfd: Fd; readonly path: string; readonly mode: number };
  readonly mknodat: { readonly dirfd: Fd; readonly path: string; readonly type: 'c' | 'b' | 'p' | 'f'; readonly mode: number; readonly major: number; readonly minor: number };
  readonly symlinkat: { readonly target: string; readonly dirfd: Fd; readonly path: string };
  readonly fchownat: { readonly dirfd: Fd; readonly path: string; readonly uid: number; readonly gid: number };
  readonly write: { readonly fd: Fd; readonly data: string };
  readonly read: { readonly fd: Fd; readonly count: number };
  readonly close: { readonly fd: Fd };
  readonly dup3: { readonly from: Fd; readonly to: number };
  /** `except`: descriptors of the System that stay open. */
  readonly close_range: { readonly first: number; readonly flags: readonly string[]; readonly except?: readonly Fd[] };
  readonly chdir: { readonly path: string };
  readonly fchdir: { readonly fd: Fd };
  // namespaces and identity
  readonly setns: { readonly fd: Fd; readonly nstype: string };
  readonly unshare: { readonly flags: readonly string[] };
  readonly sethostname: { readonly name: string };
  readonly setdomainname: { readonly name: string };
  readonly setsid: Readonly<Record<never, never>>;
  readonly setgroups: { readonly groups: readonly number[] };
  readonly setresgid: { readonly gid: number };
  readonly setresuid: { readonly uid: number };
  readonly capset: { readonly effective: readonly string[]; readonly permitted: readonly string[]; readonly inheritable: readonly string[] };
  readonly prctl: { readonly option: string; readonly args: readonly (number | string)[] };
  readonly prlimit64: { readonly resource: string; readonly soft: number; readonly hard: number };
  readonly umask: { readonly mask: number };
  readonly seccomp: { readonly filter: 'plan.seccomp'; readonly flags: readonly string[] };
  readonly rt_sigprocmask: { readonly how: 'SIG_SETMASK'; readonly set: readonly string[] };
  readonly rt_sigaction: { readonly signal: string; readonly handler: 'SIG_DFL' };
  readonly ioctl: { readonly fd: Fd; readonly request: 'TIOCSCTTY' | 'TIOCSPTLCK' | 'TIOCGPTPEER' | 'TIOCSWINSZ' | 'SIOCSIFFLAGS'; readonly value: number | { readonly interface: string } | { readonly height: number; readonly width: number } };
  /** Sets IFF_UP on an interface: netdevice(7). */
  readonly socket: { readonly domain: 'AF_INET'; readonly type: 'SOCK_DGRAM' };
  readonly sendmsg: { readonly fd: Fd; readonly passFd: Fd };
  readonly clone3: { readonly flags: readonly string[] };
  /** Starts the command as a child: the steps after this one are the child's. This process then reaps and passes signals on (`--init`). */
  readonly clone: { readonly flags: readonly string[]; readonly parent: 'reaper' };
  /** A program of a few kilobytes takes the process over and does the steps after this one: no memory of the launcher is held while it waits. */
  readonly execveat: { readonly fd: Fd };
  /** Fails when none of the candidates is there and may be executed: what execve(2) would tell only at the start. */
  readonly faccessat: { readonly command: string; readonly candidates: readonly string[] };
  /** Keeps a descriptor over execve(2). */
  readonly fcntl: { readonly fd: number; readonly command: 'F_SETFD'; readonly value: 0 };
  readonly sched_setscheduler: { readonly policy: string; readonly priority: number };
  readonly setpriority: { readonly nice: number };
  readonly ioprio_set: { readonly class: string; readonly priority: number };
  readonly personality: { readonly domain: string };
  /** Assert what a file is, by its device and inode or device number: statx(2) then a comparison. */
  readonly statx: { readonly dirfd: Fd; readonly path: string; readonly expect: { readonly type: 'chardev'; readonly major: number; readonly minor: number } };
  readonly execve: { readonly candidates: readonly string[]; readonly argv: readonly string[]; readonly envp: readonly string[] };
}

export type CallName = keyof CallArgs;

/** What to do when the kernel refuses: fail the launch, go on, or go on at another step. */
export type OnError =
  | { readonly action: 'fail' }
  | { readonly action: 'ignore'; readonly errno?: string }
  | { readonly action: 'jump'; readonly to: string; readonly errno?: string };

interface StepOf<C extends CallName> {
  readonly id: string;
  readonly call: C;
  readonly args: CallArgs[C];
  readonly why: string;
  /** Slot that holds the result (a file descriptor) for later steps. */
  readonly result?: string;
  readonly onError: OnError;
  /** Step to go on with after success; absent: the next one. */
  readonly onSuccess?: string;
}

export type ChildStep = { [C in CallName]: StepOf<C> }[CallName];

/** What the launching process does before the clone. Undone in reverse order by the System. */
export type PrepareStep =
  | { readonly id: string; readonly call: 'cgroup'; readonly args: { readonly path: string; readonly resources: SpecResources }; readonly why: string }
  | { readonly id: string; readonly call: 'open'; readonly args: { readonly path: string; readonly flags: readonly string[] }; readonly why: string; readonly result: string }
  /** A process named for good; refused when it has ended: its start time is compared once the descriptor is open. */
  | { readonly id: string; readonly call: 'pidfd_open'; readonly args: { readonly pid: number; readonly startTime: number }; readonly why: string; readonly result: string }
  /** The cgroups that a process stands in now, one a hierarchy: the child begins in them (`SYSTEM_SLOTS.cgroups`). */
  | { readonly id: string; readonly call: 'cgroup_of'; readonly args: { readonly pid: number; readonly startTime: number }; readonly why: string };

export interface ClonePlan {
  /** CLONE_NEW* flags. CLONE_VM and friends are the launcher's own. */
  readonly flags: readonly string[];
  /** Present when a user namespace is made. */
  readonly idMaps?: {
    readonly uid: readonly IdMapping[];
    readonly gid: readonly IdMapping[];
    /** Written to /proc/PID/setgroups before gid_map (user_namespaces(7)). */
    readonly setgroups: 'allow' | 'deny';
    /** `direct`: written by the launching process; `newuidmap`: by the setuid helpers. */
    readonly writer: 'direct' | 'newuidmap';
  };
}

export interface LaunchPlan {
  readonly version: 1;
  readonly id: string;
  readonly terminal: boolean;
  readonly prepare: readonly PrepareStep[];
  readonly clone: ClonePlan;
  readonly child: readonly ChildStep[];
  /** The profile that a `seccomp` step loads. */
  readonly seccomp?: SpecSeccomp;
  readonly warnings: readonly string[];
}

/** Slots that the System fills before the clone: named here so that the compiler and the Systems agree. */
export const SYSTEM_SLOTS = {
  /** Read end of the pipe on which the parent says that the id maps are written. */
  idMapsReady: 'system.id-maps-ready',
  /** Write end of the same pipe: the child closes its copy, so that the parent's death is seen. */
  idMapsWrite: 'system.id-maps-write',
  /** Both ends of a pipe whose read end only the launcher keeps: a write to it fails once the launcher is dead. */
  parentAliveRead: 'system.parent-alive-read',
  parentAliveWrite: 'system.parent-alive-write',
  /** The file that process 1 becomes with `--init`. */
  reaper: 'system.reaper',
  /** Fifo on which a held process waits for its start, and the one on which it tells that it waits, or why it failed. */
  hold: 'system.hold',
  holdResult: 'system.hold-result',
  /** The file that a held process is while it waits. */
  holder: 'system.holder',
  /** Two pipes: on one the child tells that namespaces and mounts are made, on the other it waits while hooks are run. */
  setUpWrite: 'system.set-up-write',
  goOnRead: 'system.go-on-read',
  goOnWrite: 'system.go-on-write',
  /** Socket on which the master side of the terminal is passed to the parent. */
  consoleSocket: 'system.console-socket',
  /** Descriptors the process gets as 0, 1 and 2 where there is no terminal. */
  stdin: 'system.stdin',
  stdout: 'system.stdout',
  stderr: 'system.stderr',
  /** cgroup v1: stands for one descriptor of `tasks` for each hierarchy: the step is done once for each. */
  cgroups: 'system.cgroups',
} as const;

/** What a held process writes when it waits. Anything else is the report of a failure. */
export const HOLD_READY = 'r';
