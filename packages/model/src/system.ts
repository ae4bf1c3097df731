/**
 * `System`: the kernel that performs a plan. Linux (host-linux) or simulated (sim).
 * The engine is written once against this interface.
 */
import type { TreeArchiver } from './layers/archiver.ts';
import type { LayerExtractor } from './layers/extractor.ts';
import type { Facts } from './plan/facts.ts';
import type { LaunchPlan } from './plan/plan.ts';
import type { SpecResources } from './spec/spec.ts';

/** What one of the standard streams is: a descriptor of the caller, /dev/null, or a new pipe. */
export type StdioSource = number | 'null' | 'pipe';

/** A process named for good: its pid in our pid namespace and its start time in clock ticks after boot (proc(5), stat field 22). */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: number;
}

/**
 * Files of a monitor: a process of a few kilobytes that is the parent of the container's and outlives the launcher. It is in the data
 * path alone: it holds the other ends of the streams asked for as `pipe`, or the terminal, and writes what comes to the journal. When
 * the process has ended it writes the exit file and ends too.
 */
export interface MonitorRequest {
  /** Journal of the output (`readJournal`), appended to; it must end in a whole frame. Made when missing, mode 0600. */
  readonly journal: string;
  /** Gets one record at the end (`parseExitRecord`), by one write. Made when missing, mode 0600; emptied otherwise. */
  readonly exit: string;
}

/**
 * A process that does all of its setup and then waits for `System.start`. Meanwhile no launcher is needed. Beside the fifo named
 * here the System makes one named `FIFO.result`, for why the start failed.
 */
export interface HoldRequest {
  /** Path of the fifo to make. Its directory must be writable only by this user. */
  readonly fifo: string;
}

/** What `System.start` needs, beside the plan, to let a held process go on. Plain JSON: the launcher has ended by then. */
export interface HeldProcess extends ProcessIdentity {
  readonly fifo: string;
}

/** Descriptors for `attach`, owned by the caller. */
export interface MonitoredStreams {
  /** A write end of the pipe that is the container's standard input. Absent without `stdin: 'pipe'`. */
  readonly stdin?: number;
  /** The terminal's master side, for writing and resizing only: the monitor reads it, and what it reads is in the journal. Not blocking. */
  readonly terminal?: number;
}

export interface LaunchRequest {
  readonly plan: LaunchPlan;
  readonly stdio: { readonly stdin: StdioSource; readonly stdout: StdioSource; readonly stderr: StdioSource };
  /** Directory for things that can be made again, such as compiled seccomp programs. Made when missing. */
  readonly cacheDir?: string;
  /** Detached: the caller may end at once when `launch` has returned. Streams asked for as `pipe` and the terminal are the monitor's then. */
  readonly monitor?: MonitorRequest;
  /** The process waits for `System.start` before it executes the command. */
  readonly hold?: HoldRequest;
  /** The caller ends at once and does not wait: the process is left, as a zombie too, for whoever inherits it (a subreaper). */
  readonly leave?: boolean;
  /** Called, where the plan stops for hooks, when namespaces and mounts are made and the root is still the host's. What it throws fails the launch. */
  readonly onSetUp?: (process: ProcessIdentity) => void;
}

/** How a process ended. `signal` is its number when one killed it; `code` is then 128 + signal. */
export interface ExitStatus {
  readonly code: number;
  readonly signal?: number;
  /** The kernel's out-of-memory killer struck in the container's cgroup. */
  readonly oomKilled?: boolean;
}

export interface ResourceUsage {
  /** Bytes. */
  readonly peakMemory?: number;
  /** Microseconds. */
  readonly cpuTimeUs?: number;
}

export interface LaunchedProcess {
  /** In the caller's pid namespace. */
  readonly pid: number;
  /** Start time in clock ticks after boot (proc(5), stat field 22): with `pid` it names the process for good. */
  readonly startTime: number;
  /** Master side of the terminal, owned by the caller from now on. */
  readonly terminal?: number;
  /** Our ends of the pipes asked for, owned by the caller from now on. */
  readonly stdin?: number;
  readonly stdout?: number;
  readonly stderr?: number;
  /** The monitor asked for. Its end follows that of the container's process. */
  readonly monitor?: ProcessIdentity;
  /**
   * Resolves when the process has ended; the same promise each time. A monitored process: when its monitor has written the exit
   * file; only this call keeps the event loop alive for it.
   * @throws BoxError when the monitor was killed, and how the process ends can't be known.
   */
  wait(): Promise<ExitStatus>;
  /** Sends a signal by number. False when the process is gone. */
  kill(signal: number): boolean;
  resize(height: number, width: number): void;
  usage(): ResourceUsage;
  /** Kills what is left of the container and removes its cgroups. Safe to call more than once. */
  cleanup(): void;
}

