/** Skeletons: lower directories shared by the containers of a user namespace, named by what is in them. */
import { createHash } from 'node:crypto';
import { existsSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { identityText, launcherIdentity } from './identity.ts';
import { makeLayout, type LayoutEntry, type Owner } from './layout.ts';
import { MAKING } from './remains.ts';
import { removeTree } from './remove-tree.ts';

/** The name depends on every path, mode, owner, link and byte. */
export function skeletonName(entries: readonly LayoutEntry[], owner: Owner | undefined): string {
  const hash = createHash('sha256').update(JSON.stringify(owner ?? null));
  for (const entry of entries) {
    hash.update(`\0${entry.kind}\0${entry.path}\0`);
    if (entry.kind === 'symlink') hash.update(entry.target);
    else hash.update(String(entry.mode));
    if (entry.kind === 'file') hash.update('\0').update(entry.data);
  }
  return hash.digest('hex').slice(0, 32);
}

/** Atomic: another process may be making the same one. */
export function makeSkeleton(path: string, entries: readonly LayoutEntry[], owner: Owner | undefined): void {
  if (existsSync(path)) return;
  const temporary = join(dirname(path), `${MAKING}${identityText(launcherIdentity())}`);
  removeTree(temporary);
  makeLayout([{ kind: 'directory', path: temporary, mode: 0o755, owner }, ...entries.map((entry) => ({ ...entry, path: `${temporary}${entry.path}` }))]);
  try {
    renameSync(temporary, path);
  } catch (error) {
    removeTree(temporary);
    if (!existsSync(path)) throw error;
  }
}
