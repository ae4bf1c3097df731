/** `openLife`: what is done with containers beyond the command that made them. */
import { BoxError, checkContainerName, UnsupportedError, type CgroupStats, type ContainerProcess, type Spec } from '@tsc-box/model';
import { findContainer, listContainers } from '../containers/find.ts';
import { removeByName, removeContainer, sweepContainers } from '../containers/remove.ts';
import type { Parts } from '../containers/run.ts';
import type { ContainerState, RestartPolicy } from '../containers/types.ts';
import { attachContainer, startAttached } from './attach.ts';
import { createContainer } from './create.ts';
import { execInContainer } from './exec.ts';
import { findRunning, isPaused } from './find-state.ts';
import { readLogs } from './logs.ts';
import { superviseWhereNeeded } from './needs.ts';
import { startContainer } from './start.ts';
import { killContainer, stopContainer } from './stop.ts';
import { supervise } from './supervise.ts';
import { pauseContainer, unpauseContainer } from './pause.ts';
import type { CreateRequest, Life } from './types.ts';
import { updateContainer } from './update.ts';
import { waitForEnd } from './wait.ts';

export function openLife(parts: Parts): Life {
  const { store } = parts;
  return {
    create: (request) => createChecked(parts, request),
    start: async (nameOrId) => startContainer(parts, nameOrId),
    startAttached: async (nameOrId, options) => startAttached(parts, nameOrId, options),
    run: (request) => runDetached(parts, request),
    stop: (nameOrId, options) => stopContainer(parts, nameOrId, options),
    async restart(nameOrId, options) {
      const { id } = findContainer(store, nameOrId);
      await stopContainer(parts, id, options);
      return startContainer(parts, id);
    },
    kill: (nameOrId, signal) => killContainer(parts, nameOrId, signal),
    wait: (nameOrId, { signal } = {}) => waitForEnd(parts, nameOrId, signal),
    pause: (nameOrId) => pauseContainer(parts, nameOrId),
    unpause: (nameOrId) => unpauseContainer(parts, nameOrId),
    isPaused: (state) => isPaused(parts, state),
    rename: (nameOrId, name) => store.rename(findContainer(store, nameOrId), checkContainerName(name)),
    exec: (nameOrId, request) => execInContainer(parts, nameOrId, request),
    spec: (nameOrId) => specOf(parts, nameOrId),
    logs: (nameOrId, options) => readLogs(parts, nameOrId, options),
    attach: (nameOrId, options) => attachContainer(parts, nameOrId, options),
    stats: (state) => statsOf(parts, state),
    top: (nameOrId) => processesOf(parts, nameOrId),
    update: (nameOrId, limits) => updateContainer(parts, nameOrId, limits),
    setRestart: (nameOrId, restart) => setRestart(parts, nameOrId, restart),
    prune: () => prune(parts),
    supervise: () => supervise(parts),
  };
}

function specOf({ store }: Parts, nameOrId: string): Spec {
  const { id, name } = findContainer(store, nameOrId);
  const spec = store.record(id, 'launch')?.spec;
  if (spec === undefined) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `look at the container "${name}"`, detail: 'how it was launched is not on record' });
  return spec;
}

/** What would need a supervisor where there can be none is refused, not forgotten. */
async function createChecked(parts: Parts, request: CreateRequest): Promise<ContainerState> {
  const { remove = false, restart } = request;
  if (parts.startSupervisor === undefined && (remove || (restart !== undefined && restart.name !== 'no'))) {
    throw new UnsupportedError({ attempted: remove ? 'remove a detached container at its end' : `restart a container (${restart?.name ?? 'no'})`, detail: 'this engine was opened without a way to start a supervisor', hint: 'give startSupervisor when opening it' });
  }
  return createContainer(parts, request);
}

async function runDetached(parts: Parts, request: CreateRequest): Promise<ContainerState> {
  const created = await createChecked(parts, request);
  try {
    return startContainer(parts, created.id);
  } catch (error) {
    removeContainer(parts, created);
    throw error;
  }
}

/** Of its cgroup, or else of its pid namespace. */
function processesOf(parts: Parts, nameOrId: string): readonly ContainerProcess[] {
  const state = findRunning(parts, nameOrId, 'list the processes of');
  const cgroup = state.cgroupPath === undefined ? undefined : parts.system.cgroup(state.cgroupPath);
  return cgroup?.exists === true ? cgroup.processes() : parts.system.processesBeside(state);
}

/** Zeros' place: a container that does not run has no figures. */
function statsOf({ system }: Parts, state: ContainerState): CgroupStats {
  return state.status === 'running' && state.cgroupPath !== undefined ? system.cgroup(state.cgroupPath).stats() : {};
}

function setRestart(parts: Parts, nameOrId: string, restart: RestartPolicy): void {
  const { id } = findContainer(parts.store, nameOrId);
  parts.store.change(id, ({ stopAsked: _stopAsked, ...settings }) => ({ ...settings, restart }));
  const now = findContainer(parts.store, id);
  if (now.status === 'running') superviseWhereNeeded(parts, now);
}

function prune(parts: Parts): string[] {
  sweepContainers(parts);
  const ended = listContainers(parts.store).filter((state) => state.status === 'exited' || (state.status === 'created' && state.detached === true));
  return ended.flatMap(({ id }) => (removeIdle(parts, id) ? [id] : []));
}

/** Not one that was started since it was looked at, or that another command has removed. */
function removeIdle(parts: Parts, id: string): boolean {
  try {
    removeByName(parts, id, false);
    return true;
  } catch (error) {
    if (error instanceof BoxError && (error.code === 'ERR_TSCBOX_STATE' || error.code === 'ERR_TSCBOX_CONTAINER_NOT_FOUND')) return false;
    throw error;
  }
}
