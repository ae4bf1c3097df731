/** State files: ROOT/ID/. Small JSON, each written under a temporary name and renamed; read as it is, as only this user writes there. */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { BoxError, UsageError, type LaunchPlan, type Spec } from '@tsc-box/model';
import { fileLock } from '../store/lock.ts';
import { notFound, stateError } from './errors.ts';
import type { OciState, Runtime, RuntimeState, Status } from './types.ts';

const ID = /^[\w+.-]{1,1024}$/;

/** @throws UsageError for a name that runc would refuse too. */
export function checkId(id: string): void {
  if (!ID.test(id) || id === '.' || id === '..') throw new UsageError({ attempted: `use the container ID ${JSON.stringify(id)}`, detail: 'invalid container ID format, allowed: letters, digits and _+.-' });
}

export function directoryOf({ root }: Runtime, id: string): string {
  checkId(id);
  return `${root}/${id}`;
}

export const fifoOf = (directory: string): string => `${directory}/exec.fifo`;

/** Makes the directory of a new container. @throws BoxError when there is one of that name. */
export function claimDirectory(runtime: Runtime, id: string): string {
  const directory = directoryOf(runtime, id);
  mkdirSync(runtime.root, { recursive: true, mode: 0o700 });
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') throw new BoxError({ code: 'ERR_TSCBOX_NAME_IN_USE', attempted: `create the container "${id}"`, detail: 'container with given ID already exists', path: directory });
    throw error;
  }
  return directory;
}

export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}

export function writeJson(path: string, value: unknown): void {
  const temporary = `${path}.${String(process.pid)}`;
  const fd = openSync(temporary, 'w', 0o600);
  try {
    writeSync(fd, `${JSON.stringify(value)}\n`);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
}

export function writeState(directory: string, state: RuntimeState): void {
  writeJson(`${directory}/state.json`, state);
}

/** @throws BoxError "container does not exist". */
export function readState(runtime: Runtime, id: string): RuntimeState {
  const state = tryReadState(runtime, id);
  if (state === undefined) throw notFound(id);
  return state;
}

export function tryReadState(runtime: Runtime, id: string): RuntimeState | undefined {
  const path = `${directoryOf(runtime, id)}/state.json`;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
    throw error;
  }
  const state = JSON.parse(text) as RuntimeState;
  if ((state.version as number) !== 1) throw stateError(`read the state of "${id}"`, `it was written by another version of tsc-box-runtime: found ${String(state.version)}, allowed: 1`, path);
  return state;
}

export function readSpec(runtime: Runtime, id: string): Spec {
  return JSON.parse(readFileSync(`${directoryOf(runtime, id)}/config.json`, 'utf8')) as Spec;
}

export function readPlan(runtime: Runtime, id: string): LaunchPlan {
  return JSON.parse(readFileSync(`${directoryOf(runtime, id)}/plan.json`, 'utf8')) as LaunchPlan;
}

/** The fifo is there as long as nobody has started the process. */
export function statusOf(runtime: Runtime, state: RuntimeState): Status {
  const { process: identity } = state;
  if (identity === undefined) return 'creating';
  if (!runtime.system.isAlive(identity.pid, identity.startTime)) return 'stopped';
  if (existsSync(fifoOf(directoryOf(runtime, state.id)))) return 'created';
  return isFrozen(runtime, state) ? 'paused' : 'running';
}

export function isFrozen({ system }: Runtime, { cgroup }: RuntimeState): boolean {
  return cgroup !== undefined && system.cgroup(cgroup).frozen();
}

export function ociState(runtime: Runtime, state: RuntimeState, status: Status = statusOf(runtime, state)): OciState {
  const { ociVersion, id, bundle, rootfs, created, owner, annotations } = state;
  return {
    ociVersion, id, pid: status === 'stopped' ? 0 : (state.process?.pid ?? 0), status, bundle, rootfs, created, owner,
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}

export function listIds({ root }: Runtime): string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory() && ID.test(entry.name) && existsSync(`${root}/${entry.name}/state.json`)).map(({ name }) => name).toSorted();
}

export const lockOf = ({ root }: Runtime, id: string): string => `${root}/.locks/${id}`;

/** One command at a time changes a container. The lock lies beside the directories of containers, as those go away. */
export async function locked<T>(runtime: Runtime, id: string, action: () => T | Promise<T>): Promise<T> {
  checkId(id);
  if (!existsSync(runtime.root)) return action();
  return fileLock(lockOf(runtime, id)).hold(async () => action());
}
