/** The container that a user names, in a state that allows what is to be done. */
import { BoxError } from '@tsc-box/model';
import { findContainer } from '../containers/find.ts';
import type { Parts } from '../containers/run.ts';
import type { ContainerState } from '../containers/types.ts';

export interface RunningState extends ContainerState {
  readonly status: 'running';
  readonly pid: number;
  readonly startTime: number;
}

export function isRunningState(state: ContainerState): state is RunningState {
  return state.status === 'running' && state.pid !== undefined && state.startTime !== undefined;
}

/** @throws BoxError ERR_TSCBOX_CONTAINER_NOT_FOUND; ERR_TSCBOX_STATE when it does not run */
export function findRunning({ store }: Pick<Parts, 'store'>, nameOrId: string, verb: string): RunningState {
  const state = findContainer(store, nameOrId);
  if (isRunningState(state)) return state;
  const attempted = `${verb} the container "${state.name}"`;
  if (state.status === 'created') throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted, detail: 'it has not been started', hint: `start it: tsc-box start ${state.name}` });
  throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted, detail: `it is not running: ${endOf(state)}`, hint: `start it again: tsc-box start ${state.name}` });
}

function endOf({ exitCode, error }: ContainerState): string {
  if (exitCode !== undefined) return `it ended with exit code ${String(exitCode)}`;
  return error ?? 'it has ended';
}

export function isPaused({ system }: Pick<Parts, 'system'>, state: ContainerState): boolean {
  return state.status === 'running' && state.cgroupPath !== undefined && system.cgroup(state.cgroupPath).frozen();
}

/** @throws BoxError ERR_TSCBOX_STATE */
export function refusePaused(parts: Pick<Parts, 'system'>, state: ContainerState, verb: string): void {
  if (isPaused(parts, state)) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `${verb} the container "${state.name}"`, detail: 'it is paused', hint: `unpause it: tsc-box unpause ${state.name}` });
}

/** The cgroup of a running container. @throws BoxError ERR_TSCBOX_STATE where it has none */
export function cgroupOf({ system }: Pick<Parts, 'system'>, state: ContainerState, verb: string): ReturnType<Parts['system']['cgroup']> {
  const cgroup = state.cgroupPath === undefined ? undefined : system.cgroup(state.cgroupPath);
  if (cgroup?.exists === true) return cgroup;
  throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `${verb} the container "${state.name}"`, detail: 'it runs without a cgroup of its own', hint: 'an ordinary user needs a delegated one, on cgroup v2: systemd-run --user --scope -p Delegate=yes tsc-box run …' });
}
