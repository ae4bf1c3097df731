/**
 * The supervisor: one process a store that starts containers again as their policies say, and removes those that are to be removed at
 * their end. Nothing else depends on it: containers, their output and the record of their end go on without, and whoever comes next
 * takes over. It sleeps until an exit file is written.
 */
import { existsSync, mkdirSync, watch } from 'node:fs';
import { BoxError } from '@tsc-box/model';
import { listContainers } from '../containers/find.ts';
import { settle } from '../containers/remove.ts';
import type { Parts } from '../containers/run.ts';
import type { ContainerState } from '../containers/types.ts';
import { fileLock } from '../store/lock.ts';
import { needsSupervisor } from './needs.ts';
import { isToStart, pauseBefore } from './restart.ts';
import { noteFailedStart, startContainer } from './start.ts';

/** Milliseconds between two looks at the monitors, which may be killed without a trace in a file. */
const LOOK_MS = 10_000;
/** Milliseconds that a new supervisor waits for one that is about to end. */
const TAKEOVER_MS = 1000;

export async function supervise(parts: Parts): Promise<void> {
  const lock = fileLock(`${parts.directories.locks}/supervisor`, { waitMsMax: TAKEOVER_MS, what: 'the supervisor' });
  try {
    await lock.hold(() => watchOver(parts));
  } catch (error) {
    // Another one looks after this store.
    if (!(error instanceof BoxError) || error.code !== 'ERR_TSCBOX_STATE') throw error;
  }
}

async function watchOver(parts: Parts): Promise<void> {
  const { exits } = parts.directories;
  mkdirSync(exits, { recursive: true, mode: 0o700 });
  const news: { here: boolean; wake: () => void } = { here: true, wake: () => undefined };
  const watched: Watched = { due: new Map(), starting: new Set(), running: [] };
  const note = (_event?: unknown, name?: unknown): void => {
    // That an old exit file goes, at a start of our own, is no news.
    if (typeof name === 'string' && watched.starting.has(name) && !existsSync(`${exits}/${name}`)) return;
    if (typeof name === 'string') watched.starting.delete(name);
    news.here = true;
    news.wake();
  };
  const watcher = watch(exits, note).on('error', () => note());
  try {
    for (;;) {
      news.here = false;
      const next = pass(parts, watched);
      if (next === undefined) return;
      while (!news.here) {
        const timer = setTimeout(() => news.wake(), Math.max(1, Math.min(next - Date.now(), LOOK_MS)));
        await new Promise<void>((resolve) => (news.wake = resolve));
        clearTimeout(timer);
        if (next <= Date.now() || isMonitorGone(parts, watched)) break;
      }
    }
  } finally {
    watcher.close();
  }
}

interface Watched {
  /** When to start a container again: milliseconds since 1970, by id. */
  readonly due: Map<string, number>;
  /** Ids of those that were started here and whose exit file has not been written to since. */
  readonly starting: Set<string>;
  /** Those that ran at the last pass. */
  running: readonly ContainerState[];
}

/** It writes no exit file when it was killed itself. */
function isMonitorGone({ system }: Parts, { running }: Watched): boolean {
  return running.some(({ monitor }) => monitor !== undefined && !system.isAlive(monitor.pid, monitor.startTime));
}

/** Looks at all of them once. Returns when to look again at the latest (Infinity: when something changes), undefined when nothing is to be looked after. */
function pass(parts: Parts, watched: Watched): number | undefined {
  const states = listContainers(parts.store);
  for (const state of states) if (state.status === 'exited') attempt(() => settle(parts, state));
  const needed = states.filter((state) => needsSupervisor(state) && (state.status === 'running' || isToStart(state)));
  watched.running = needed.filter(({ status }) => status === 'running');
  const waiting = needed.filter(({ status }) => status === 'exited');
  for (const id of watched.due.keys()) if (!waiting.some((state) => state.id === id)) watched.due.delete(id);
  const times = waiting.map((state) => startWhenDue(parts, state, watched));
  return needed.length === 0 ? undefined : Math.min(Infinity, ...times);
}

/** Returns when it is due (again): milliseconds since 1970. */
function startWhenDue(parts: Parts, state: ContainerState, { due, starting }: Watched): number {
  const now = Date.now();
  const at = due.get(state.id) ?? now + pauseBefore(state);
  due.set(state.id, at);
  if (at > now) return at;
  due.delete(state.id);
  starting.add(state.id);
  try {
    startContainer(parts, state.id, { byPolicy: true });
    // It may have ended already.
    return now;
  } catch (error) {
    starting.delete(state.id);
    attempt(() => {
      const after = parts.store.read(state.id);
      if (after !== undefined && isToStart(after)) noteFailedStart(parts, after, error);
    });
    return now;
  }
}

function attempt(action: () => void): void {
  try {
    action();
  } catch {
    // Another command tidies it, or the next one will.
  }
}
