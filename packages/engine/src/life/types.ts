/** The life of containers beyond one command, as a caller of the engine sees it. */
import type { CgroupStats, ContainerProcess, ExecOptions, ExitStatus, JournalStream, LaunchedProcess, MonitoredStreams, RunOptions, Spec, StdioSource } from '@tsc-box/model';
import type { ContainerState, RestartPolicy, RunRequest } from '../containers/types.ts';

export interface CreateRequest extends RunRequest {
  readonly restart?: RestartPolicy;
}

export interface ExecRequest {
  readonly command: readonly string[];
  readonly options: ExecOptions;
  readonly stdio: { readonly stdin: StdioSource; readonly stdout: StdioSource; readonly stderr: StdioSource };
  /** Environment of the caller, for `--env KEY` and env files. */
  readonly hostEnv: Readonly<Record<string, string | undefined>>;
  /** Relative paths of the request start here. Absolute. */
  readonly cwd: string;
  /** Leave it behind: nobody sees its output nor its exit code. */
  readonly detach?: boolean;
  /** Kill it when the thread that launched it dies. */
  readonly dieWithParent?: boolean;
}

/** A piece of output: a line, or a part of one that was written in parts. */
export interface LogEntry {
  /** Nanoseconds of CLOCK_REALTIME. */
  readonly time: bigint;
  /** `lost`: output that could not be kept, and `bytes` tells how much. */
  readonly stream: JournalStream;
  /** With its newline, where there is one. */
  readonly bytes: Uint8Array;
  /** It begins a line. */
  readonly start: boolean;
}

export interface LogOptions {
  /** The last so many lines. Default: all. */
  readonly tail?: number;
  /** Nanoseconds of CLOCK_REALTIME. */
  readonly since?: bigint;
  readonly until?: bigint;
  /** Go on until the container has ended, or `signal`. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

export interface Attached {
  readonly state: ContainerState;
  readonly streams: MonitoredStreams;
  /** What it writes from now on. */
  readonly output: AsyncIterable<LogEntry>;
  /** Its terminal has these many lines and columns from now on. */
  resize(height: number, width: number): void;
  /** No more input comes. */
  endInput(): void;
  /** Until this run has ended, whatever becomes of the container then. To be called once. */
  wait(): Promise<ExitStatus>;
}

export interface Life {
  /** Prepares and records a container; nothing runs. */
  create(request: CreateRequest): Promise<ContainerState>;
  /** @throws BoxError ERR_TSCBOX_STATE when it runs */
  start(nameOrId: string): Promise<ContainerState>;
  /** `start`, with the streams of this run and all that it writes from the beginning on. */
  startAttached(nameOrId: string, options?: { readonly signal?: AbortSignal }): Promise<Attached>;
  /** `create` and `start`. A container that can't be started is removed. */
  run(request: CreateRequest): Promise<ContainerState>;
  /** Asks it to stop, by its stop signal or `signal`, and kills it after `timeoutMs` (default 10,000; negative: never). False when it did not run. */
  stop(nameOrId: string, options?: { readonly timeoutMs?: number; readonly signal?: number }): Promise<boolean>;
  restart(nameOrId: string, options?: { readonly timeoutMs?: number; readonly signal?: number }): Promise<ContainerState>;
  /** @throws BoxError ERR_TSCBOX_STATE when it does not run, or is paused and the signal is not SIGKILL. */
  kill(nameOrId: string, signal?: number): Promise<void>;
  /** Until it has ended. */
  wait(nameOrId: string, options?: { readonly signal?: AbortSignal }): Promise<ExitStatus>;
  pause(nameOrId: string): void;
  unpause(nameOrId: string): void;
  isPaused(state: ContainerState): boolean;
  rename(nameOrId: string, name: string): void;
  /** One more process in a running container. @throws BoxError ERR_TSCBOX_STATE when it does not run or is paused */
  exec(nameOrId: string, request: ExecRequest): LaunchedProcess;
  /** The OCI configuration that it was launched with. @throws BoxError ERR_TSCBOX_STATE where it is not on record */
  spec(nameOrId: string): Spec;
  logs(nameOrId: string, options?: LogOptions): AsyncIterable<LogEntry>;
  /** What it writes from now on. */
  attach(nameOrId: string, options?: { readonly signal?: AbortSignal }): Attached;
  stats(state: ContainerState): CgroupStats;
  top(nameOrId: string): readonly ContainerProcess[];
  /** New limits for a running container, as `run` takes them; they hold when it is started again too. What is not given stays. */
  update(nameOrId: string, limits: RunOptions): void;
  setRestart(nameOrId: string, restart: RestartPolicy): void;
  /** Removes containers that have ended or never started. Returns their ids. */
  prune(): string[];
  /** Looks after restart policies and removal at the end, until there is nothing to look after. One a store: others return at once. */
  supervise(): Promise<void>;
}
