/** `start`: launches a recorded container behind a monitor. */
import { existsSync, truncateSync } from 'node:fs';
import { BoxError, type LaunchedProcess } from '@tsc-box/model';
import { findContainer } from '../containers/find.ts';
import { bootId } from '../containers/identity.ts';
import type { LaunchRecord } from '../containers/launch-record.ts';
import { makeLayout } from '../containers/layout.ts';
import { settle } from '../containers/remove.ts';
import type { Parts } from '../containers/run.ts';
import { makeSkeleton } from '../containers/skeleton.ts';
import type { ContainerState, StartedRecord } from '../containers/types.ts';
import { wholeLength } from './journal-file.ts';
import { whileLocked } from './lock.ts';
import { superviseWhereNeeded } from './needs.ts';

export const journalOf = ({ store }: Pick<Parts, 'store'>, id: string): string => `${store.directoryOf(id)}/journal`;

/** @throws BoxError ERR_TSCBOX_STATE when it runs, or can't be started again; the typed error of what failed: the container is as before then. */
export async function startContainer(parts: Parts, nameOrId: string, { byPolicy = false }: { readonly byPolicy?: boolean } = {}): Promise<ContainerState> {
  const { id } = findContainer(parts.store, nameOrId);
  return whileLocked(parts, id, async () => {
    const state = findContainer(parts.store, id);
    const attempted = `start the container "${state.name}"`;
    if (state.status === 'running') throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted, detail: `it is running as process ${String(state.pid ?? 0)}` });
    settle(parts, state);
    const launch = parts.store.record(id, 'launch');
    if (launch?.again === undefined) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted, detail: 'how it was launched is not on record', hint: 'run a new one: tsc-box run' });
    const started = launchAgain(parts, state, launch);
    const now = findContainer(parts.store, id);
    const { stopAsked: _stopped, restarts, ...settings } = parts.store.record(id, 'settings') ?? {};
    parts.store.replace(id, 'settings', { ...settings, detached: true, ...(byPolicy ? { restarts: (restarts ?? 0) + 1 } : {}) });
    superviseWhereNeeded(parts, now);
    return { ...now, ...started, status: 'running' };
  });
}

/** ORDER: the old start is taken back first. A crash behind it leaves a container that has not been started. */
function launchAgain(parts: Parts, state: ContainerState, launch: LaunchRecord): StartedRecord {
  const { store, system, directories } = parts;
  const { id } = state;
  makeMissing(launch);
  repairJournal(journalOf(parts, id));
  if (state.detached !== true) store.replace(id, 'settings', { ...store.record(id, 'settings'), detached: true });
  store.unstart(id);
  let launched: LaunchedProcess | undefined;
  try {
    launched = system.launch({
      plan: launch.again?.plan ?? unreachable(), stdio: { stdin: launch.interactive ? 'pipe' : 'null', stdout: 'pipe', stderr: 'pipe' }, cacheDir: directories.cache,
      monitor: { journal: journalOf(parts, id), exit: `${directories.exits}/${id}` },
    });
    const { pid, startTime, monitor } = launched;
    const started: StartedRecord = { pid, startTime, startedAt: new Date().toISOString(), bootId: bootId(), ...(monitor === undefined ? {} : { monitor }) };
    store.write(id, 'started', started);
    return started;
  } catch (error) {
    if (launched !== undefined) system.sweep(state.cgroupPath, launched.pid, launched.startTime);
    if (state.startedAt !== undefined) restoreEnd(parts, state);
    throw error;
  }
}

const unreachable = (): never => {
  throw new BoxError({ code: 'ERR_TSCBOX_INTERNAL', attempted: 'start a container', detail: 'its plan is not on record' });
};

/** A container that could not be started again has ended as it had before. */
function restoreEnd({ store }: Parts, { id, pid, startTime, startedAt, bootId: boot, monitor, finishedAt, exitCode, signal, oomKilled, error }: ContainerState): void {
  if (pid === undefined || startTime === undefined || startedAt === undefined) return;
  store.write(id, 'started', { pid, startTime, startedAt, bootId: boot, ...(monitor === undefined ? {} : { monitor }) });
  store.write(id, 'exited', {
    finishedAt: finishedAt ?? new Date().toISOString(), ...(exitCode === undefined ? {} : { exitCode }), ...(signal === undefined ? {} : { signal }), ...(oomKilled === undefined ? {} : { oomKilled }), ...(error === undefined ? {} : { error }),
  });
}

/** What lay outside its directory may be gone since a reboot. */
function makeMissing({ again }: LaunchRecord): void {
  if (again === undefined) return;
  const { skeleton } = again;
  if (skeleton !== undefined && !existsSync(skeleton.path)) makeSkeleton(skeleton.path, skeleton.layout, skeleton.owner);
  const missing = again.files.filter(({ path }) => !existsSync(path));
  makeLayout(missing.map(({ path, mode, base64, owner }) => ({ kind: 'file', path, mode, data: Buffer.from(base64, 'base64'), owner })));
}

/** A power failure may have cut its last frame short, and the next would be taken for a part of it. */
function repairJournal(path: string): void {
  if (existsSync(path)) truncateSync(path, wholeLength(path));
}
