/**
 * `System`: the kernel that performs a plan. Linux (host-linux) or simulated (sim).
 * The engine is written once against this interface.
 */
import type { TreeArchiver } from './layers/archiver.ts';
import type { LayerExtractor } from './layers/extractor.ts';
import type { Facts } from './plan/facts.ts';
import type { LaunchPlan } from './plan/plan.ts';

/** What one of the standard streams is: a descriptor of the caller, /dev/null, or a new pipe. */
export type StdioSource = number | 'null' | 'pipe';

export interface LaunchRequest {
  readonly plan: LaunchPlan;
  readonly stdio: { readonly stdin: StdioSource; readonly stdout: StdioSource; readonly stderr: StdioSource };
  /** Directory for things that can be made again, such as compiled seccomp programs. Made when missing. */
  readonly cacheDir?: string;
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
  /** Resolves when the process has ended; the same promise each time. */
  wait(): Promise<ExitStatus>;
  /** Sends a signal by number. False when the process is gone. */
  kill(signal: number): boolean;
  resize(height: number, width: number): void;
  usage(): ResourceUsage;
  /** Kills what is left of the container and removes its cgroups. Safe to call more than once. */
  cleanup(): void;
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
  /** What an upper directory changes in the layers below it (top first), sorted by path: as `docker diff` has it. */
  diffLayers(upperdir: string, lowerdirs: readonly string[]): readonly Change[];
}
