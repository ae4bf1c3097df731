/** What a restart policy asks for: docker-run(1), `--restart`. */
import type { ContainerState } from '../containers/types.ts';

/** Milliseconds: the first pause before a new start, doubled each time up to the longest; a container that ran this long begins anew (docker's numbers). */
const [PAUSE_MS_MIN, PAUSE_MS_MAX, LONG_RUN_MS] = [100, 60_000, 10_000];

/** It has ended, and its policy starts it again. */
export function isToStart({ status, restart, exitCode, restarts = 0, remove, stopAsked }: ContainerState): boolean {
  if (status !== 'exited' || remove || stopAsked === true || restart === undefined) return false;
  switch (restart.name) {
    case 'no': return false;
    case 'on-failure': return exitCode !== 0 && restarts < (restart.retriesMax ?? Infinity);
    case 'always':
    case 'unless-stopped': return true;
  }
}

export function ranLong({ startedAt, finishedAt, startError }: ContainerState): boolean {
  return startError === undefined && Date.parse(finishedAt ?? '') - Date.parse(startedAt ?? '') >= LONG_RUN_MS;
}

/** Milliseconds from its end, or the last try, to the next. */
export function pauseBefore(state: ContainerState): number {
  return ranLong(state) ? PAUSE_MS_MIN : Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(state.quickRestarts ?? 0, 10));
}
