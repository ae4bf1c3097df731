/**
 * The records of containers: `containers/ID/{created,started,exited}.json`, each made once, in one write, and never changed.
 * One that is cut short, by a crash or since it is just being written, is no JSON and counts as not there: a container is then
 * at an earlier stage, never at a wrong one. So no temporary names are needed, nor renames over files, at which ext4 waits for the disk.
 *
 * ORDER of making: name, directory, record. ORDER of removing: name, the directory renamed to one of the remover's, its content.
 * So at any moment a crash leaves something that tells whose it was, and `remains.ts` finds it.
 */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { BoxError, type System } from '@tsc-box/model';
import { claimName, isAlive, releaseName, unlinkQuietly } from './claims.ts';
import type { Directories } from './directories.ts';
import { containerLocks } from './lock.ts';
import { bootId, identityText, launcherIdentity } from './identity.ts';
import type { LayoutEntry } from './layout.ts';
import { exists, GONE, namesIn, removeRemains, removeWhole } from './remains.ts';
import { removeLater, type KnownEntry } from './remove-later.ts';
import { readEnd, REBOOTED } from './end.ts';
import type { LaunchRecord } from './launch-record.ts';
import type { ContainerState, CreatedRecord, ExitedRecord, Settings, StartedRecord } from './types.ts';

interface Records {
  readonly created: CreatedRecord;
  readonly started: StartedRecord;
  readonly exited: ExitedRecord;
  readonly settings: Settings;
  readonly launch: LaunchRecord;
}

export interface Store {
  directoryOf(id: string): string;
  /** Makes the directory of a new container and claims its name. @throws BoxError ERR_TSCBOX_NAME_IN_USE */
  create(id: string, name: string | undefined, record: (name: string) => CreatedRecord): CreatedRecord;
  write<K extends keyof Records>(id: string, stage: K, record: Records[K]): void;
  /** Undefined where there is no container of that id, or it is being made or removed. */
  read(id: string): ContainerState | undefined;
  /** A record by itself. Undefined where there is none. */
  record<K extends keyof Records>(id: string, stage: K): Records[K] | undefined;
  /** Replaces a record that may change, at once. */
  replace<K extends 'settings' | 'launch'>(id: string, stage: K, record: Records[K]): void;
  /** Runs `action` while nobody else starts, settles, changes or removes the container; within itself too. What it decides by is read inside. */
  locked<T>(id: string, action: () => T): T;
  /** Undefined, and nothing done, when somebody else has it. */
  tryLocked<T>(id: string, action: () => T): T | undefined;
  /** Changes the settings of a container that is there, locked. */
  change(id: string, change: (settings: Settings) => Settings): void;
  /** Claims another name and gives the old one back. @throws BoxError ERR_TSCBOX_NAME_IN_USE */
  rename(state: ContainerState, name: string): void;
  /** Takes back that it was started, so that it can be started again. */
  unstart(id: string): void;
  ids(): string[];
  /** Forgets the container and removes its files. */
  remove(record: CreatedRecord): void;
  /** Forgets it at once; its files go in the background. `made`: what was made for it. */
  removeLater(record: CreatedRecord, made: readonly LayoutEntry[], onError: (error: unknown) => void): void;
  /** Removes what a crash has left behind while it was being made or removed. `known`: the containers there are. */
  removeRemains(known: readonly CreatedRecord[]): void;
}

export function openStore(directories: Directories, system: System): Store {
  const directoryOf = (id: string): string => `${directories.containers}/${id}`;
  const locks = containerLocks(directories.locks);
  return {
    directoryOf,
    locked: locks.hold,
    tryLocked: locks.tryHold,
    change: (id, change) => locks.hold(id, () => {
      if (exists(directoryOf(id))) replaceRecord(directoryOf(id), 'settings', change(readRecord(directoryOf(id), 'settings') ?? {}));
    }),
    read: (id) => readState(directoryOf(id), `${directories.exits}/${id}`, system),
    record: (id, stage) => readRecord(directoryOf(id), stage),
    replace: (id, stage, record) => replaceRecord(directoryOf(id), stage, record),
    rename: (state, name) => locks.hold(state.id, () => rename(directories, system, state.id, name)),
    unstart: (id) => unstart(directories, directoryOf(id)),
    create: (id, wanted, record) => create(directories, system, { id, wanted, directory: directoryOf(id) }, record),
    write: (id, stage, record) => writeRecord(directoryOf(id), stage, record),
    ids: () => namesIn(directories.containers).filter((name) => !name.startsWith('.')),
    remove(record) {
      removeFiles(directories, system, record, locks.hold(record.id, () => forget(directories, record)));
    },
    removeLater(record, made, onError) {
      const away = forget(directories, record);
      removeLater(away, knownEntries(record, made, directoryOf(record.id), away), () => removeFiles(directories, system, record, away), onError);
    },
    removeRemains(known) {
      const records = new Map(known.map((record) => [record.id, record]));
      removeRemains(directories, system, (id) => records.get(id) ?? readRecord(directoryOf(id), 'created'));
    },
  };
}

interface Making {
  readonly id: string;
  readonly wanted: string | undefined;
  readonly directory: string;
}

function create(directories: Directories, system: System, { id, wanted, directory }: Making, record: (name: string) => CreatedRecord): CreatedRecord {
  const name = claimName(directories.names, id, wanted, system, (other) => exists(`${directories.containers}/${other}`));
  try {
    mkdirSync(directory, { mode: 0o700 });
    const made = record(name);
    writeRecord(directory, 'created', made);
    return made;
  } catch (error) {
    removeWhole(system, directory);
    releaseName(directories.names, id, name);
    throw error;
  }
}

