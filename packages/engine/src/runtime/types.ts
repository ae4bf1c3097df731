/** The OCI runtime: runtime-spec runtime.md. What its commands are asked, and the state that they keep. */
import type { System } from '@tsc-box/model';

export type Status = 'creating' | 'created' | 'running' | 'paused' | 'stopped';

/** Kept in ROOT/ID/state.json; the spec lies beside it in config.json, what is left of the plan in plan.json. */
export interface RuntimeState {
  readonly version: 1;
  readonly ociVersion: string;
  readonly id: string;
  /** Absolute. */
  readonly bundle: string;
  readonly rootfs: string;
  /** ISO 8601. */
  readonly created: string;
  readonly owner: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** Absent while it is being made. */
  readonly process?: { readonly pid: number; readonly startTime: number };
  /** Absent without a cgroup of its own. */
  readonly cgroup?: string;
  /** Has a pid namespace of its own: all of it ends with its first process. */
  readonly ownPids: boolean;
}

/** A container as others see it: runtime.md, "State". */
export interface OciState {
  readonly ociVersion: string;
  readonly id: string;
  readonly pid: number;
  readonly status: Status;
  readonly bundle: string;
  readonly rootfs: string;
  readonly created: string;
  readonly owner: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Runtime {
  readonly system: System;
  /** Where the state lies. */
  readonly root: string;
  /** For what is worth saying and no error. */
  readonly warn: (text: string) => void;
}

export interface CreateRequest {
  readonly id: string;
  readonly bundle: string;
  /** In place of its config.json; relative to the current directory. */
  readonly config?: string;
  readonly pidFile?: string;
  readonly consoleSocket?: string;
  readonly noPivot?: boolean;
  readonly preserveFds?: number;
  /** Descriptors of socket activation, before those of `preserveFds`: sd_listen_fds(3). */
  readonly listenFds?: number;
  /** No cgroup of its own: crun's `--cgroup-manager disabled`. */
  readonly withoutCgroup?: boolean;
  /** `run` in the foreground waits for the process, and relays the terminal itself. */
  readonly foreground?: boolean;
}

export interface ExecRequest {
  readonly id: string;
  readonly pidFile?: string;
  readonly consoleSocket?: string;
  readonly detach: boolean;
  readonly preserveFds?: number;
  readonly ignorePaused?: boolean;
}
