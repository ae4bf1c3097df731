/**
 * The supervisor: one process a store that starts containers again as their policies say, and removes those that are to be removed at
 * their end. Nothing else depends on it: containers, their output and the record of their end go on without, and whoever comes next
 * takes over. It sleeps until an exit file is written.
 */
import { mkdirSync, watch } from 'node:fs';
import { BoxError } from '@tsc-box/model';
import { listContainers } from '../containers/find.ts';
import { settle } from '../containers/remove.ts';
import type { Parts } from '../containers/run.ts';
import type { ContainerState } from '../containers/types.ts';
import { fileLock } from '../store/lock.ts';
import { needsSupervisor } from './needs.ts';
import { startContainer } from './start.ts';

/** Milliseconds: the first pause before a new start, doubled each time up to the longest; a container that ran this long begins anew (docker's numbers). */
const [PAUSE_MS_MIN, PAUSE_MS_MAX, LONG_RUN_MS] = [100, 60_000, 10_000];
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
  let wake: (() => void) | undefined;
  let changed = true;
  const note = (): void => {
    changed = true;
    wake?.();
  };
  const watcher = watch(exits, note).on('error', note);
  const due = new Map<string, number>();
  try {
    for (;;) {
      changed = false;
      const next = await pass(parts, due);
      if (next === undefined) return;
      if (changed) continue;
      const timer = next === Infinity ? undefined : setTimeout(note, Math.max(0, next - Date.now()));
      await new Promise<void>((resolve) => (wake = resolve));
      clearTimeout(timer);
      wake = undefined;
    }
  } finally {
    watcher.close();
  }
}

/** Looks at all of them once. Returns when to look again at the latest (Infinity: when something changes), undefined when nothing is to be looked after. */
async function pass(parts: Parts, due: Map<string, number>): Promise<number | undefined> {
  let next: number | undefined;
  for (const state of listContainers(parts.store)) {
    const needed = needsSupervisor(state) && state.status !== 'created';
    if (state.status === 'exited') attempt(() => settle(parts, state));
    if (!needed || (state.status === 'exited' && !isToStart(state))) continue;
    if (state.status === 'running') {
      next ??= Infinity;
      continue;
    }
    const at = due.get(state.id) ?? Date.now() + pauseOf(state);
    due.set(state.id, at);
    if (at <= Date.now()) {
      due.delete(state.id);
      await startContainer(parts, state.id, { byPolicy: true }).catch(() => undefined);
      next ??= Infinity;
    } else next = Math.min(next ?? Infinity, at);
  }
  return next;
}

function attempt(action: () => void): void {
  try {
    action();
  } catch {
    // Another command tidies it, or the next one will.
  }
}

function isToStart({ restart, exitCode, restarts = 0, remove, stopAsked }: ContainerState): boolean {
  if (remove || stopAsked === true || restart === undefined) return false;
  switch (restart.name) {
    case 'no': return false;
    case 'on-failure': return exitCode !== 0 && restarts < (restart.retriesMax ?? Infinity);
    case 'always':
    case 'unless-stopped': return true;
  }
}

function pauseOf({ startedAt, finishedAt, restarts = 0 }: ContainerState): number {
  const ran = Date.parse(finishedAt ?? '') - Date.parse(startedAt ?? '');
  return ran >= LONG_RUN_MS ? PAUSE_MS_MIN : Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(restarts, 10));
}
