/** `kill` and `delete`. */
import { setTimeout } from 'node:timers/promises';
import { tryHooks } from './hooks.ts';
import { stateError } from './errors.ts';
import { directoryOf, isFrozen, locked, lockOf, ociState, readSpec, readState, removeDirectory, statusOf, tryReadState } from './state.ts';
import type { Runtime, RuntimeState } from './types.ts';

const SIGKILL = 9;
/** Milliseconds. */
const END_WAIT = 10_000;
const LOOK_AGAIN = 2;

/** @throws BoxError "container not running". */
export function kill(runtime: Runtime, id: string, signal: number, all: boolean): void {
  const state = readState(runtime, id);
  const { process, cgroup } = state;
  const status = statusOf(runtime, state);
  if (all && cgroup !== undefined) {
    for (const { pid } of runtime.system.cgroup(cgroup).processes()) signalPid(pid, signal);
    return;
  }
  if (process === undefined || status === 'stopped') throw stateError(`kill the container "${id}"`, 'container not running');
  if (!runtime.system.signal(process, signal)) throw stateError(`kill the container "${id}"`, 'container not running');
  // cgroup v1: what is frozen doesn't see the signal before it is thawed.
  if (signal === SIGKILL && status === 'paused' && cgroup !== undefined) runtime.system.cgroup(cgroup).thaw();
}

function signalPid(pid: number, signal: number): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

/** Removes a container that has stopped; by force one that has not. One that is not there is no error by force. @throws BoxError */
export async function remove(runtime: Runtime, id: string, force: boolean): Promise<void> {
  if (force && tryReadState(runtime, id) === undefined) {
    removeDirectory(directoryOf(runtime, id));
    return;
  }
  await locked(runtime, id, async () => {
    const state = force ? tryReadState(runtime, id) : readState(runtime, id);
    if (state === undefined) return;
    const status = statusOf(runtime, state);
    if (!force && status !== 'stopped' && status !== 'created') throw stateError(`delete the container "${id}"`, `cannot delete container ${id} that is not stopped: ${status}`);
    destroy(runtime, state);
    await ended(runtime, state);
    const { hooks } = readSpec(runtime, id);
    tryHooks('poststop', hooks, ociState(runtime, state, 'stopped'), runtime.warn);
    removeDirectory(directoryOf(runtime, id));
  });
  // Who waits for it finds no container.
  removeDirectory(lockOf(runtime, id));
}

/** Kills what is left of a container and removes its cgroups. */
export function destroy({ system }: Runtime, { process, cgroup }: RuntimeState): void {
  if (process !== undefined) system.signal(process, SIGKILL);
  system.sweep(cgroup, process?.pid, process?.startTime);
}

async function ended({ system }: Runtime, { id, process }: RuntimeState): Promise<void> {
  if (process === undefined) return;
  const end = Date.now() + END_WAIT;
  while (system.isAlive(process.pid, process.startTime)) {
    if (Date.now() > end) throw stateError(`delete the container "${id}"`, `process ${String(process.pid)} did not end within ${String(END_WAIT / 1000)} s of SIGKILL`);
    await setTimeout(LOOK_AGAIN);
  }
}

export function pause(runtime: Runtime, id: string): void {
  const state = readState(runtime, id);
  const status = statusOf(runtime, state);
  if (status !== 'running' && status !== 'created') throw stateError(`pause the container "${id}"`, `container not running: ${status}`);
  runtime.system.cgroup(cgroupOf(state, 'pause')).freeze();
}

export function resume(runtime: Runtime, id: string): void {
  const state = readState(runtime, id);
  if (!isFrozen(runtime, state)) throw stateError(`resume the container "${id}"`, `container not paused`);
  runtime.system.cgroup(cgroupOf(state, 'resume')).thaw();
}

export function cgroupOf({ id, cgroup }: RuntimeState, what: string): string {
  if (cgroup !== undefined) return cgroup;
  throw stateError(`${what} the container "${id}"`, 'it has no cgroup of its own');
}
