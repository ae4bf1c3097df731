/** `rm`, and the end of containers that nobody waits for any more. */
import { BoxError, type System } from '@tsc-box/model';
import { findContainer, listContainers } from './find.ts';
import { bootId } from './identity.ts';
import type { Store } from './store.ts';
import type { ContainerState, CreatedRecord } from './types.ts';

interface Parts {
  readonly store: Store;
  readonly system: System;
}

/** The records, the name and the files. */
export function removeContainer({ store }: Pick<Parts, 'store'>, record: CreatedRecord): void {
  store.remove(record);
}

/** @throws BoxError ERR_TSCBOX_STATE when it runs and `force` is not set. */
export function removeByName(parts: Parts, nameOrId: string, force: boolean): void {
  const state = findContainer(parts.store, nameOrId);
  const idle = state.status === 'exited' || (state.status === 'created' && state.detached === true);
  if (!idle && !force) {
    throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `remove the container "${state.name}"`, detail: state.status === 'running' ? `it is running as process ${state.pid ?? 0}` : 'it is being started', hint: `stop it, or use: tsc-box rm --force ${state.name}` });
  }
  kill(parts, state);
  removeContainer(parts, state);
}

/** What is left of it: its processes, also those that its first one left behind, and its cgroups. After another boot there is nothing. */
function kill({ system }: Parts, state: ContainerState): void {
  if (state.bootId !== bootId()) return;
  system.sweep(state.cgroupPath, state.pid, state.startTime);
}

/** Newest first, after sweeping: each record is read once where nothing was to be swept. */
export function sweepAndList(parts: Parts): ContainerState[] {
  const states = listContainers(parts.store);
  return sweepContainers(parts, states).length === 0 ? states : listContainers(parts.store);
}

/** Ends containers without an end on record whose launcher is gone. Returns their ids. */
export function sweepContainers(parts: Parts, states: readonly ContainerState[] = listContainers(parts.store)): string[] {
  const swept: string[] = [];
  for (const state of states) {
    if (state.detached === true) {
      if (settle(parts, state)) swept.push(state.id);
      continue;
    }
    if (state.finishedAt !== undefined && !state.remove) continue;
    if (state.bootId === bootId() && parts.system.isAlive(state.launcher.pid, state.launcher.startTime)) continue;
    end(parts, state);
    swept.push(state.id);
  }
  parts.store.removeRemains(states);
  return swept;
}

/**
 * Gives back what a detached container held that has ended, and records its end; one that is to be removed is. True when something was done.
 * An OOM kill is known from its cgroup, which goes here.
 */
export function settle(parts: Parts, state: ContainerState): boolean {
  if (state.detached !== true || state.status !== 'exited' || (state.settled === true && !state.remove)) return false;
  if (state.settled !== true) {
    const oomKilled = state.exitCode !== 0 && wasOutOfMemory(parts, state);
    kill(parts, state);
    const { exitCode, signal, error } = state;
    parts.store.write(state.id, 'exited', {
      finishedAt: state.finishedAt ?? new Date().toISOString(), ...(exitCode === undefined ? {} : { exitCode }), ...(signal === undefined ? {} : { signal }), ...(oomKilled ? { oomKilled } : {}), ...(error === undefined ? {} : { error }),
    });
  }
  if (state.remove) removeContainer(parts, state);
  return true;
}

function wasOutOfMemory({ system }: Parts, { cgroupPath, bootId: boot }: ContainerState): boolean {
  return cgroupPath !== undefined && boot === bootId() && (system.cgroup(cgroupPath).stats().oomKills ?? 0) > 0;
}

const SIGKILL = 9;

function end(parts: Parts, state: ContainerState): void {
  const running = state.status === 'running';
  kill(parts, state);
  if (state.remove || state.startedAt === undefined) return removeContainer(parts, state);
  parts.store.write(state.id, 'exited', {
    finishedAt: new Date().toISOString(), ...(running ? { exitCode: 128 + SIGKILL, signal: SIGKILL } : {}),
    error: state.error ?? (running ? 'killed, as the tsc-box that waited for it had ended' : 'the tsc-box that waited for it ended first'),
  });
}
