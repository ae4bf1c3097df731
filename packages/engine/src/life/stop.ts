/** Signals: `stop`, `kill`. */
import { BoxError, SIGNAL_NUMBERS } from '@tsc-box/model';
import { findContainer } from '../containers/find.ts';
import { settle } from '../containers/remove.ts';
import type { Parts } from '../containers/run.ts';
import type { ContainerState } from '../containers/types.ts';
import { findRunning, isPaused, isRunningState, refusePaused, type RunningState } from './find-state.ts';
import { endOf } from './wait.ts';

const SIGTERM = 15;
const SIGKILL = 9;
const TIMEOUT_MS = 10_000;

export interface StopOptions {
  readonly timeoutMs?: number;
  readonly signal?: number;
}

/** A paused one goes on first: a signal waits as long as it is paused. */
export async function stopContainer(parts: Parts, nameOrId: string, { timeoutMs = TIMEOUT_MS, signal }: StopOptions = {}): Promise<boolean> {
  const { id } = findContainer(parts.store, nameOrId);
  noteStop(parts, id);
  // Its policy may have started it again by then, but not behind that.
  const state = findContainer(parts.store, id);
  if (!isRunningState(state)) return false;
  thaw(parts, state);
  parts.system.signal(state, signal ?? state.stopSignal ?? SIGTERM);
  if (!(await endsWithin(parts, state, timeoutMs))) {
    killAll(parts, state);
    await endsWithin(parts, state, -1);
  }
  settle(parts, parts.store.read(state.id) ?? state);
  return true;
}

/** Until it has ended, or milliseconds have gone by; negative: for ever. */
async function endsWithin(parts: Parts, state: RunningState, timeoutMs: number): Promise<boolean> {
  const timeout = timeoutMs < 0 ? undefined : AbortSignal.timeout(timeoutMs);
  try {
    await endOf(parts, state, timeout);
    return true;
  } catch (error) {
    if (timeout?.aborted === true && !(error instanceof BoxError)) return false;
    // It was to be removed at its end, and is.
    if (error instanceof BoxError && parts.store.read(state.id) === undefined) return true;
    throw error;
  }
}

/** Its process 1, and with it all of its pid namespace; without one of its own, all that its cgroup holds is swept when its end is settled. */
function killAll(parts: Parts, state: RunningState): void {
  parts.system.signal(state, SIGKILL);
  thaw(parts, state);
}

function thaw(parts: Parts, state: ContainerState): void {
  if (state.cgroupPath !== undefined && isPaused(parts, state)) parts.system.cgroup(state.cgroupPath).thaw();
}

/** Its restart policy holds no more: set before it ends, or its supervisor would be faster. */
function noteStop({ store }: Parts, id: string): void {
  store.change(id, (settings) => (settings.restart === undefined || settings.restart.name === 'no' ? settings : { ...settings, stopAsked: true }));
}

/** Signals that end a container: its policy is not to start it again behind them. */
const ENDING: readonly (number | undefined)[] = [SIGNAL_NUMBERS['SIGKILL'], SIGNAL_NUMBERS['SIGTERM'], SIGNAL_NUMBERS['SIGINT'], SIGNAL_NUMBERS['SIGQUIT']];

export async function killContainer(parts: Parts, nameOrId: string, signal: number = SIGKILL): Promise<void> {
  const state = findRunning(parts, nameOrId, 'kill');
  if (signal !== SIGKILL) refusePaused(parts, state, 'kill');
  if (ENDING.includes(signal) || signal === state.stopSignal) noteStop(parts, state.id);
  if (signal !== SIGKILL) {
    parts.system.signal(state, signal);
    return;
  }
  killAll(parts, state);
  await endsWithin(parts, state, -1);
  settle(parts, parts.store.read(state.id) ?? state);
}