/** What a container's cgroup tells. Absent: its controller isn't there, or this kernel doesn't count it. */
export interface CgroupStats {
  /** Bytes in use, without the file cache that is given back first: `current - inactive_file` (v1: `usage - total_inactive_file`). */
  readonly memory?: number;
  /** Bytes; absent where there is no limit. */
  readonly memoryLimit?: number;
  readonly peakMemory?: number;
  /** Bytes of swap in use. */
  readonly swap?: number;
  /** Processes that the out-of-memory killer has killed. */
  readonly oomKills?: number;
  /** Microseconds, since the cgroup was made. */
  readonly cpuTimeUs?: number;
  readonly cpuUserUs?: number;
  readonly cpuSystemUs?: number;
  /** Periods in which the CPU quota was used up, of all periods; and microseconds that tasks had to wait. */
  readonly cpuPeriods?: number;
  readonly cpuThrottledPeriods?: number;
  readonly cpuThrottledUs?: number;
  /** Bytes and operations, of all block devices together. */
  readonly ioReadBytes?: number;
  readonly ioWriteBytes?: number;
  readonly ioReads?: number;
  readonly ioWrites?: number;
  readonly pids?: number;
  /** Absent where there is no limit. */
  readonly pidsLimit?: number;
  /** Per cent of the last 10 s in which some task waited: Documentation/accounting/psi.rst. */
  readonly pressure?: { readonly cpu?: number; readonly memory?: number; readonly io?: number };
}

/** A process of a container, for `top`. */
export interface ContainerProcess {
  /** In our pid namespace. */
  readonly pid: number;
  readonly parent: number;
  /** In the container's pid namespace. */
  readonly pidInside: number;
  /** Effective, in our user namespace. */
  readonly uid: number;
  /** One letter, as proc(5) has it: R, S, D, Z, T … */
  readonly state: string;
  /** Microseconds, user and system. */
  readonly cpuTimeUs: number;
  /** Bytes that are resident. */
  readonly memory: number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** `pts/0`, or `?`. */
  readonly terminal: string;
  /** Arguments, or the name in brackets. */
  readonly command: string;
}

/** The cgroup of a running container. */
export interface ContainerCgroup {
  /** False for an ordinary user to whom none is delegated: then there is nothing to limit, freeze or count by. */
  readonly exists: boolean;
  stats(): CgroupStats;
  /** What lives in it and below it, by pid. Those that end meanwhile are left out. */
  processes(): readonly ContainerProcess[];
  /** Returns when all tasks have stopped. @throws SyscallError when they don't within 2 s, or there is no freezer. */
  freeze(): void;
  thaw(): void;
  frozen(): boolean;
  /** @throws UnsupportedError, SyscallError; what was written before stays. */
  update(resources: SpecResources): void;
}

/** One line of `diff`: changed, added or deleted. */
export interface Change {
  readonly kind: 'C' | 'A' | 'D';
  /** Absolute path inside the container. */
  readonly path: string;
}

export interface System {
  readonly name: 'linux' | 'sim';
  /** Probed once, then remembered. */
  facts(): Facts;
  /** Performs the plan. Throws the typed error of the step that failed, with nothing left behind. */
  launch(request: LaunchRequest): LaunchedProcess;
  /** Performs the plan and stands still until the process has ended; kills it after so many milliseconds. For hooks, which others wait for. */
  launchAndWait(request: LaunchRequest, timeoutMs?: number): ExitStatus & { readonly timedOut: boolean };
  /** Hands a terminal to who listens on a unix socket: OCI `--console-socket`. Closes it here. */
  passTerminal(socketPath: string, terminal: number): void;
  /** Lets a held process execute its command. `plan` is that of its launch. Throws the typed error of the step that failed; the process has ended then. */
  start(held: HeldProcess, plan: LaunchPlan): void;
  /** Ways into a monitored container. Throws when the monitor is gone. */
  openMonitored(monitor: ProcessIdentity): MonitoredStreams;
  /** The monitor closes its write end of standard input: the container reads the end of it once no other write end is open. Nothing happens when the monitor is gone. */
  endMonitoredStdin(monitor: ProcessIdentity): void;
  /** Sends a signal by number. False when it is gone. @throws SyscallError EPERM */
  signal(process: ProcessIdentity, signal: number): boolean;
  /** Sets the size of a terminal, by a descriptor of its master side, in characters: ioctl_tty(2), TIOCSWINSZ. */
  resizeTerminal(terminal: number, height: number, width: number): void;
  /** The processes that are in the pid namespace of this one, itself among them. */
  processesBeside(process: ProcessIdentity): readonly ContainerProcess[];
  /** The cgroup of a container, by the path that its plan names. */
  cgroup(path: string): ContainerCgroup;
  /** True when `pid` still is the process that started at `startTime`. */
  isAlive(pid: number, startTime: number): boolean;
  /** Kills what runs in the container's cgroup and removes it: for containers whose launcher died. */
  sweep(cgroupPath: string | undefined, pid: number | undefined, startTime: number | undefined): void;
  extractor(): Promise<LayerExtractor>;
  archiver(): Promise<TreeArchiver>;
  /**
   * A regular file in layer directories (top first) as a union would show it, links resolved inside them; undefined where there is none.
   * @throws BoxError where it is something else, or has more than `bytesMax` bytes.
   */
  readLayerFile(lowerdirs: readonly string[], path: string, bytesMax: number): Uint8Array | undefined;
  /** What a path is in layer directories (top first), links followed inside them; undefined where there is nothing. `mode`: permission bits. */
  statLayerFile(lowerdirs: readonly string[], path: string): { readonly kind: 'file' | 'directory' | 'other'; readonly mode: number } | undefined;
  /** What an upper directory changes in the layers below it (top first), sorted by path: as `docker diff` has it. */
  diffLayers(upperdir: string, lowerdirs: readonly string[]): readonly Change[];
}
