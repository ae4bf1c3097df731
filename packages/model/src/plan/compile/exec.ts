/** `compileExec`: one more process in a running container. The same input always gives the same plan. */
import { UnsupportedError } from '../../errors/box-error.ts';
import type { Spec, SpecProcess } from '../../spec/spec.ts';
import type { Facts } from '../facts.ts';
import type { LaunchPlan } from '../plan.ts';

/** The container that a process is started in. */
export interface ExecTarget {
  /** A process of the container, in our pid namespace, with the start time that says it still is that process. */
  readonly pid: number;
  readonly startTime: number;
  /** The container's own spec: its namespaces, user namespace maps and seccomp profile hold for the new process too. */
  readonly spec: Spec;
  /** Name of the plan, for messages: the container's id. */
  readonly id: string;
  /** Kill the process when the thread that launched it dies (prctl(2), PR_SET_PDEATHSIG). */
  readonly dieWithParent?: boolean;
}

/**
 * The process joins the namespaces and cgroups that the target stands in now. Whether the container is paused is for the caller to see.
 * @throws UnsupportedError, SpecError
 */
export function compileExec(process: SpecProcess, target: ExecTarget, facts: Facts): LaunchPlan {
  throw new UnsupportedError({ attempted: `run ${JSON.stringify(process.args)} in ${target.id}`, detail: `not yet on ${facts.architecture}` });
}
