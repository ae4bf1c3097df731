/**
 * One at a time starts, settles, changes or removes a container. The files are those of `fileLock` (store/lock.ts), and so is the rule;
 * but this lock is taken and given back within one call, so that what is done under it can't be interleaved in this process either,
 * and commands that may not wait for anything (`ps`) can use it.
 */
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { BoxError } from '@tsc-box/model';
import { formatOwner, isRunning, ownIdentity, parseOwner } from '../store/owner.ts';
import { randomBytes } from './random.ts';

const KEPT = 4;
const PAUSE_MS = 2;
const WAIT_MS_MAX = 60_000;
/** Milliseconds. A holder in another pid namespace can't be looked up; nothing here holds a lock that long. */
const FOREIGN_AGE_MS_MAX = 10 * 60_000;

export interface ContainerLocks {
  /** Waits for it. Within itself it is free. @throws BoxError ERR_TSCBOX_STATE when somebody holds it too long */
  hold<T>(id: string, action: () => T): T;
  /** Undefined, and nothing done, when somebody else has it. */
  tryHold<T>(id: string, action: () => T): T | undefined;
}

/** `directory`: holds one directory a container, made at first use and removed with the container. */
export function containerLocks(directory: string): ContainerLocks {
  const held = new Set<string>();
  const during = <T>(id: string, path: string, action: () => T): T => {
    held.add(id);
    try {
      return action();
    } finally {
      held.delete(id);
      release(path);
    }
  };
  return {
    hold(id, action) {
      if (held.has(id)) return action();
      const taken = acquire(`${directory}/${id}`, WAIT_MS_MAX);
      if ('path' in taken) return during(id, taken.path, action);
      throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `lock the container ${id.slice(0, 12)}`, detail: `process ${taken.holder} has held it for ${String(WAIT_MS_MAX / 1000)} s` });
    },
    tryHold(id, action) {
      if (held.has(id)) return action();
      const taken = acquire(`${directory}/${id}`, 0);
      return 'path' in taken ? during(id, taken.path, action) : undefined;
    },
  };
}

function acquire(directory: string, waitMsMax: number): { readonly path: string } | { readonly holder: string } {
  const end = Date.now() + waitMsMax;
  for (;;) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const top = Math.max(0, ...numbersIn(directory));
    const holder = top === 0 ? undefined : holderOf(`${directory}/${String(top)}`);
    if (holder === undefined) {
      if (claim(directory, top + 1)) return { path: `${directory}/${String(top + 1)}` };
      continue;
    }
    if (Date.now() >= end) return { holder };
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
  }
}

/** None where its container has just been removed. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

const numbersIn = (directory: string): number[] => numbersAmong(namesIn(directory));
const numbersAmong = (names: readonly string[]): number[] => names.filter((name) => /^[1-9]\d{0,14}$/.test(name)).map(Number);
const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** The pid of a holder that may be running. An empty file was given back. */
function holderOf(path: string): string | undefined {
  try {
    const owner = parseOwner(readFileSync(path, 'utf8').trim());
    if (owner === undefined) return undefined;
    return (isRunning(owner) ?? Date.now() - statSync(path).mtimeMs < FOREIGN_AGE_MS_MAX) ? String(owner.pid) : undefined;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function claim(directory: string, number: number): boolean {
  const owner = formatOwner(ownIdentity());
  // Threads of one process have one identity.
  const temporary = `${directory}/.${owner},${randomBytes(6).toString('hex')}`;
  const path = `${directory}/${String(number)}`;
  try {
    writeFileSync(temporary, owner, { mode: 0o600 });
    linkSync(temporary, path);
  } catch (error) {
    // Another one was faster, or the container and its locks have just been removed.
    if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOENT') return false;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
  const names = namesIn(directory);
  const numbers = numbersAmong(names);
  // We were slow: others had the lock, gave it back, and even its number was tidied away.
  if (!numbers.includes(number) || numbers.some((other) => other > number)) {
    rmSync(path, { force: true });
    return false;
  }
  for (const name of names) if (Number(name) <= number - KEPT || isRemains(name)) rmSync(`${directory}/${name}`, { force: true });
  return true;
}

/** A temporary file of a dead process. */
function isRemains(name: string): boolean {
  const owner = name.startsWith('.') ? parseOwner(name.slice(1, name.lastIndexOf(','))) : undefined;
  return owner !== undefined && isRunning(owner) === false;
}

/** In place, since that works on a full disk too. */
function release(path: string): void {
  try {
    truncateSync(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

