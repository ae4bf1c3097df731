/** What a caller of the engine sees: requests, the state of a container, and what can be done with one. */
import type { Images } from '../image-commands/types.ts';
import type { Life } from '../life/types.ts';
import type { BlobProgress } from '../registry/progress.ts';
import type { AppliedChange, ApplyOptions, Change, CheckResult, ExitStatus, ImageRunConfig, LaunchedProcess, LaunchPlan, ResourceUsage, ProcessIdentity, RootPlan, RunOptions, Spec, StdioSource, System, TreeIds } from '@tsc-box/model';

export type PullPolicy = 'missing' | 'always' | 'never';

export interface RunRequest {
  /** `host`, `oci:DIR[:TAG]`, `docker-archive:FILE[:REF]`, or an image of the store by name or id. Exactly one of `image`, `rootfs` and `bundle`. */
  readonly image?: string;
  /** A directory that is used as the root as it lies, and written to. */
  readonly rootfs?: string;
  /** A directory with an OCI `config.json`; `options` and `command` must be empty then. */
  readonly bundle?: string;
  readonly options: RunOptions;
  readonly command: readonly string[];
  /** Environment of the caller, for `--env KEY` and env files. */
  readonly hostEnv: Readonly<Record<string, string | undefined>>;
  /** Relative paths of the request start here. Absolute. */
  readonly cwd: string;
  /** Remove the container when it has ended. */
  readonly remove?: boolean;
  /** Without it: standard input is /dev/null unless `interactive`, the other two are the caller's. */
  readonly stdio?: { readonly stdin: StdioSource; readonly stdout: StdioSource; readonly stderr: StdioSource };
  /** In characters. Only with a terminal. */
  readonly terminalSize?: { readonly height: number; readonly width: number };
  readonly dieWithParent?: boolean;
  /** Whether an image of a registry is fetched: where the store lacks it (the default), always, or never. */
  readonly pull?: PullPolicy;
  /** `OS/ARCHITECTURE[/VARIANT]` of the image. Default: this machine's. */
  readonly platform?: string;
  /** Registries (HOST or HOST:PORT) that may be spoken to without TLS. */
  readonly plainHttp?: readonly string[];
  readonly onWarning?: (text: string) => void;
  /** Told what it has used when it has ended, before its cgroup goes. */
  readonly onUsage?: (usage: ResourceUsage) => void;
  /** Told while layers are fetched. */
  readonly onBlob?: (progress: BlobProgress) => void;
  /** Told while an image is read and unpacked. */
  readonly onProgress?: (text: string) => void;
}

/** Kept in `created.json` before anything is launched. */
export interface CreatedRecord {
  readonly version: 1;
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  readonly image: string;
  /** Digest of the image's configuration. Only of images of the store. */
  readonly imageId?: string;
  /** What an image made of it gets as its configuration. Only of images of the store. */
  readonly config?: ImageRunConfig;
  /** Of its user namespace. */
  readonly idMaps?: TreeIds;
  readonly command: readonly string[];
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** /proc/sys/kernel/random/boot_id: a container of another boot has ended. */
  readonly bootId: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly root: RootPlan;
  readonly rootless: boolean;
  /** Its files outside its directory. */
  readonly files: readonly string[];
  readonly cgroupPath?: string;
  readonly stopSignal?: number;
  /** Removed when it has ended. */
  readonly remove: boolean;
  /** Who waits for it. When that process is gone and the container has not ended, it is swept, unless it is detached. */
  readonly launcher: ProcessIdentity;
  /** Watched by a monitor, not by its launcher. */
  readonly detached?: boolean;
}

export interface RestartPolicy {
  readonly name: 'no' | 'on-failure' | 'always' | 'unless-stopped';
  /** `on-failure` only: how often at most. */
  readonly retriesMax?: number;
}

/** Kept in `settings.json`: what may change while the container is there. Replaced whole. */
export interface Settings {
  readonly name?: string;
  readonly detached?: boolean;
  readonly restart?: RestartPolicy;
  /** How often its policy has started it again, or tried to. */
  readonly restarts?: number;
  /** How many of the last of those came at once one after the other: the pause before the next doubles with each. */
  readonly quickRestarts?: number;
  /** Why its policy could not start it again the last time. */
  readonly startError?: string;
  /** Somebody asked it to stop: its policy holds no more, until it is started again. */
  readonly stopAsked?: boolean;
}

