/** A directory tree as data, to be compared: kinds, modes, owners, sizes, times, contents, attributes, hard links. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface TreeOptions {
  /** Directories' times differ between tools for parents that the archive only implies. */
  readonly directoryTimes?: boolean;
}

/** One line an object, by path. Paths are Latin-1 so that any name can be compared. */
export function describeTree(root: string, options: TreeOptions = {}): Map<string, string> {
  const found = new Map<string, string>();
  const firstNames = new Map<bigint, string>();
  const visit = (path: string): void => {
    const full = path === '' ? root : `${root}/${path}`;
    const bytes = Buffer.from(full, 'latin1');
    const stat = lstatSync(bytes, { bigint: true });
    const parts = [stat.mode.toString(8), `${String(stat.uid)}:${String(stat.gid)}`];
    if (!stat.isDirectory() || options.directoryTimes === true) parts.push(String(stat.mtimeNs / 1_000_000_000n));
    if (stat.isSymbolicLink()) parts.push(readlinkSync(bytes, 'latin1'));
    if (stat.isFile()) parts.push(String(stat.size), createHash('sha256').update(readFileSync(bytes)).digest('hex').slice(0, 16));
    if (stat.isCharacterDevice() || stat.isBlockDevice()) parts.push(String(stat.rdev));
    if (stat.nlink > 1n && !stat.isDirectory()) {
      parts.push(`same as ${firstNames.get(stat.ino) ?? path}`);
      if (!firstNames.has(stat.ino)) firstNames.set(stat.ino, path);
    }
    found.set(path === '' ? '.' : path, parts.join(' '));
    if (!stat.isDirectory()) return;
    for (const name of readdirSync(bytes, 'latin1').sort()) visit(path === '' ? name : `${path}/${name}`);
  };
  visit('');
  return found;
}

/** Lines that differ, for short failures. */
export function differences(ours: ReadonlyMap<string, string>, theirs: ReadonlyMap<string, string>): string[] {
  const lines: string[] = [];
  for (const path of new Set([...ours.keys(), ...theirs.keys()])) {
    const [a, b] = [ours.get(path), theirs.get(path)];
    if (a !== b) lines.push(`${path}: ours ${a ?? 'nothing'}, theirs ${b ?? 'nothing'}`);
  }
  return lines;
}

/** Mounts the layers (top first) read-only while `use` runs. `userxattr`: as in a user namespace. Needs root. */
export function withUnion<T>(lowerdirs: readonly string[], mountpoint: string, use: (merged: string) => T, userxattr = false): T {
  const dirs = lowerdirs.length === 1 ? [...lowerdirs, ...lowerdirs.map((path) => `${path}/../empty`)] : lowerdirs;
  const options = `lowerdir=${dirs.join(':')},index=off,metacopy=off,redirect_dir=nofollow,xino=off${userxattr ? ',userxattr' : ''}`;
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, mountpoint]);
  try {
    return use(mountpoint);
  } finally {
    execFileSync('umount', [mountpoint]);
  }
}
