/** `diff`: what an overlay's upper directory changed, as A, C and D lines: rules K1 and K2. Pure. Paths are byte strings. */
import { textOf } from './bytes.ts';

export interface LayerChange {
  readonly kind: 'C' | 'A' | 'D';
  /** Absolute path inside the container, as text. */
  readonly path: string;
}

export interface UpperEntry {
  readonly name: string;
  readonly kind: 'directory' | 'whiteout' | 'other';
  /** A directory that does not merge with lower ones. */
  readonly opaque: boolean;
}

export interface UpperView {
  /** Entries of the upper directory at `path` ("" is the root). */
  list(path: string): readonly UpperEntry[];
}

export interface DiffLowerView {
  lookup(path: string): { readonly kind: 'directory' | 'symlink' | 'other' } | undefined;
  children(path: string): readonly string[];
  /** K1: mode, owner, device and capabilities are equal, and for all but directories size and mtime. */
  sameAsUpper(path: string): boolean;
}

interface Found {
  readonly kind: LayerChange['kind'];
  readonly path: string;
}

export function changesOfUpper(upper: UpperView, lower: DiffLowerView): LayerChange[] {
  const found: Found[] = [];
  walk(upper, lower, '', { added: false, opaque: false }, found);
  // Bytes, not UTF-16 units: as docker orders them.
  found.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return found.map(({ kind, path }) => ({ kind, path: `/${textOf(path)}` }));
}

interface Inherited {
  /** The directory has no counterpart below. */
  readonly added: boolean;
  /** The directory hides its counterpart's children. */
  readonly opaque: boolean;
}

/** True when anything changed in the directory at `path`. */
function walk(upper: UpperView, lower: DiffLowerView, path: string, inherited: Inherited, found: Found[]): boolean {
  const before = found.length;
  const entries = upper.list(path);
  for (const entry of entries) visit(upper, lower, path === '' ? entry.name : `${path}/${entry.name}`, entry, inherited, found);
  if (inherited.opaque && !inherited.added) {
    const present = new Set(entries.map((entry) => entry.name));
    for (const name of lower.children(path)) if (!present.has(name)) found.push({ kind: 'D', path: path === '' ? name : `${path}/${name}` });
  }
  return found.length > before;
}

function visit(upper: UpperView, lower: DiffLowerView, path: string, entry: UpperEntry, inherited: Inherited, found: Found[]): void {
  const below = inherited.added ? undefined : lower.lookup(path);
  if (entry.kind === 'whiteout') {
    if (below !== undefined) found.push({ kind: 'D', path });
    return;
  }
  const isDirectory = entry.kind === 'directory';
  const merged = isDirectory && below?.kind === 'directory';
  const own: Found = { kind: below === undefined ? 'A' : 'C', path };
  const changed = isDirectory && walk(upper, lower, path, { added: !merged, opaque: merged && (inherited.opaque || entry.opaque) }, found);
  // Files that were copied up and are as before, and parents that were only copied up, are no change.
  const kindChanged = below !== undefined && isDirectory !== (below.kind === 'directory');
  if (below === undefined || kindChanged || changed || !lower.sameAsUpper(path)) found.push(own);
}
