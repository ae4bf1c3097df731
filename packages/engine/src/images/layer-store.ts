/**
 * Unpacked layers by chain id. A layer appears by one rename, whole and verified, and is never changed afterwards.
 * What is being unpacked lies beside them under a name that says by whom, so that a crash leaves nothing for good.
 */
import { readdirSync, readFileSync, readlinkSync, renameSync, rmSync, statSync, writeFileSync, mkdirSync } from 'node:fs';
import { BoxError } from '@tsc-box/model';
import { bootId, launcherIdentity } from '../containers/identity.ts';
import { removeTree } from '../containers/remove-tree.ts';

const TEMPORARY = '.unpacking-';
const LOCK = '.lock-';
/** Of a process that can't be looked up, because it runs in another pid namespace. */
const FOREIGN_AGE_MS_MAX = 24 * 3600 * 1000;
const LOCK_POLL_MS = 50;

/** Who works on a layer: `pid`, start time (proc(5), /proc/PID/stat, field 22), inode of its pid namespace, and boot. */
interface Owner {
  readonly pid: number;
  readonly startTime: number;
  readonly pidNamespace: string;
  readonly boot: string;
}

export class LayerStore {
  readonly #root: string;
  #count = 0;

  constructor(root: string) {
    this.#root = root;
  }

  pathOf(chainId: string): string {
    return `${this.#root}/${chainId}`;
  }

  has(chainId: string): boolean {
    return statSync(this.pathOf(chainId), { throwIfNoEntry: false })?.isDirectory() === true;
  }

  /** Makes the store, and removes what crashed processes left. */
  prepare(): void {
    try {
      mkdirSync(this.#root, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `make the directory "${this.#root}"`, errno: (error as NodeJS.ErrnoException).code, path: this.#root, cause: error });
    }
    sweepLayers(this.#root);
  }

  /** A new empty directory. */
  makeTemporary(): string {
    this.#count += 1;
    const path = `${this.#root}/${TEMPORARY}${formatOwner(self())},${String(process.hrtime.bigint())},${String(this.#count)}`;
    mkdirSync(path, { mode: 0o700 });
    return path;
  }

  discard(temporary: string): void {
    removeTree(temporary);
  }

  /** Atomic. Where another process was faster, its layer stays and ours goes. */
  publish(temporary: string, chainId: string): void {
    try {
      renameSync(temporary, this.pathOf(chainId));
    } catch (error) {
      const errno = (error as NodeJS.ErrnoException).code;
      if (errno !== 'ENOTEMPTY' && errno !== 'EEXIST') throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `store layer ${chainId}`, errno, path: this.pathOf(chainId), cause: error });
      removeTree(temporary);
    }
  }

  /**
   * Waits until no other process unpacks the layer. Only saves double work: it is the rename that keeps layers whole.
   * @returns how to give it back; undefined when the layer came to be meanwhile.
   */
  async lock(chainId: string): Promise<(() => void) | undefined> {
    const path = `${this.#root}/${LOCK}${chainId}`;
    for (;;) {
      if (this.has(chainId)) return undefined;
      if (tryCreate(path)) return () => rmSync(path, { force: true });
      if (isGone(readLock(path), path)) rmSync(path, { force: true });
      else await new Promise((resolve) => void setTimeout(resolve, LOCK_POLL_MS));
    }
  }
}

/** Removes what crashed processes left in a store. Nothing is done where there is none. */
export function sweepLayers(root: string): void {
  for (const name of namesIn(root)) {
    const path = `${root}/${name}`;
    if (name.startsWith(TEMPORARY) && isGone(parseOwner(name.slice(TEMPORARY.length)), path)) removeTree(path);
    if (name.startsWith(LOCK) && isGone(readLock(path), path)) rmSync(path, { force: true });
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function tryCreate(path: string): boolean {
  try {
    writeFileSync(path, formatOwner(self()), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function self(): Owner {
  return { ...launcherIdentity(), pidNamespace: pidNamespace(), boot: bootId() };
}

function pidNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    return '0';
  }
}

const formatOwner = ({ pid, startTime, pidNamespace: namespace, boot }: Owner): string => [String(pid), String(startTime), namespace, boot].join(',');

function parseOwner(text: string): Owner | undefined {
  const [pid = '', startTime = '', namespace = '', boot = ''] = text.split(',');
  return /^[0-9]+$/.test(pid) && /^[0-9]+$/.test(startTime) ? { pid: Number(pid), startTime: Number(startTime), pidNamespace: namespace, boot } : undefined;
}

function readLock(path: string): Owner | undefined {
  try {
    return parseOwner(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Unknown owners are judged by age: a lock is empty for a moment before it is written. */
function isGone(owner: Owner | undefined, path: string): boolean {
  if (owner !== undefined && owner.boot !== bootId()) return true;
  if (owner === undefined || owner.pidNamespace !== pidNamespace()) {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat !== undefined && Date.now() - stat.mtimeMs > (owner === undefined ? 60_000 : FOREIGN_AGE_MS_MAX);
  }
  return !isRunning(owner);
}

function isRunning({ pid, startTime }: Owner): boolean {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]) === startTime;
  } catch {
    return false;
  }
}
