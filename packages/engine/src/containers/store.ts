/**
 * The records of containers: `containers/ID/{created,started,exited}.json`, each made once, in one write, and never changed.
 * One that is cut short, by a crash or since it is just being written, is no JSON and counts as not there: a container is then
 * at an earlier stage, never at a wrong one. So no temporary names are needed, nor renames over files, at which ext4 waits for the disk.
 *
 * ORDER of making: name, directory, record. ORDER of removing: name, the directory renamed to one of the remover's, its content.
 * So at any moment a crash leaves something that tells whose it was, and `remains.ts` finds it.
 */
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { BoxError, type System } from '@tsc-box/model';
import { claimName, isAlive, releaseName, unlinkQuietly } from './claims.ts';
import type { Directories } from './directories.ts';
import { bootId, identityText, launcherIdentity } from './identity.ts';
import type { LayoutEntry } from './layout.ts';
import { exists, GONE, namesIn, removeRemains, removeWhole } from './remains.ts';
import { removeLater, type KnownEntry } from './remove-later.ts';
import type { ContainerState, CreatedRecord, ExitedRecord, StartedRecord } from './types.ts';

interface Records {
  readonly created: CreatedRecord;
  readonly started: StartedRecord;
  readonly exited: ExitedRecord;
}

export interface Store {
  directoryOf(id: string): string;
  /** Makes the directory of a new container and claims its name. @throws BoxError ERR_TSCBOX_NAME_IN_USE */
  create(id: string, name: string | undefined, record: (name: string) => CreatedRecord): CreatedRecord;
  write<K extends keyof Records>(id: string, stage: K, record: Records[K]): void;
  /** Undefined where there is no container of that id, or it is being made or removed. */
  read(id: string): ContainerState | undefined;
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
  return {
    directoryOf,
    read: (id) => readState(directoryOf(id), system),
    create: (id, wanted, record) => create(directories, system, { id, wanted, directory: directoryOf(id) }, record),
    write: (id, stage, record) => writeRecord(directoryOf(id), stage, record),
    ids: () => namesIn(directories.containers).filter((name) => !name.startsWith('.')),
    remove(record) {
      removeFiles(system, record, forget(directories, record));
    },
    removeLater(record, made, onError) {
      const away = forget(directories, record);
      removeLater(away, knownEntries(record, made, directoryOf(record.id), away), () => removeFiles(system, record, away), onError);
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

/** What the records say, corrected by what is true now. */
function readState(directory: string, system: Pick<System, 'isAlive'>): ContainerState | undefined {
  const created = readRecord(directory, 'created');
  if (created === undefined) return undefined;
  const started = readRecord(directory, 'started');
  const exited = readRecord(directory, 'exited');
  const all = { ...created, ...started, ...exited };
  if (exited !== undefined) return { ...all, status: 'exited' };
  const sameBoot = created.bootId === bootId();
  if (started === undefined) {
    const launching = sameBoot && isAlive(system, created.launcher);
    return launching ? { ...all, status: 'created' } : { ...all, status: 'exited', error: 'tsc-box ended before the container was started' };
  }
  if (sameBoot && isAlive(system, started)) return { ...all, status: 'running' };
  return { ...all, status: 'exited', ...(sameBoot ? {} : { error: 'the machine was started again while it ran' }) };
}

/** Returns where its directory is from now on, which nobody lists. */
function forget(directories: Directories, { id, name }: CreatedRecord): string {
  releaseName(directories.names, id, name);
  const away = `${directories.containers}/${GONE}${id}.${identityText(launcherIdentity())}`;
  try {
    renameSync(`${directories.containers}/${id}`, away);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return away;
}

function removeFiles(system: System, { files }: CreatedRecord, directory: string): void {
  files.forEach(unlinkQuietly);
  removeWhole(system, directory);
}

/** All there is when the container changed nothing. */
function knownEntries({ root }: CreatedRecord, made: readonly LayoutEntry[], directory: string, away: string): KnownEntry[] {
  const byKernel = root.kind === 'overlay' ? root.overlays.map(({ workdir }) => ({ path: `${workdir}/work`, directory: true })) : [];
  const ours = made.map(({ path, kind }) => ({ path, directory: kind === 'directory' })).reverse();
  const records = ['created', 'started'].map((stage) => ({ path: `${directory}/${stage}.json`, directory: false }));
  const inside = (path: string): string => (path.startsWith(directory) ? `${away}${path.slice(directory.length)}` : path);
  return [...byKernel, ...ours, ...records, { path: directory, directory: true }].map((entry) => ({ ...entry, path: inside(entry.path) }));
}
