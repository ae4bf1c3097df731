/** Launching a container and seeing it through to its end. */
import { chmodSync, chownSync, existsSync, mkdirSync } from 'node:fs';
import { BoxError, checkContainerName, type ExitStatus, type LaunchedProcess } from '@tsc-box/model';
import type { Directories } from './directories.ts';
import { readMountinfo } from './host-mounts.ts';
import { bootId, launcherIdentity } from './identity.ts';
import { launchRecord } from './launch-record.ts';
import { makeLayout, type LayoutEntry, type Owner } from './layout.ts';
import { prepare, type Prepared, type Preparation } from './prepare.ts';
import { randomBytes } from './random.ts';
import { removeContainer } from './remove.ts';
import { makeSkeleton } from './skeleton.ts';
import type { Store } from './store.ts';
import type { ContainerState, CreatedRecord, RunningContainer, RunRequest, StartedRecord } from './types.ts';
import { requireUpperFilesystem } from './upper-filesystem.ts';

export interface Parts extends Preparation {
  readonly store: Store;
  /** See `EngineOptions`. */
  readonly startSupervisor?: () => void;
}

/** 64 hexadecimal digits, as docker's. */
export const newId = (): string => randomBytes(32).toString('hex');

/** Times. */
const TRIES_MAX = 3;

/** Mounts of the machine may come and go while the `host` image is being put together: then it is put together again. */
export async function runContainer(parts: Parts, request: RunRequest): Promise<RunningContainer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await runOnce(parts, request);
    } catch (error) {
      if (request.image !== 'host' || tries === TRIES_MAX || !hasHostChanged(parts)) throw error;
    }
  }
}

/** A skeleton that was not used for long is removed by `sweep` of any process. */
function hasHostChanged({ memory }: Parts): boolean {
  return readMountinfo() !== memory.text || [...memory.shapes.values()].some(({ skeleton }) => skeleton !== undefined && !existsSync(skeleton));
}

async function runOnce(parts: Parts, request: RunRequest): Promise<RunningContainer> {
  const name = request.options.name === undefined ? undefined : checkContainerName(request.options.name);
  const id = newId();
  const prepared = await prepare(parts, request, id);
  try {
    return launchPrepared(parts, request, prepared, { id, name });
  } finally {
    await prepared.release();
  }
}

function launchPrepared(parts: Parts, request: RunRequest, prepared: Prepared, { id, name }: { readonly id: string; readonly name: string | undefined }): RunningContainer {
  const { store, system } = parts;
  if (prepared.planned.root.kind === 'overlay') requireUpperFilesystem(parts.directories.root, system.facts(), prepared.userns);
  makeVolumeSources(prepared.createDirectories);
  const created = store.create(id, name, (claimed) => createdRecord(parts, prepared, request, { id, name: claimed }));
  let launched: LaunchedProcess | undefined;
  try {
    makeFiles(parts.directories, store.directoryOf(id), prepared);
    launched = launch(parts, request, prepared);
    const started: StartedRecord = { pid: launched.pid, startTime: launched.startTime, startedAt: new Date().toISOString() };
    store.write(id, 'started', started);
    store.write(id, 'launch', launchRecord(prepared, { interactive: request.options.interactive === true, again: request.remove !== true, runRoot: parts.directories.runRoot }));
    const warnings = [...prepared.warnings];
    for (const text of warnings) request.onWarning?.(text);
    return follow(parts, request, { state: { ...created, ...started, status: 'running' }, launched, warnings, made: prepared.planned.layout });
  } catch (error) {
    abandon(parts, created, launched);
    throw error;
  }
}

/** A launch that failed leaves nothing; what stands in the way of that must not hide why it failed. */
export function abandon(parts: Parts, created: CreatedRecord, launched: LaunchedProcess | undefined): void {
  try {
    launched?.kill(SIGKILL);
    launched?.cleanup();
    removeContainer(parts, created);
  } catch {
    // Swept later: its launcher is this process.
  }
}

const SIGKILL = 9;

