/** What each layer of a union holds, and which one a path comes from. Rules L1, L2. */
import { readdirSync, type BigIntStats } from 'node:fs';
import { byteStringOf, textOf, type LayerTrace, type LayerUsage } from '@tsc-box/model';
import { isOpaque, isWhiteout, MergedLayers, statQuietly, toBuffer } from './lookup.ts';
import { openTree } from './tree-view.ts';

const rootOf = (layer: string): string => byteStringOf(layer).replace(/\/+$/, '');

/** Reads every directory of every layer once. */
export function usageOfLayers(layers: readonly string[]): readonly LayerUsage[] {
  const union = new MergedLayers(layers);
  return layers.map((layer, index) => {
    const inodes = new Map<string, { readonly size: number; visible: boolean }>();
    walkFiles(rootOf(layer), '', (path, stat) => {
      const key = `${String(stat.dev)}:${String(stat.ino)}`;
      const visible = union.find(path)?.layer === index;
      const known = inodes.get(key);
      // A hard link is used as long as one of its names is seen.
      if (known === undefined) inodes.set(key, { size: Number(stat.size), visible });
      else known.visible ||= visible;
    });
    const all = [...inodes.values()];
    const sum = (items: readonly { readonly size: number }[]): number => items.reduce((total, { size }) => total + size, 0);
    return { size: sum(all), wasted: sum(all.filter(({ visible }) => !visible)) };
  });
}

function walkFiles(root: string, path: string, file: (path: string, stat: BigIntStats) => void): void {
  for (const entry of readdirSync(toBuffer(path === '' ? root : `${root}/${path}`), { encoding: 'latin1', withFileTypes: true })) {
    const child = path === '' ? entry.name : `${path}/${entry.name}`;
    if (entry.isDirectory()) walkFiles(root, child, file);
    else if (entry.isFile()) {
      const stat = statQuietly(`${root}/${child}`);
      if (stat !== undefined) file(child, stat);
    }
  }
}

type Kind = NonNullable<LayerTrace['found']>;

/** What the layer itself has there, whatever is above. */
function kindAt(root: string, path: string): Kind | undefined {
  const stat = statQuietly(path === '' ? root : `${root}/${path}`);
  if (stat === undefined) return undefined;
  if (isWhiteout(stat)) return 'whiteout';
  if (stat.isDirectory()) return isOpaque(path === '' ? root : `${root}/${path}`) ? 'opaque directory' : 'directory';
  return stat.isSymbolicLink() ? 'symlink' : stat.isFile() ? 'file' : 'other';
}

const isDirectory = (kind: Kind | undefined): boolean => kind === 'directory' || kind === 'opaque directory';

/** The path itself and those above it, the longest first; not the root. */
function prefixes(path: string): readonly string[] {
  const parts = path.split('/');
  return parts.map((_, index) => parts.slice(0, parts.length - index).join('/'));
}

/** One for each layer, top first. Links above the last name are followed. */
export function traceLayers(layers: readonly string[], path: string): readonly LayerTrace[] {
  const roots = layers.map(rootOf);
  const bytes = resolveParent(layers, path);
  return roots.map((root, layer): LayerTrace => {
    const found = kindAt(root, bytes);
    if (found === undefined) return { found, visible: false };
    const hiddenBy = hiderOf(roots, layer, bytes, found);
    return { found, visible: hiddenBy === undefined && found !== 'whiteout', ...(hiddenBy === undefined ? {} : { hiddenBy }) };
  });
}

/** The nearest layer above that hides it. */
function hiderOf(roots: readonly string[], layer: number, path: string, found: Kind): LayerTrace['hiddenBy'] {
  if (path === '') return undefined;
  for (let above = layer - 1; above >= 0; above -= 1) {
    for (const prefix of prefixes(path)) {
      const kind = kindAt(roots[above] ?? '', prefix);
      if (kind === undefined) continue;
      const itself = prefix === path;
      const merges = isDirectory(kind) && (!itself || isDirectory(found));
      if (merges && kind !== 'opaque directory') continue;
      return { layer: above, path: `/${textOf(prefix)}`, found: kind };
    }
  }
  return undefined;
}

function resolveParent(layers: readonly string[], path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  const name = parts.pop();
  if (name === undefined) return '';
  const opened = openTree({ kind: 'layers', layers }, parts.join('/'), true);
  opened?.directory.close();
  return [...(opened?.kind === 'directory' ? opened.at.split('/') : parts.map(byteStringOf)), byteStringOf(name)].filter((part) => part !== '').join('/');
}
