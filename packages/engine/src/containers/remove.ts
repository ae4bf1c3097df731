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
  const { id } = findContainer(parts.store, nameOrId);
  parts.store.locked(id, () => {
    const state = findContainer(parts.store, id);
    const idle = state.status === 'exited' || (state.status === 'created' && state.detached === true);
    if (!idle && !force) {
      throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `remove the container "${state.name}"`, detail: state.status === 'running' ? `it is running as process ${state.pid ?? 0}` : 'it is being started', hint: `stop it, or use: tsc-box rm --force ${state.name}` });
    }
    kill(parts, state);
    removeContainer(parts, state);
  });
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

/** Ends containers without an end on record whose launcher is gone. What another command is just busy with is left to it. Returns their ids. */
export function sweepContainers(parts: Parts, states: readonly ContainerState[] = listContainers(parts.store)): string[] {
  const swept = states.filter((state) => (state.detached === true ? settle(parts, state, 'pass') : isLeft(parts, state) && parts.store.tryLocked(state.id, () => endLeft(parts, state.id)) === true));
  parts.store.removeRemains(states);
  return swept.map(({ id }) => id);
}

/** In the foreground of a process that is gone. */
function isLeft({ system }: Parts, { detached, finishedAt, remove, bootId: boot, launcher }: ContainerState): boolean {
  return detached !== true && (finishedAt === undefined || remove) && !(boot === bootId() && system.isAlive(launcher.pid, launcher.startTime));
}

/** Locked. It may have been started again, or removed, since it was looked at. */
function endLeft(parts: Parts, id: string): boolean {
  const state = parts.store.read(id);
  if (state === undefined || !isLeft(parts, state)) return false;
  end(parts, state);
  return true;
}

/**
 * Gives back what a detached container held that has ended, and records its end; one that is to be removed is. True when something was done.
 * An OOM kill is known from its cgroup, which goes here. It is looked at again under its lock: it may run by then. `busy`: when somebody
 * else holds that.
 */
export function settle(parts: Parts, state: ContainerState, busy: 'wait' | 'pass' = 'wait'): boolean {
  if (!isUnsettled(state)) return false;
  const again = (): boolean => {
    const now = parts.store.read(state.id);
    if (now === undefined || !isUnsettled(now)) return false;
    settleNow(parts, now);
    return true;
  };
  return busy === 'wait' ? parts.store.locked(state.id, again) : parts.store.tryLocked(state.id, again) === true;
}

function isUnsettled({ detached, status, settled, remove }: ContainerState): boolean {
  return detached === true && status === 'exited' && (settled !== true || remove);
}

function settleNow(parts: Parts, state: ContainerState): void {
  if (state.settled !== true) {
    const oomKilled = state.exitCode !== 0 && wasOutOfMemory(parts, state);
    kill(parts, state);
    const { exitCode, signal, error } = state;
    parts.store.write(state.id, 'exited', {
      finishedAt: state.finishedAt ?? new Date().toISOString(), ...(exitCode === undefined ? {} : { exitCode }), ...(signal === undefined ? {} : { signal }), ...(oomKilled ? { oomKilled } : {}), ...(error === undefined ? {} : { error }),
    });
  }
  if (state.remove) removeContainer(parts, state);
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
