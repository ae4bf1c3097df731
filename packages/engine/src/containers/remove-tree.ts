/**
 * Removes a container's directory whatever the container left in it: names that are no UTF-8, directories of mode 000
 * (overlayfs's own work directory is one), and paths longer than PATH_MAX. Links are never followed.
 */
import { chmodSync, readdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { BoxError, byteStringOf, textOf } from '@tsc-box/model';

/** Bytes. Well under PATH_MAX (4096), so that one more name (255) always fits. */
const LONG_PATH = 3072;

/** Nothing is done where nothing is. @throws BoxError ERR_TSCBOX_STATE when something stays. */
export function removeTree(path: string): void {
  const top = byteStringOf(path);
  let moved = 0;
  const shorten = (directory: string): string => {
    moved += 1;
    const short = `${top}/.long-${moved}`;
    renameSync(bytes(directory), bytes(short));
    return short;
  };
  removeDirectory(top, undefined, shorten);
}

/** `parent`: a directory that may be opened for it; above the top nothing is changed. */
function removeDirectory(directory: string, parent: string | undefined, shorten: (directory: string) => string): void {
  const place = directory.length > LONG_PATH ? shorten(directory) : directory;
  emptyDirectory(place, shorten);
  // Long paths below were moved into the top while it was being emptied.
  while (!withOpened(parent, place, () => attempt(() => rmdirSync(bytes(place))))) {
    if (parent !== undefined || listOf(place).some(({ name }) => !name.startsWith('.long-'))) throw failure(place, 'ENOTEMPTY');
    emptyDirectory(place, shorten);
  }
}

function emptyDirectory(place: string, shorten: (directory: string) => string): void {
  for (const entry of listOf(place)) {
    const child = `${place}/${entry.name}`;
    if (entry.isDirectory()) removeDirectory(child, place, shorten);
    else withOpened(place, child, () => attempt(() => unlinkSync(bytes(child))));
  }
}

const isAscii = (text: string): boolean => !/[^\0-\x7f]/.test(text);

function bytes(byteString: string): string | Buffer {
  return isAscii(byteString) ? byteString : Buffer.from(byteString, 'latin1');
}

function listOf(directory: string): { readonly name: string; isDirectory(): boolean }[] {
  return withOpened(directory, directory, () => {
    try {
      return readdirSync(bytes(directory), { encoding: 'latin1', withFileTypes: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  });
}

/** Does something in a directory; when that lacks permissions and is ours, it is opened and all is tried again, once. */
function withOpened<T>(directory: string | undefined, object: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' || directory === undefined) throw failure(object, code, error);
    try {
      chmodSync(bytes(directory), 0o700);
      return action();
    } catch (again) {
      throw failure(object, (again as NodeJS.ErrnoException).code, again);
    }
  }
}

/** True when it is done, or there was nothing to do; false for a directory that is not empty. Refusals are thrown. */
function attempt(action: () => void): boolean {
  try {
    action();
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return true;
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
    throw error;
  }
}

function failure(byteString: string, errno: string | undefined, cause?: unknown): BoxError {
  const path = textOf(byteString);
  return new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `remove "${path}"`, errno, path, cause });
}
