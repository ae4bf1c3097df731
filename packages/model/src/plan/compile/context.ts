/** What every part of the compiler sees. */
import type { Spec } from '../../spec/spec.ts';
import type { Facts } from '../facts.ts';
import type { RootPlan } from '../root.ts';
import type { PlanBuilder } from './builder.ts';

export interface CompileOptions {
  readonly id: string;
  readonly root: RootPlan;
  /** Make process.cwd where the image lacks it (an image's own WORKDIR). Absent: a missing cwd fails. */
  readonly createCwd?: boolean;
  /** Switch root by MS_MOVE and chroot, never pivot_root. */
  readonly noPivot?: boolean;
  /** Process 1 is a reaper that starts the command as its child. */
  readonly init?: boolean;
  /** The process waits for `System.start` before it executes the command. Not with `init`. */
  readonly hold?: boolean;
  /** The child stops when its namespaces and mounts are made, before the root is switched: `LaunchRequest.onSetUp`. */
  readonly hooks?: boolean;
  /** So many descriptors from 3 on are the command's too. */
  readonly preserveFds?: number;
  /** What each bind mount's source is on the host: the compiler does no I/O. Absent sources count as directories. */
  readonly sources?: Readonly<Record<string, 'file' | 'directory'>>;
  /** Kill the process when the thread that launched it dies (prctl(2), PR_SET_PDEATHSIG). */
  readonly dieWithParent?: boolean;
}

export interface Context {
  readonly spec: Spec;
  readonly facts: Facts;
  readonly options: CompileOptions;
  readonly b: PlanBuilder;
  /** A new or joined user namespace is the one that owns the container. */
  readonly userns: boolean;
  /** New namespaces, by runtime-spec type. */
  readonly fresh: ReadonlySet<string>;
  /** Joined namespaces: type to path. */
  readonly joined: ReadonlyMap<string, string>;
}
