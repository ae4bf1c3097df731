/**
 * The records of containers: `containers/ID/{created,started,exited}.json`, each made once, in one write, and never changed.
 * One that is cut short, by a crash or since it is just being written, is no JSON and counts as not there: a container is then
 * at an earlier stage, never at a wrong one. So no temporary names are needed, nor renames over files, at which ext4 waits for the disk.
 * Names are symbolic links `names/NAME` to the id: made in one call, and only one maker can win. The id is in base64url there,
 * since ext4 keeps a target of less than 60 bytes in the inode: a longer one takes a block, whose release is slow.
 */
import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync, symlinkSync, unlinkSync, writeSync } from 'node:fs';
import { BoxError, type System } from '@tsc-box/model';
import type { Directories } from './directories.ts';
import type { LayoutEntry } from './layout.ts';
import { randomName } from './names.ts';
import { removeLater, type KnownEntry } from './remove-later.ts';
import { removeMapped } from './remove-mapped.ts';
import { removeTree } from './remove-tree.ts';
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
  /** Removes what a crash has left behind while it was being made or removed. */
  removeRemains(): void;
}

/** Milliseconds. What has no record, and is older than this, is not being made any more. */
const MAKING_MS_MAX = 60_000;
const SKELETON_MS_MAX = 24 * 60 * 60_000;

