/** Files that are whole after a crash: written under a temporary name, synced, renamed, and the directory synced. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { BoxError } from '@tsc-box/model';

export const errnoOf = (error: unknown): string | undefined => (error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined);

export function stateError(attempted: string, path: string, error: unknown): BoxError {
  if (error instanceof BoxError) return error;
  const errno = errnoOf(error);
  const detail = errno === undefined && error instanceof Error ? error.message : undefined;
  const hint = errno === 'ENOSPC' ? 'free some room, or choose another place with --root DIR' : undefined;
  return new BoxError({ code: 'ERR_TSCBOX_STATE', attempted, errno, detail, path, hint, cause: error });
}

/** Replaces `path` at once. `temporaryDirectory` is on the same file system. */
export async function writeDurably(path: string, data: string | Uint8Array, temporaryDirectory: string): Promise<void> {
  const temporary = `${temporaryDirectory}/write-${randomBytes(8).toString('hex')}`;
  try {
    const file = await open(temporary, 'wx', 0o644);
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw stateError(`write "${path}"`, path, error);
  }
  await syncDirectory(path.slice(0, path.lastIndexOf('/')));
}

/** Makes the names in it last. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    const directory = await open(path, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  } catch (error) {
    // Some network and FUSE file systems have no fsync of directories.
    if (errnoOf(error) !== 'EINVAL') throw stateError(`sync "${path}"`, path, error);
  }
}

export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw stateError(`make the directory "${path}"`, path, error);
  }
}
