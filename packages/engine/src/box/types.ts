/** The library: containers from a program, in this process. */
import type { Readable, Writable } from 'node:stream';
import type { AppliedChange, Change, CgroupStats, ExecOptions, ResourceUsage, RunOptions } from '@tsc-box/model';
import type { ApplyRequest, ContainerState, Engine, PullPolicy } from '../containers/types.ts';
import type { Images } from '../image-commands/types.ts';

/** Options of a container as `tsc-box run` has them, by name; numbers may be given as numbers, and the environment as an object. */
export interface BoxOptions extends Omit<RunOptions, 'env' | 'memory' | 'memorySwap' | 'cpus' | 'pidsLimit' | 'interactive' | 'terminal'> {
  /** `host`, an image of the store or of a registry, `oci:DIR`, `docker-archive:FILE`. One of `image`, `rootfs` and `bundle`. */
  readonly image?: string;
  readonly rootfs?: string;
  readonly bundle?: string;
  readonly command?: readonly string[];
  /** `KEY=VALUE` each, or an object. Nothing of this process's own environment is passed on. */
  readonly env?: readonly string[] | Readonly<Record<string, string>>;
  /** `64m`, or bytes. */
  readonly memory?: string | number;
  readonly memorySwap?: string | number;
  readonly cpus?: string | number;
  readonly pidsLimit?: string | number;
  /** Keep the container when it has ended: default false. */
  readonly keep?: boolean;
  readonly pull?: PullPolicy;
  readonly platform?: string;
  /** Relative paths of the options start here. Default: the current directory. */
  readonly cwd?: string;
  readonly onWarning?: (text: string) => void;
}

/** What is written to standard input; nothing: it is empty. */
export type Input = string | Uint8Array | Readable;

export interface Limits {
  /** After this time it is killed: milliseconds, or a text such as `5s`. */
  readonly timeout?: number | string;
  /** Kills it; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Bytes of standard output and of standard error at most: what writes more is killed, and the call rejects. Default 64 MiB each. */
  readonly maxOutput?: number | string;
}

export interface RunCall extends BoxOptions, Limits {
  readonly stdin?: Input;
  /** Reject when it ends with another exit code than 0. */
  readonly check?: boolean;
}

export interface RunResult {
  /** Of the command; 128 + n when signal n ended it. */
  readonly exitCode: number;
  /** `SIGKILL` and the like, when one ended it. */
  readonly signal: string | undefined;
  /** As UTF-8. */
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Uint8Array;
  readonly stderrBytes: Uint8Array;
  readonly timedOut: boolean;
  readonly oomKilled: boolean;
  /** Milliseconds from launch to end. */
  readonly duration: number;
  readonly usage: ResourceUsage;
}

export interface ExecCall extends Limits, Omit<ExecOptions, 'env' | 'terminal' | 'consoleSize'> {
  readonly env?: readonly string[] | Readonly<Record<string, string>>;
  readonly stdin?: Input;
  readonly check?: boolean;
}

/** Containers started keep their output up to `maxOutput`; older lines are dropped beyond. */
export interface StartCall extends BoxOptions, Omit<Limits, 'timeout'> {
  /** `pipe`: `BoxContainer.stdin` is written to. Default: it is empty. */
  readonly stdin?: 'pipe';
}

export interface LogLine {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly stream: 'stdout' | 'stderr';
  /** Without its newline. */
  readonly line: string;
}

export interface WaitCall {
  /** A line that matches, or contains the text. */
  readonly log?: RegExp | string;
  /** True: that it has ended. */
  readonly exit?: true;
  /** Milliseconds, or `10s`. Default: as long as it takes. */
  readonly timeout?: number | string;
  readonly signal?: AbortSignal;
}

export interface BoxContainer extends AsyncDisposable {
  readonly id: string;
  readonly name: string;
  readonly pid: number;
  /** With `stdin: 'pipe'`. */
  readonly stdin: Writable | undefined;
  readonly warnings: readonly string[];
  state(): ContainerState;
  /** Until it has ended. */
  wait(): Promise<Omit<RunResult, 'stdout' | 'stderr' | 'stdoutBytes' | 'stderrBytes' | 'timedOut'>>;
  /** @throws BoxError ERR_TSCBOX_STATE when it ends before, or the time is over */
  waitFor(what: WaitCall): Promise<void>;
  /** Lines from its start on; `follow` (the default) goes on until it has ended. */
  logs(options?: { readonly follow?: boolean }): AsyncIterable<LogLine>;
  exec(command: readonly string[], call?: ExecCall): Promise<RunResult>;
  diff(): Change[];
  stats(): CgroupStats;
  pause(): void;
  unpause(): void;
  /** Sends a signal: SIGKILL by default. False when it has ended. */
  kill(signal?: string): boolean;
  /** Its stop signal, and SIGKILL when it has not ended after `timeout` (default 10 s). */
  stop(options?: { readonly timeout?: number | string }): Promise<void>;
  /** Ends it, and removes it unless it was to be kept. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The image is `host`, and there is no network unless `network` says otherwise. */
export interface TryCall extends Omit<RunCall, 'image' | 'rootfs' | 'bundle' | 'keep' | 'pull' | 'platform' | 'userns' | 'check'> {
  readonly command: readonly string[];
}

/** A command that has run on a copy of this machine, and what it changed there. */
export interface Attempt extends AsyncDisposable {
  readonly id: string;
  readonly name: string;
  readonly result: RunResult;
  /** Sorted by path. */
  changes(): Change[];
  /** Does the changes, or those at the given absolute paths, to this machine; what stood in the way is told, not thrown. @throws UsageError for a path without a change */
  apply(request?: ApplyRequest): Promise<readonly AppliedChange[]>;
  /** Forgets them. Nothing can be applied afterwards. */
  discard(): void;
  /** Leaves them for `tsc-box apply NAME`, also after the end of the block. */
  keep(): void;
  /** Discards what was not kept. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface Box extends AsyncDisposable {
  /** All that the command line can do. */
  readonly engine: Engine;
  /** A command to its end. */
  run(call: RunCall): Promise<RunResult>;
  /** A container that runs beside. It ends with this process at the latest. */
  start(call: StartCall): Promise<BoxContainer>;
  /** A command on a copy-on-write view of this machine, to its end; then its changes can be applied or discarded. Starts in `workdir`, by default the current directory. */
  try(call: TryCall): Promise<Attempt>;
  list(): ContainerState[];
  images(): Promise<Images>;
  /** Ends the containers that it started and that still run. */
  [Symbol.asyncDispose](): Promise<void>;
}
