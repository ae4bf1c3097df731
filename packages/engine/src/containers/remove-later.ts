/**
 * Removes a container's directory without being waited for: a file system may take half a millisecond for each directory,
 * which is as long as a container takes to start. Node's own threads do it; when the process exits first, its `exit` event does.
 * After a SIGKILL it is left to `removeRemains`, as the directory has no record any more.
 */
import { rm, rmdir, unlink } from 'node:fs';

/** What is still to be removed, and how that is done at once. */
const pending = new Map<string, () => void>();
let hooked = false;

/**
 * `known`: what is most likely in it, below before above. Where there is more, all of it is removed one by one.
 * `removeNow` is the thorough way; what it throws goes to `onError`.
 */
export function removeLater(directory: string, known: readonly KnownEntry[], removeNow: () => void, onError: (error: unknown) => void): void {
  if (!hooked) process.on('exit', flush);
  hooked = true;
  const thorough = (): void => {
    pending.delete(directory);
    try {
      removeNow();
    } catch (error) {
      onError(error);
    }
  };
  pending.set(directory, thorough);
  removeKnown(known, 0, (left) => {
    if (!pending.has(directory)) return;
    if (!left) return void pending.delete(directory);
    rm(directory, { recursive: true, force: true }, (error) => {
      if (!pending.has(directory)) return;
      if (error === null) pending.delete(directory);
      else thorough();
    });
  });
}

export interface KnownEntry {
  readonly path: string;
  readonly directory: boolean;
}

/** Tells whether something was in the way. */
function removeKnown(known: readonly KnownEntry[], index: number, done: (left: boolean) => void): void {
  const entry = known[index];
  if (entry === undefined) return done(false);
  const next = (error: NodeJS.ErrnoException | null): void => {
    if (error !== null && error.code !== 'ENOENT') done(true);
    else removeKnown(known, index + 1, done);
  };
  if (entry.directory) rmdir(entry.path, next);
  else unlink(entry.path, next);
}

function flush(): void {
  for (const thorough of pending.values()) thorough();
}
