/** `start`: launches a recorded container behind a monitor. */
import { existsSync, truncateSync } from 'node:fs';
import { BoxError, type LaunchedProcess } from '@tsc-box/model';
import { unlinkQuietly } from '../containers/claims.ts';
import { findContainer } from '../containers/find.ts';
import { bootId } from '../containers/identity.ts';
import type { LaunchRecord } from '../containers/launch-record.ts';
import { makeLayout } from '../containers/layout.ts';
import { settle } from '../containers/remove.ts';
import type { Parts } from '../containers/run.ts';
import { makeSkeleton } from '../containers/skeleton.ts';
import type { ContainerState } from '../containers/types.ts';
import { wholeLength } from './journal-file.ts';
import { superviseWhereNeeded } from './needs.ts';
import { isToStart, ranLong } from './restart.ts';

export const journalOf = ({ store }: Pick<Parts, 'store'>, id: string): string => `${store.directoryOf(id)}/journal`;

/** What belongs to one run, opened while it can't be gone yet. */
export interface StartOptions {
  /** Its policy starts it: only when that still holds. */
  readonly byPolicy?: boolean;
  /** Called before its lock is given back; `position`: where its output begins in the journal. */
  readonly onStarted?: (state: ContainerState, position: number) => void;
}

/** @throws BoxError ERR_TSCBOX_STATE when it runs, or can't be started again; the typed error of what failed: the container is as before then. */
export function startContainer(parts: Parts, nameOrId: string, { byPolicy = false, onStarted }: StartOptions = {}): ContainerState {
  const { id } = findContainer(parts.store, nameOrId);
  return parts.store.locked(id, () => {
    const state = findContainer(parts.store, id);
    const attempted = `start the container "${state.name}"`;
    if (state.status === 'running') throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted, detail: `it is running as process ${String(state.pid ?? 0)}` });
    if (byPolicy && !isToStart(state)) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted, detail: 'its restart policy does not ask for it any more' });
    settle(parts, state);
    const launch = parts.store.record(id, 'launch');
    if (launch?.again === undefined) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted, detail: 'how it was launched is not on record', hint: 'run a new one: tsc-box run' });
    const position = repairJournal(journalOf(parts, id));
    launchAgain(parts, state, launch);
    const { stopAsked: _stopped, startError: _mended, restarts = 0, quickRestarts = 0, ...settings } = parts.store.record(id, 'settings') ?? {};
    parts.store.replace(id, 'settings', { ...settings, detached: true, ...(byPolicy ? { restarts: restarts + 1, quickRestarts: ranLong(state) ? 1 : quickRestarts + 1 } : {}) });
    const now = findContainer(parts.store, id);
    onStarted?.(now, position);
    superviseWhereNeeded(parts, now);
    return now;
  });
}

/** Its policy could not start it: counted as a restart, and the reason is kept. */
export function noteFailedStart({ store }: Parts, state: ContainerState, error: unknown): void {
  store.change(state.id, (settings) => ({
    ...settings, restarts: (settings.restarts ?? 0) + 1, quickRestarts: (settings.quickRestarts ?? 0) + 1, startError: error instanceof Error ? error.message : String(error),
  }));
}

/** ORDER: the old start is taken back first. A crash behind it leaves a container that has not been started. */
function launchAgain(parts: Parts, state: ContainerState, launch: LaunchRecord): void {
  const { store, system, directories } = parts;
  const { id } = state;
  makeMissing(launch);
  if (state.detached !== true) store.replace(id, 'settings', { ...store.record(id, 'settings'), detached: true });
  const [before, end] = [store.record(id, 'started'), store.record(id, 'exited')];
  store.unstart(id);
  let launched: LaunchedProcess | undefined;
  try {
    launched = system.launch({
      plan: launch.again?.plan ?? unreachable(), stdio: { stdin: launch.interactive ? 'pipe' : 'null', stdout: 'pipe', stderr: 'pipe' }, cacheDir: directories.cache,
      monitor: { journal: journalOf(parts, id), exit: `${directories.exits}/${id}` },
    });
    const { pid, startTime, monitor } = launched;
    store.write(id, 'started', { pid, startTime, startedAt: new Date().toISOString(), bootId: bootId(), ...(monitor === undefined ? {} : { monitor }) });
  } catch (error) {
    if (launched !== undefined) system.sweep(state.cgroupPath, launched.pid, launched.startTime);
    // It has ended as it had before.
    unlinkQuietly(`${directories.exits}/${id}`);
    if (before !== undefined) store.write(id, 'started', before);
    if (end !== undefined) store.write(id, 'exited', end);
    throw error;
  }
}

const unreachable = (): never => {
  throw new BoxError({ code: 'ERR_TSCBOX_INTERNAL', attempted: 'start a container', detail: 'its plan is not on record' });
};

/** What lay outside its directory may be gone since a reboot. */
function makeMissing({ again }: LaunchRecord): void {
  if (again === undefined) return;
  const { skeleton } = again;
  if (skeleton !== undefined && !existsSync(skeleton.path)) makeSkeleton(skeleton.path, skeleton.layout, skeleton.owner);
  const missing = again.files.filter(({ path }) => !existsSync(path));
  makeLayout(missing.map(({ path, mode, base64, owner }) => ({ kind: 'file', path, mode, data: Buffer.from(base64, 'base64'), owner })));
}

/** A power failure may have cut its last frame short, and the next would be taken for a part of it. Returns its length. */
function repairJournal(path: string): number {
  if (!existsSync(path)) return 0;
  const length = wholeLength(path);
  truncateSync(path, length);
  return length;
}
