/** `pause`, `unpause`: the freezer of the container's cgroup. cgroup-v1/freezer-subsystem.rst; cgroup-v2.rst "cgroup.freeze". */
import { BoxError } from '@tsc-box/model';
import type { Parts } from '../containers/run.ts';
import { cgroupOf, findRunning } from './find-state.ts';

/** @throws BoxError ERR_TSCBOX_STATE */
export function pauseContainer(parts: Parts, nameOrId: string): void {
  const state = findRunning(parts, nameOrId, 'pause');
  const cgroup = cgroupOf(parts, state, 'pause');
  if (cgroup.frozen()) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `pause the container "${state.name}"`, detail: 'it is paused already' });
  cgroup.freeze();
}

/** @throws BoxError ERR_TSCBOX_STATE */
export function unpauseContainer(parts: Parts, nameOrId: string): void {
  const state = findRunning(parts, nameOrId, 'unpause');
  const cgroup = cgroupOf(parts, state, 'unpause');
  if (!cgroup.frozen()) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `unpause the container "${state.name}"`, detail: 'it is not paused' });
  cgroup.thaw();
}
