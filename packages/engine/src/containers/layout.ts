/** Files and directories that a container needs before it is launched, as data, and the making of them. */
import { chmodSync, chownSync, closeSync, fchmodSync, fchownSync, mkdirSync, openSync, symlinkSync, writeSync } from 'node:fs';

/** Who owns it, when that isn't the launching process. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export type LayoutEntry =
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number; readonly owner?: Owner | undefined }
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly data: string | Buffer; readonly owner?: Owner | undefined }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string };

/** In order. Nothing may be there yet. Modes are exact, whatever the umask. */
export function makeLayout(entries: readonly LayoutEntry[]): void {
  const umask = process.umask();
  for (const entry of entries) {
    if (entry.kind === 'symlink') symlinkSync(entry.target, entry.path);
    else if (entry.kind === 'directory') makeDirectory(entry.path, entry.mode, entry.owner, umask);
    else makeFile(entry.path, entry.mode, entry.data, entry.owner, umask);
  }
}

/** ORDER: owner before mode, since a change of owner clears the set-id bits (chown(2)). */
function makeDirectory(path: string, mode: number, owner: Owner | undefined, umask: number): void {
  mkdirSync(path, { mode: mode & 0o777 });
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
  if (owner !== undefined || (mode & 0o7000) !== 0 || (mode & umask) !== 0) chmodSync(path, mode);
}

function makeFile(path: string, mode: number, data: string | Buffer, owner: Owner | undefined, umask: number): void {
  const fd = openSync(path, 'wx', mode & 0o777);
  try {
    if (data.length > 0) writeAll(fd, typeof data === 'string' ? Buffer.from(data) : data);
    if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
    if (owner !== undefined || (mode & umask) !== 0) fchmodSync(fd, mode);
  } finally {
    closeSync(fd);
  }
}

function writeAll(fd: number, data: Buffer): void {
  for (let done = 0; done < data.length; ) done += writeSync(fd, data, done);
}