function writeRecord(directory: string, stage: keyof Records, record: object): void {
  const path = `${directory}/${stage}.json`;
  const bytes = Buffer.from(`${JSON.stringify(record)}\n`);
  const fd = openSync(path, 'w', 0o600);
  try {
    if (writeSync(fd, bytes) !== bytes.length) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `write "${path}"`, errno: 'ENOSPC', path });
  } finally {
    closeSync(fd);
  }
}

function readRecord<K extends keyof Records>(directory: string, stage: K): Records[K] | undefined {
  let text: string;
  // An error costs ten times as much as this, and most containers lack some of these.
  if (!existsSync(`${directory}/${stage}.json`)) return undefined;
  try {
    text = readFileSync(`${directory}/${stage}.json`, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `read "${directory}/${stage}.json"`, errno: code, path: `${directory}/${stage}.json`, cause: error });
  }
  try {
    return JSON.parse(text) as Records[K];
  } catch {
    return undefined;
  }
}

/** What the records say, corrected by what is true now. `exit`: the file that the monitor of a detached container writes. */
function readState(directory: string, exit: string, system: Pick<System, 'isAlive'>): ContainerState | undefined {
  const state = readStages(directory, exit, system);
  return state?.startError === undefined ? state : { ...state, error: state.startError };
}

function readStages(directory: string, exit: string, system: Pick<System, 'isAlive'>): ContainerState | undefined {
  const created = readRecord(directory, 'created');
  if (created === undefined) return undefined;
  const started = readRecord(directory, 'started');
  const exited = readRecord(directory, 'exited');
  const all = { ...created, ...readRecord(directory, 'settings'), ...started, ...exited };
  if (exited !== undefined) return { ...all, status: 'exited', settled: true };
  const sameBoot = all.bootId === bootId();
  if (started === undefined) {
    if (all.detached === true) return { ...all, status: 'created' };
    const launching = sameBoot && isAlive(system, created.launcher);
    return launching ? { ...all, status: 'created' } : { ...all, status: 'exited', error: 'tsc-box ended before the container was started' };
  }
  if (started.monitor !== undefined) return { ...all, ...readEnd(system, started, started.monitor, { exit, sameBoot }) };
  if (sameBoot && isAlive(system, started)) return { ...all, status: 'running' };
  return { ...all, status: 'exited', ...(sameBoot ? {} : { error: REBOOTED }) };
}

/** ORDER: a record replaces the old one whole, or not at all. */
function replaceRecord(directory: string, stage: keyof Records, record: object): void {
  const temporary = `${directory}/${stage}.${identityText(launcherIdentity())}`;
  writeFileSync(temporary, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  renameSync(temporary, `${directory}/${stage}.json`);
}

function rename(directories: Directories, system: System, id: string, name: string): void {
  const directory = `${directories.containers}/${id}`;
  const settings = readRecord(directory, 'settings');
  const old = settings?.name ?? readRecord(directory, 'created')?.name;
  if (old === undefined) throw new BoxError({ code: 'ERR_TSCBOX_CONTAINER_NOT_FOUND', attempted: `rename the container ${id.slice(0, 12)}`, detail: 'it was removed meanwhile' });
  claimName(directories.names, id, name, system, (other) => exists(`${directories.containers}/${other}`));
  replaceRecord(directory, 'settings', { ...settings, name });
  releaseName(directories.names, id, old);
}

/** ORDER: the exit file goes before `exited.json`, so that no old end is taken for that of the new process. */
function unstart({ exits }: Directories, directory: string): void {
  unlinkQuietly(`${exits}/${directory.slice(directory.lastIndexOf('/') + 1)}`);
  unlinkQuietly(`${directory}/started.json`);
  unlinkQuietly(`${directory}/exited.json`);
}

/** Returns where its directory is from now on, which nobody lists. */
function forget(directories: Directories, { id, name }: CreatedRecord): string {
  releaseName(directories.names, id, name);
  unlinkQuietly(`${directories.exits}/${id}`);
  const away = `${directories.containers}/${GONE}${id}.${identityText(launcherIdentity())}`;
  try {
    renameSync(`${directories.containers}/${id}`, away);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return away;
}

function removeFiles({ locks }: Directories, system: System, { id, files }: CreatedRecord, directory: string): void {
  files.forEach(unlinkQuietly);
  removeWhole(system, directory);
  rmSync(`${locks}/${id}`, { recursive: true, force: true });
}

/** All there is when the container changed nothing. */
function knownEntries({ root }: CreatedRecord, made: readonly LayoutEntry[], directory: string, away: string): KnownEntry[] {
  const byKernel = root.kind === 'overlay' ? root.overlays.map(({ workdir }) => ({ path: `${workdir}/work`, directory: true })) : [];
  const ours = made.map(({ path, kind }) => ({ path, directory: kind === 'directory' })).reverse();
  const records = ['created', 'started', 'launch'].map((stage) => ({ path: `${directory}/${stage}.json`, directory: false }));
  const inside = (path: string): string => (path.startsWith(directory) ? `${away}${path.slice(directory.length)}` : path);
  return [...byKernel, ...ours, ...records, { path: directory, directory: true }].map((entry) => ({ ...entry, path: inside(entry.path) }));
}
