/**
 * A lock between processes that a killed holder can't leave behind, made of files alone.
 *
 * The directory holds numbered files; the one with the highest number is the lock. It names its holder, or is empty when it was
 * given back. Who finds it empty, or its holder dead, makes the next number by link(2), at which one of many succeeds. So a stale
 * lock is never removed under a new holder, as happens with a lock file that is unlinked and made again.
 * INVARIANT: numbers only rise, and the last few stay, so that no number is given twice.
 */
import { link, open, readdir, readFile, rm, stat, truncate, unlink } from 'node:fs/promises';
import { BoxError } from '@tsc-box/model';
import { errnoOf, makeDirectory, stateError } from './durable.ts';
import { formatOwner, isRunning, ownIdentity, parseOwner } from './owner.ts';

const KEPT = 16;
const POLL_MS_MIN = 2;
const POLL_MS_MAX = 50;
/** A holder in another pid namespace can't be looked up; nothing here holds a lock that long. */
const FOREIGN_AGE_MS_MAX = 10 * 60_000;
const WAIT_MS_MAX = 120_000;

export interface FileLock {
  /** Runs `action` while no one else holds the lock. @throws BoxError ERR_TSCBOX_STATE when it can't be had in time. */
  hold<T>(action: () => Promise<T>): Promise<T>;
}

let serial = 0;

export interface LockOptions {
  /** Milliseconds to wait for it at most. Default: two minutes. */
  readonly waitMsMax?: number;
  /** What it locks, for messages. */
  readonly what?: string;
}

/** `directory` is made at first use. */
export function fileLock(directory: string, { waitMsMax = WAIT_MS_MAX, what = 'the image store' }: LockOptions = {}): FileLock {
  // Those of this process queue here, so that they don't poll.
  let last: Promise<unknown> = Promise.resolve();
  return {
    hold(action) {
      const run = last.then(async () => {
        const path = await acquire(directory, waitMsMax, what);
        try {
          return await action();
        } finally {
          await release(path);
        }
      });
      last = run.catch(() => undefined);
      return run;
    },
  };
}

async function acquire(directory: string, waitMsMax: number, what: string): Promise<string> {
  await makeDirectory(directory);
  const end = Date.now() + waitMsMax;
  for (let pollMs = POLL_MS_MIN; ; pollMs = Math.min(POLL_MS_MAX, pollMs * 2)) {
    const top = Math.max(0, ...numbersOf(await readdir(directory)));
    const holder = top === 0 ? undefined : await holderOf(`${directory}/${String(top)}`);
    if (holder === undefined) {
      if (await claim(directory, top + 1)) return `${directory}/${String(top + 1)}`;
      continue;
    }
    if (Date.now() > end) {
      throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `lock ${what}`, detail: `process ${holder} has held it for ${String(Math.round(waitMsMax / 1000))} s`, path: `${directory}/${String(top)}` });
    }
    await new Promise((resolve) => void setTimeout(resolve, pollMs * (0.5 + Math.random())));
  }
}

const numbersOf = (names: readonly string[]): number[] => names.filter((name) => /^[1-9]\d{0,14}$/.test(name)).map(Number);

/** A temporary file of a dead process. */
function isRemains(name: string): boolean {
  const owner = name.startsWith('.') ? parseOwner(name.slice(1, name.lastIndexOf(','))) : undefined;
  return owner !== undefined && isRunning(owner) === false;
}

/** The pid of a holder that may be running. */
async function holderOf(path: string): Promise<string | undefined> {
  try {
    const owner = parseOwner((await readFile(path, 'utf8')).trim());
    if (owner === undefined) return undefined;
    const running = isRunning(owner) ?? Date.now() - (await stat(path)).mtimeMs < FOREIGN_AGE_MS_MAX;
    return running ? String(owner.pid) : undefined;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw stateError('lock the image store', path, error);
  }
}

async function claim(directory: string, number: number): Promise<boolean> {
  const temporary = await writeTemporary(directory);
  const path = `${directory}/${String(number)}`;
  try {
    await link(temporary, path);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw stateError('lock the image store', path, error);
  } finally {
    await rm(temporary, { force: true });
  }
  const names = await readdir(directory);
  const numbers = numbersOf(names);
  // We were slow: others had the lock, gave it back, and even its number was tidied away.
  if (numbers.some((other) => other > number)) {
    await unlink(path).catch(() => undefined);
    return false;
  }
  const old = numbers.filter((other) => other <= number - KEPT).map(String);
  await Promise.all([...old, ...names.filter(isRemains)].map((name) => rm(`${directory}/${name}`, { force: true })));
  return true;
}

/** In place, since that works on a full disk too. */
async function release(path: string): Promise<void> {
  try {
    await truncate(path);
  } catch (error) {
    // Someone took us for dead, and has tidied up since.
    if (errnoOf(error) !== 'ENOENT') throw stateError('unlock the image store', path, error);
  }
}

async function writeTemporary(directory: string): Promise<string> {
  serial += 1;
  const path = `${directory}/.${formatOwner(ownIdentity())},${String(serial)}`;
  try {
    const file = await open(path, 'w', 0o600);
    try {
      await file.writeFile(formatOwner(ownIdentity()));
    } finally {
      await file.close();
    }
  } catch (error) {
    throw stateError('lock the image store', path, error);
  }
  return path;
}