/** Kept in `started.json`. */
export interface StartedRecord extends ProcessIdentity {
  readonly startedAt: string;
  /** Where it was not started in the boot in which it was made. */
  readonly bootId?: string;
  /** Of a detached container: it holds its streams, and writes the exit file. */
  readonly monitor?: ProcessIdentity;
}

/** Kept in `exited.json`. */
export interface ExitedRecord {
  readonly finishedAt: string;
  /** Absent where nobody saw it end. */
  readonly exitCode?: number;
  readonly signal?: number;
  readonly oomKilled?: boolean;
  readonly error?: string;
}

export interface ContainerState extends CreatedRecord, Settings, Omit<Partial<StartedRecord>, 'bootId'>, Partial<ExitedRecord> {
  readonly name: string;
  readonly detached?: boolean;
  readonly status: 'created' | 'running' | 'exited';
  /** False: it was detached and has ended, and what it held is still to be given back. */
  readonly settled?: boolean;
}

export interface RunningContainer {
  readonly state: ContainerState;
  readonly process: LaunchedProcess;
  readonly warnings: readonly string[];
  /**
   * Resolves when the container has ended, its end is recorded and what it held is given back. The same promise each time.
   * With `remove` it is forgotten by then; its files go in the background, at the latest when this process exits.
   */
  wait(): Promise<ExitStatus>;
}

/** Which changes of a container are done to this machine, and how. */
export type ApplyRequest = Omit<ApplyOptions, 'since'>;

export interface Engine {
  /** Where containers and layers lie. */
  readonly root: string;
  readonly runRoot: string;
  /** The launch plan of a request. Nothing is made but an image's extracted layers. */
  plan(request: RunRequest): Promise<LaunchPlan>;
  /** The OCI configuration that a request stands for. Nothing is made but an image's extracted layers. */
  spec(request: RunRequest): Promise<Spec>;
  /** Launches. @throws the typed error of what failed, with nothing left behind. */
  run(request: RunRequest): Promise<RunningContainer>;
  /** The plan against the facts of this host. */
  check(request: RunRequest): Promise<CheckResult[]>;
  /** Newest first, swept before. True also after a crash of the launcher or a reboot. */
  list(): ContainerState[];
  /** By name, id or the unique beginning of an id. @throws BoxError ERR_TSCBOX_CONTAINER_NOT_FOUND */
  find(nameOrId: string): ContainerState;
  /** @throws BoxError ERR_TSCBOX_STATE when it runs, unless `force`: then it is killed first. */
  remove(nameOrId: string, options?: { readonly force?: boolean }): void;
  /** What the container changed in its image, sorted by path. */
  diff(nameOrId: string): Change[];
  /**
   * Does to this machine what a container of the image `host` changed in its copy; the container stays. Sorted by path; what stood in the way is told, not thrown.
   * @throws BoxError ERR_TSCBOX_STATE while it runs; UnsupportedError for other images; UsageError for paths without a change.
   */
  apply(nameOrId: string, request?: ApplyRequest): Promise<AppliedChange[]>;
  /** Images: loaded at first use. */
  images(): Promise<Images>;
  /** Containers that outlive their launcher, and what is done with those that run: loaded at first use. */
  life(): Promise<Life>;
  /** Ends and tidies containers whose launcher has died. Returns their ids. */
  sweep(): string[];
}

export interface EngineOptions {
  readonly system: System;
  /** Default: /var/lib/tsc-box as root, $XDG_DATA_HOME/tsc-box (~/.local/share/tsc-box) else. */
  readonly root?: string;
  /** Default: `run` under `root` when that is given; /run/tsc-box as root, $XDG_RUNTIME_DIR/tsc-box (/tmp/tsc-box-UID) else. */
  readonly runRoot?: string;
  /** Starts a process that calls `Life.supervise` and outlives this one. Without it restart policies and removal at the end are refused for detached containers. */
  readonly startSupervisor?: () => void;
  /** For the defaults: HOME, XDG_DATA_HOME, XDG_RUNTIME_DIR. Default: process.env. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}