export function createdRecord({ system, directories }: Parts, { plan, spec, image, imageId, config, planned, labels, stopSignal }: Prepared, request: RunRequest, { id, name }: { readonly id: string; readonly name: string }): CreatedRecord {
  const cgroupPath = plan.prepare.find((step) => step.call === 'cgroup')?.args.path;
  return {
    version: 1, id, name, image, ...(imageId === undefined ? {} : { imageId }), ...(config === undefined ? {} : { config }), ...idMapsOf(spec), command: spec.process?.args ?? [], createdAt: new Date().toISOString(), bootId: bootId(), labels, root: planned.root,
    rootless: !system.facts().privileged, files: planned.layout.map(({ path }) => path).filter((path) => path.startsWith(directories.runRoot)), ...(cgroupPath === undefined ? {} : { cgroupPath }), ...(stopSignal === undefined ? {} : { stopSignal }),
    remove: request.remove === true, launcher: launcherIdentity(),
  };
}

function idMapsOf({ linux }: Prepared['spec']): Pick<CreatedRecord, 'idMaps'> {
  const { uidMappings: uids = [], gidMappings: gids = [] } = linux ?? {};
  // Of a namespace that is joined they are not known.
  return linux?.namespaces?.some(({ type }) => type === 'user') === true && uids.length > 0 && gids.length > 0 ? { idMaps: { uids, gids } } : {};
}

/** As docker does: a `-v` source that is not there becomes a directory. */
export function makeVolumeSources(paths: readonly string[]): void {
  for (const path of paths) {
    try {
      mkdirSync(path, { recursive: true });
    } catch (error) {
      throw new BoxError({ code: 'ERR_TSCBOX_USAGE', attempted: `make the directory "${path}" for a volume`, errno: (error as NodeJS.ErrnoException).code, path, cause: error });
    }
  }
}

export function makeFiles(directories: Directories, directory: string, { planned, owner }: Prepared): void {
  if (owner !== undefined) letIn(directories, directory, owner);
  if (planned.skeleton !== undefined) makeSkeleton(planned.skeleton.path, planned.skeleton.layout, owner);
  makeLayout(planned.layout);
}

/**
 * The container's root is another user of the host, who mounts the layers by path: its group may pass through their directories.
 * Nobody else may, for layers hold set-user-id programs (CVE-2021-41091).
 */
function letIn(directories: Directories, directory: string, owner: Owner): void {
  for (const path of [directory, directories.layers]) {
    chownSync(path, -1, owner.gid);
    chmodSync(path, 0o710);
  }
}

function launch({ system, directories }: Parts, request: RunRequest, { plan }: Prepared): LaunchedProcess {
  const stdio = request.stdio ?? { stdin: request.options.interactive === true ? 0 : 'null', stdout: 1, stderr: 2 };
  return system.launch({
    plan, stdio, cacheDir: directories.cache,
  });
}

interface Started {
  readonly state: ContainerState;
  readonly launched: LaunchedProcess;
  readonly warnings: readonly string[];
  readonly made: readonly LayoutEntry[];
}

/** From here on its end is recorded, whether or not somebody waits. */
function follow(parts: Parts, request: RunRequest, started: Started): RunningContainer {
  const { state, launched, warnings } = started;
  const ended = launched.wait().then((status) => {
    finish(parts, request, started, status);
    return status;
  });
  ended.catch(() => undefined); // Those who wait are told; a caller who does not wait must not be ended by it.
  return { state, process: launched, warnings, wait: () => ended };
}

/** The exit status counts more than tidiness: what can't be tidied is a warning, and is tried again by `sweep`. */
function finish(parts: Parts, request: RunRequest, { state, launched, made }: Started, status: ExitStatus): void {
  const { onUsage } = request;
  if (onUsage !== undefined) attempt(request, () => onUsage(launched.usage()));
  attempt(request, () => launched.cleanup());
  attempt(request, () => {
    if (request.remove === true) return parts.store.removeLater(state, made, (error) => warn(request, error));
    const { code, signal, oomKilled } = status;
    parts.store.write(state.id, 'exited', {
      finishedAt: new Date().toISOString(), exitCode: code, ...(signal === undefined ? {} : { signal }), ...(oomKilled === undefined ? {} : { oomKilled }),
    });
  });
}

function attempt(request: RunRequest, action: () => void): void {
  try {
    action();
  } catch (error) {
    // `rm --force` of another process was faster.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') warn(request, error);
  }
}

function warn(request: RunRequest, error: unknown): void {
  request.onWarning?.(error instanceof Error ? error.message : String(error));
}
