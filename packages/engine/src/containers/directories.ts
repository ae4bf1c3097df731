/** Where the engine keeps things, and who may enter. */
import { lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { BoxError, type Facts } from '@tsc-box/model';
import type { EngineOptions } from './types.ts';

export interface Directories {
  readonly root: string;
  readonly runRoot: string;
  /** One directory a container, by id. */
  readonly containers: string;
  /** One file a detached container, by id: written by its monitor when it has ended. */
  readonly exits: string;
  /** Locks of containers, by id. */
  readonly locks: string;
  /** One symbolic link a name, to the id. */
  readonly names: string;
  /** Extracted layers by chain id. */
  readonly layers: string;
  /** The image store. */
  readonly images: string;
  /** Lower directories that stand for the directories of the host which hold mounts. */
  readonly skeletons: string;
  /** Things that can be made again, such as compiled seccomp programs. */
  readonly cache: string;
  /** Every container mounts its root here, each in its own mount namespace. */
  readonly mountpoint: string;
}

/** Pure but for the environment. @throws BoxError where no home directory is known. */
export function planDirectories(options: Pick<EngineOptions, 'root' | 'runRoot' | 'env'>, facts: Pick<Facts, 'uid'>): Directories {
  const env = options.env ?? process.env;
  const root = options.root === undefined ? defaultRoot(env, facts.uid) : resolve(options.root);
  const runRoot = options.runRoot !== undefined ? resolve(options.runRoot) : options.root === undefined ? defaultRunRoot(env, facts.uid) : join(root, 'run');
  const under = (name: string): string => join(root, name);
  return {
    root, runRoot, containers: under('containers'), exits: under('exits'), locks: under('locks'), names: under('names'), layers: under('layers'), images: under('images'), skeletons: under('skeletons'),
    cache: under('cache'), mountpoint: join(runRoot, 'root'),
  };
}

type Env = Readonly<Record<string, string | undefined>>;

/** XDG base directory specification: a relative value is not valid and is passed over. */
function absolute(value: string | undefined): string | undefined {
  return value?.startsWith('/') === true ? value : undefined;
}

function defaultRoot(env: Env, uid: number): string {
  if (uid === 0) return '/var/lib/tsc-box';
  const data = absolute(env['XDG_DATA_HOME']);
  if (data !== undefined) return join(data, 'tsc-box');
  const home = absolute(env['HOME']);
  if (home === undefined) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: 'find a place for containers', detail: 'neither XDG_DATA_HOME nor HOME holds an absolute path', hint: 'use --root DIR' });
  return join(home, '.local/share/tsc-box');
}

function defaultRunRoot(env: Env, uid: number): string {
  if (uid === 0) return '/run/tsc-box';
  const runtime = absolute(env['XDG_RUNTIME_DIR']);
  return runtime === undefined ? join(tmpdir(), `tsc-box-${uid}`) : join(runtime, 'tsc-box');
}

/**
 * Makes them where they are missing. As root the upper ones may be passed through (0711), since a container in a user
 * namespace must reach its own directory as its own root; what lies in them is closed by itself.
 * @throws BoxError where a directory belongs to somebody else: /tmp is open to all.
 */
export function makeDirectories(directories: Directories, uid: number): void {
  const passage = uid === 0 ? 0o711 : 0o700;
  makeOwned(directories.root, passage, uid);
  makeOwned(directories.runRoot, passage, uid);
  for (const path of [directories.containers, directories.skeletons, directories.mountpoint]) makeOne(path, passage);
  for (const path of [directories.names, directories.layers, directories.cache, directories.exits, directories.locks]) makeOne(path, 0o700);
}

function makeOwned(path: string, mode: number, uid: number): void {
  try {
    mkdirSync(path, { recursive: true, mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `make the directory "${path}"`, errno: code, path, cause: error, hint: code === 'EACCES' || code === 'EROFS' || code === 'EPERM' ? 'use --root DIR with a directory that you may write to' : undefined });
  }
  const stat = lstatSync(path);
  if (stat.isSymbolicLink() && uid === 0) return;
  if (stat.uid !== uid) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `use "${path}"`, detail: `it belongs to uid ${stat.uid}, not to ${uid}`, path, hint: 'use --root DIR, or remove it' });
  if (!stat.isDirectory() && !stat.isSymbolicLink()) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `use "${path}"`, detail: 'it is no directory', path });
  if (stat.isDirectory() && (stat.mode & 0o022) !== 0) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `use "${path}"`, detail: `others may write to it: its mode is ${(stat.mode & 0o7777).toString(8)}`, path, hint: `chmod go-w ${path}` });
}

function makeOne(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
