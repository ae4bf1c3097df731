/** Which containers somebody must look after: `supervise`. */
import type { Parts } from '../containers/run.ts';
import type { ContainerState } from '../containers/types.ts';

/** It is to be removed at its end, or started again. */
export function needsSupervisor({ detached, remove, restart, stopAsked }: ContainerState): boolean {
  return detached === true && (remove || (restart !== undefined && restart.name !== 'no' && stopAsked !== true));
}

/** Another one that runs already stays, and the new one ends. */
export function superviseWhereNeeded({ startSupervisor }: Pick<Parts, 'startSupervisor'>, state: ContainerState): void {
  if (needsSupervisor(state)) startSupervisor?.();
}
