/**
 * The system calls of the simulated kernel, as programs make them. A program is a generator: it yields a call and gets back its value,
 * or a negative error number (`abi/errno.ts`).
 *
 * - Paths, arguments, environment and names are byte strings: one character (0 to 255) a byte. Data is a `Uint8Array`.
 * - Flags are numbers (`abi/constants.ts`). Times are nanoseconds as numbers, exact up to 2^53 (104 days since boot); the wall clock is in seconds and nanoseconds.
 */

/** What a program starts with: execve(2). */
export interface ProgramContext {
  readonly argv: readonly string[];
  /** `NAME=value`. */
  readonly env: readonly string[];
  /** A number in [0, 1) from the seed's stream for programs: for $RANDOM, shuf and the like. */
  random(): number;
  /** Adds a line to the trace: what is unlike Linux and worth saying. */
  note(text: string): void;
}

/** Returns the exit code (its low 8 bits count). A signal of default action ends it where it stands: `finally` blocks do not run. */
export type Program = (task: ProgramContext) => Generator<Call, number, CallResult>;

/** Runs above what it interrupted, which goes on when it returns: sigaction(2). */
export type SignalHandler = (signal: number) => Generator<Call, void, CallResult>;

export interface TimeSpec {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** stat(2), statx(2). */
export interface Stat {
  /** Number of the file system: `major << 20 | minor`, as `rdev`. */
  readonly dev: number;
  readonly ino: number;
  /** With the file type. */
  readonly mode: number;
  readonly nlink: number;
  /** As the caller's user namespace shows it. */
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  /** Units of 512 bytes. */
  readonly blocks: number;
  readonly atime: TimeSpec;
  readonly mtime: TimeSpec;
  readonly ctime: TimeSpec;
  /** statx(2), stx_mnt_id. */
  readonly mountId: number;
}

/** getdents64(2), with "." and "..". */
export interface DirectoryEntry {
  readonly name: string;
  readonly ino: number;
  /** File type bits of st_mode. */
  readonly type: number;
}

export interface StatFs {
  /** f_type: 0x01021994 for tmpfs, 0x794c7630 for overlay … */
  readonly type: number;
  readonly blockSize: number;
  readonly blocks: number;
  readonly blocksFree: number;
  readonly files: number;
  readonly filesFree: number;
  readonly flags: number;
}

/** wait4(2). `status` as the kernel packs it: code << 8, or the signal, or 0x7f | signal << 8 for stopped, 0xffff for continued. */
export interface WaitResult {
  readonly pid: number;
  readonly status: number;
  /** Nanoseconds of CPU that it and its waited-for children used. */
  readonly cpuTime: number;
  /** Bytes: the most it held. */
  readonly maxRss: number;
}

export interface PollFd {
  readonly fd: number;
  readonly events: number;
}

export interface Rlimit {
  /** Infinity for RLIM_INFINITY. */
  readonly soft: number;
  readonly hard: number;
}

/** capabilities(7) as bit sets. */
export interface CapabilitySets {
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
}

export interface UtsName {
  readonly sysname: string;
  readonly nodename: string;
  readonly release: string;
  readonly version: string;
  readonly machine: string;
  readonly domainname: string;
}

export interface SysInfo {
  /** Seconds. */
  readonly uptime: number;
  readonly loads: readonly [number, number, number];
  /** Bytes. */
  readonly totalRam: number;
  readonly freeRam: number;
  readonly procs: number;
}

export interface WindowSize {
  readonly rows: number;
  readonly columns: number;
}

/** termios(3), as far as the simulator's line discipline knows it. */
export interface Termios {
  /** ICANON: input by lines. */
  readonly canonical: boolean;
  readonly echo: boolean;
  /** ISIG: ^C, ^\ and ^Z are signals. */
  readonly signals: boolean;
  /** OPOST | ONLCR: "\n" goes out as "\r\n". */
  readonly outputNewline: boolean;
}

export interface SigAction {
  readonly handler: 'SIG_DFL' | 'SIG_IGN' | SignalHandler;
  /** Signals blocked while the handler runs, beside its own. */
  readonly mask?: readonly number[];
  /** SA_RESTART, SA_NOCLDWAIT. */
  readonly flags?: number;
}

interface At {
  readonly dirfd: number;
  readonly path: string;
}

/** Nanoseconds of UTIME_NOW or UTIME_OMIT are special: utimensat(2). */
interface Times {
  readonly atime: TimeSpec;
  readonly mtime: TimeSpec;
}

type Nothing = Readonly<Record<never, never>>;

/** Name: [arguments, value]. A negative number is always an error as well. */
interface Signatures {
  // Files
  openat: [At & { readonly flags: number; readonly mode: number }, number];
  openat2: [At & { readonly flags: number; readonly mode: number; readonly resolve: number }, number];
  close: [{ readonly fd: number }, number];
  close_range: [{ readonly first: number; readonly last: number; readonly cloexec: boolean }, number];
  /** Empty at the end. */
  read: [{ readonly fd: number; readonly count: number }, Uint8Array | number];
  pread64: [{ readonly fd: number; readonly count: number; readonly offset: number }, Uint8Array | number];
  write: [{ readonly fd: number; readonly data: Uint8Array }, number];
  pwrite64: [{ readonly fd: number; readonly data: Uint8Array; readonly offset: number }, number];
  lseek: [{ readonly fd: number; readonly offset: number; readonly whence: number }, number];
  dup: [{ readonly fd: number }, number];
  dup2: [{ readonly from: number; readonly to: number }, number];
  dup3: [{ readonly from: number; readonly to: number; readonly flags: number }, number];
  pipe2: [{ readonly flags: number }, readonly [read: number, write: number] | number];
  fcntl: [{ readonly fd: number; readonly cmd: number; readonly arg: number }, number];
  /** Up to `count` entries; none at the end. */
  getdents64: [{ readonly fd: number; readonly count: number }, readonly DirectoryEntry[] | number];
  newfstatat: [At & { readonly flags: number }, Stat | number];
  faccessat2: [At & { readonly mode: number; readonly flags: number }, number];
  mkdirat: [At & { readonly mode: number }, number];
  unlinkat: [At & { readonly flags: number }, number];
  renameat2: [{ readonly olddirfd: number; readonly oldpath: string; readonly newdirfd: number; readonly newpath: string; readonly flags: number }, number];
  linkat: [{ readonly olddirfd: number; readonly oldpath: string; readonly newdirfd: number; readonly newpath: string; readonly flags: number }, number];
  symlinkat: [At & { readonly target: string }, number];
  readlinkat: [At, string | number];
  /** `mode` with the type; `dev` as `major << 20 | minor`. */
  mknodat: [At & { readonly mode: number; readonly dev: number }, number];
  fchmodat: [At & { readonly mode: number; readonly flags: number }, number];
  /** -1 keeps an id. */
  fchownat: [At & { readonly uid: number; readonly gid: number; readonly flags: number }, number];
  utimensat: [At & Times & { readonly flags: number }, number];
  truncate: [{ readonly path: string; readonly length: number }, number];
  ftruncate: [{ readonly fd: number; readonly length: number }, number];
  getxattr: [At & { readonly name: string; readonly follow: boolean }, Uint8Array | number];
  setxattr: [At & { readonly name: string; readonly value: Uint8Array; readonly flags: number; readonly follow: boolean }, number];
  listxattr: [At & { readonly follow: boolean }, readonly string[] | number];
  removexattr: [At & { readonly name: string; readonly follow: boolean }, number];
  statfs: [{ readonly path: string }, StatFs | number];
  sync: [Nothing, number];
  fsync: [{ readonly fd: number }, number];
  /** revents, in the order asked. `timeout` in nanoseconds; below 0: for ever. */
  poll: [{ readonly fds: readonly PollFd[]; readonly timeout: number }, readonly number[] | number];
  ioctl: [{ readonly fd: number; readonly request: number; readonly value?: number | WindowSize | Termios }, number | WindowSize | Termios];
  // Place
  chdir: [{ readonly path: string }, number];
  fchdir: [{ readonly fd: number }, number];
  getcwd: [Nothing, string | number];
  chroot: [{ readonly path: string }, number];
  umask: [{ readonly mask: number }, number];
  // Processes
  /** fork(2) with namespaces: descriptors, cwd, credentials and signal actions are copied; `child` is what the new process runs. */
  clone: [{ readonly flags: number; readonly child: Program }, number];
  /** Does not return on success. */
  execve: [{ readonly path: string; readonly argv: readonly string[]; readonly env: readonly string[] }, number];
  exit_group: [{ readonly code: number }, number];
  /** 0 as pid in the result with WNOHANG when none has changed. */
  wait4: [{ readonly pid: number; readonly options: number }, WaitResult | number];
  kill: [{ readonly pid: number; readonly signal: number }, number];
  /** Gives what was set before. Without `action` it only asks. */
  rt_sigaction: [{ readonly signal: number; readonly action?: SigAction }, SigAction | number];
  /** Gives the old mask. */
  rt_sigprocmask: [{ readonly how: 'SIG_BLOCK' | 'SIG_UNBLOCK' | 'SIG_SETMASK'; readonly set: readonly number[] }, readonly number[] | number];
  pause: [Nothing, number];
  getpid: [Nothing, number];
  getppid: [Nothing, number];
  getpgid: [{ readonly pid: number }, number];
  setpgid: [{ readonly pid: number; readonly pgid: number }, number];
  getsid: [{ readonly pid: number }, number];
  setsid: [Nothing, number];
  prctl: [{ readonly option: number; readonly arg: number | string; readonly arg2?: number }, number | string];
  /** Gives the limit from before; without `limit` it only asks. */
  prlimit64: [{ readonly pid: number; readonly resource: number; readonly limit?: Rlimit }, Rlimit | number];
  sched_setaffinity: [{ readonly pid: number; readonly cpus: readonly number[] }, number];
  sched_getaffinity: [{ readonly pid: number }, readonly number[] | number];
  setpriority: [{ readonly pid: number; readonly nice: number }, number];
  /** Nice value + 20, so that it is never negative: getpriority(2), "C library/kernel differences". */
  getpriority: [{ readonly pid: number }, number];
  sched_yield: [Nothing, number];
  // Time
  nanosleep: [{ readonly duration: number }, number];
  clock_gettime: [{ readonly clock: number }, TimeSpec | number];
  clock_settime: [{ readonly clock: number; readonly time: TimeSpec }, number];
  /** SIGALRM after `duration` nanoseconds; 0 takes it back. Gives what was left of the one before. */
  alarm: [{ readonly duration: number }, number];
  // Identity
  getuid: [Nothing, number];
  geteuid: [Nothing, number];
  getgid: [Nothing, number];
  getegid: [Nothing, number];
  setresuid: [{ readonly ruid: number; readonly euid: number; readonly suid: number }, number];
  setresgid: [{ readonly rgid: number; readonly egid: number; readonly sgid: number }, number];
  getgroups: [Nothing, readonly number[] | number];
  setgroups: [{ readonly groups: readonly number[] }, number];
  capget: [{ readonly pid: number }, CapabilitySets | number];
  capset: [CapabilitySets, number];
  // The machine
  uname: [Nothing, UtsName];
  sysinfo: [Nothing, SysInfo];
  sethostname: [{ readonly name: string }, number];
  setdomainname: [{ readonly name: string }, number];
  /** Only to reach an interface by SIOCSIFFLAGS: no data goes through it. EAFNOSUPPORT for another domain than AF_INET (2). */
  socket: [{ readonly domain: number; readonly type: number }, number];
  // Namespaces and mounts
  unshare: [{ readonly flags: number }, number];
  setns: [{ readonly fd: number; readonly nstype: number }, number];
  mount: [{ readonly source: string; readonly target: string; readonly fstype: string; readonly flags: number; readonly data: string }, number];
  umount2: [{ readonly target: string; readonly flags: number }, number];
  pivot_root: [{ readonly newRoot: string; readonly putOld: string }, number];
  open_tree: [At & { readonly flags: number }, number];
  move_mount: [{ readonly fromDirfd: number; readonly fromPath: string; readonly toDirfd: number; readonly toPath: string; readonly flags: number }, number];
  fsopen: [{ readonly fsname: string }, number];
  fsconfig: [{ readonly fd: number; readonly cmd: number; readonly key: string; readonly value: string }, number];
  fsmount: [{ readonly fd: number; readonly attributes: number }, number];
  mount_setattr: [At & { readonly flags: number; readonly set: number; readonly clear: number; readonly propagation: number }, number];
  // What a simulated program uses up: no calls of Linux, but what its instructions would do
  /** Computes for `duration` nanoseconds of one CPU: charged to the cgroup, throttled, preempted. */
  cpu: [{ readonly duration: number }, number];
  /** Has `bytes` more (or, below 0, fewer) of touched anonymous memory. ENOMEM over RLIMIT_AS; over the cgroup's limit the OOM killer comes. */
  memory: [{ readonly bytes: number }, number];
}

export type CallName = keyof Signatures;

/** Arguments of one call. */
export type CallArguments<C extends CallName> = Signatures[C][0];

/** Value of one call; a negative number is an error number. */
export type CallValue<C extends CallName> = Signatures[C][1];

type CallOf<C extends CallName> = { readonly call: C } & CallArguments<C>;

/** What a program yields. */
export type Call = { [C in CallName]: CallOf<C> }[CallName];

/** What it gets back: `CallValue` of the call it made. */
export type CallResult = CallValue<CallName>;