export function openStore(directories: Directories, system: System): Store {
  const directoryOf = (id: string): string => `${directories.containers}/${id}`;
  const read = (id: string): ContainerState | undefined => readState(directoryOf(id), system);
  return {
    directoryOf, read,
    create(id, name, record) {
      mkdirSync(directoryOf(id), { mode: 0o700 });
      const claimed = claimName(directories, id, name, directoryOf);
      const made = record(claimed);
      writeRecord(directoryOf(id), 'created', made);
      return made;
    },
    write: (id, stage, record) => writeRecord(directoryOf(id), stage, record),
    ids: () => namesIn(directories.containers),
    remove(record) {
      forget(directories, record, directoryOf(record.id));
      removeFiles(system, record, directoryOf(record.id));
    },
    removeLater(record, made, onError) {
      const directory = directoryOf(record.id);
      forget(directories, record, directory);
      removeLater(directory, knownEntries(record, made, directory), () => removeFiles(system, record, directory), onError);
    },
    removeRemains: () => removeRemains(directories, system, directoryOf),
  };
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
    const launching = sameBoot && system.isAlive(created.launcher.pid, created.launcher.startTime);
    return launching ? { ...all, status: 'created' } : { ...all, status: 'exited', error: 'tsc-box ended before the container was started' };
  }
  if (sameBoot && system.isAlive(started.pid, started.startTime)) return { ...all, status: 'running' };
  return { ...all, status: 'exited', ...(sameBoot ? {} : { error: 'the machine was started again while it ran' }) };
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => !name.startsWith('.'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function claimName(directories: Directories, id: string, wanted: string | undefined, directoryOf: (id: string) => string): string {
  for (let attempt = 0; ; attempt += 1) {
    const name = wanted ?? randomName(attempt);
    const path = `${directories.names}/${name}`;
    try {
      symlinkSync(Buffer.from(id, 'hex').toString('base64url'), path);
      return name;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const owner = ownerOf(path);
    // A crash between the removal of a container and of its name leaves a name of nothing.
    if (owner !== undefined && !exists(directoryOf(owner))) unlinkQuietly(path);
    else if (wanted !== undefined && owner !== undefined) {
      removeTree(directoryOf(id));
      throw new BoxError({ code: 'ERR_TSCBOX_NAME_IN_USE', attempted: `name the container "${name}"`, detail: `container ${owner.slice(0, 12)} has that name`, hint: `remove it with: tsc-box rm ${name}` });
    }
  }
}

function ownerOf(path: string): string | undefined {
  try {
    return Buffer.from(readlinkSync(path), 'base64url').toString('hex');
  } catch {
    return undefined;
  }
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function unlinkQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function releaseName(directories: Directories, id: string, name: string): void {
  const path = `${directories.names}/${name}`;
  if (ownerOf(path) === id) unlinkQuietly(path);
}

/** ORDER: without the first record it is not listed any more, and what is left is found by `removeRemains`. */
function forget(directories: Directories, { id, name }: CreatedRecord, directory: string): void {
  unlinkQuietly(`${directory}/created.json`);
  releaseName(directories, id, name);
}

function removeFiles(system: System, { files }: CreatedRecord, directory: string): void {
  files.forEach(unlinkQuietly);
  removeWhole(system, directory);
}

/** All there is when the container changed nothing. */
function knownEntries({ root }: CreatedRecord, made: readonly LayoutEntry[], directory: string): KnownEntry[] {
  const byKernel = root.kind === 'overlay' ? root.overlays.map(({ workdir }) => ({ path: `${workdir}/work`, directory: true })) : [];
  const ours = made.map(({ path, kind }) => ({ path, directory: kind === 'directory' })).reverse();
  return [...byKernel, ...ours, { path: `${directory}/started.json`, directory: false }, { path: directory, directory: true }];
}

/** What a crash left: directories without a record, files in the run directory without a container; and skeletons that nobody uses. */
function removeRemains(directories: Directories, system: System, directoryOf: (id: string) => string): void {
  for (const id of namesIn(directories.containers)) if (readRecord(directoryOf(id), 'created') === undefined && isOld(directoryOf(id))) removeWhole(system, directoryOf(id));
  for (const file of namesIn(directories.runRoot)) {
    const [id = ''] = file.split('.');
    const path = `${directories.runRoot}/${file}`;
    if (/^[0-9a-f]{64}$/.test(id) && id !== file && !exists(directoryOf(id)) && isOld(path)) unlinkQuietly(path);
  }
  for (const name of namesIn(directories.skeletons)) {
    const path = `${directories.skeletons}/${name}`;
    // One that is half made has a suffix. A whole one may be mounted at any moment, so it must have been left alone for long.
    if (name.includes('.') ? isOld(path) : isOld(path, SKELETON_MS_MAX) && !isUsed(path, directories, directoryOf)) removeWhole(system, path);
  }
}

function isUsed(skeleton: string, directories: Directories, directoryOf: (id: string) => string): boolean {
  return namesIn(directories.containers).some((id) => {
    const root = readRecord(directoryOf(id), 'created')?.root;
    return root?.kind === 'overlay' && root.overlays[0]?.lowerdirs.includes(skeleton) === true;
  });
}

/** An ordinary user's container may have files of other ids. */
function removeWhole(system: System, path: string): void {
  try {
    removeTree(path);
  } catch (error) {
    if (!(error instanceof BoxError) || (error.errno !== 'EACCES' && error.errno !== 'EPERM') || !removeMapped(system, path)) throw error;
    // What `rm` could not remove is said here.
    removeTree(path);
  }
}

function isOld(path: string, ageMs: number = MAKING_MS_MAX): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.ctimeMs > ageMs;
}

let currentBoot: string | undefined;

/** Empty on systems without one: the simulator's processes end with it. */
export function bootId(): string {
  currentBoot ??= readQuietly('/proc/sys/kernel/random/boot_id').trim();
  return currentBoot;
}

const START_TIME_FIELD = 22;
let self: { readonly pid: number; readonly startTime: number } | undefined;

/** This process, named for good: proc(5), /proc/PID/stat. */
export function launcherIdentity(): { readonly pid: number; readonly startTime: number } {
  if (self !== undefined) return self;
  const stat = readQuietly('/proc/self/stat');
  // The second field is the command in parentheses, which may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  self = { pid: process.pid, startTime: Number(fields[START_TIME_FIELD - 3] ?? 0) };
  return self;
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
