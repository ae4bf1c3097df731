import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changesOfUpper, type DiffLowerView, type UpperView } from './changeset.ts';
import { applyLayer, emptyLayer, MemoryUnion, type MemoryDirectory, type MemoryNode } from './memory-layers.ts';
import { readTar } from './tar.testing.ts';
import { joinBytes, tarEnd, tarEntry } from './tar-writer.ts';

/** `d/` is a directory, anything else a file; ` 7` at the end is its mode, else it is 1. */
function layerOf(names: readonly string[], lowers: readonly MemoryDirectory[]): MemoryDirectory {
  const parts = names.map((text) => {
    const [name = '', mode = '1'] = text.split(' ');
    return tarEntry({ type: name.endsWith('/') ? 'directory' : 'file', name, mode: Number(mode) });
  });
  return applyLayer(readTar(joinBytes([...parts, tarEnd()])).map(({ entry }) => entry), lowers);
}

type Shown = Exclude<MemoryNode, { readonly kind: 'whiteout' }>;
const modeOf = (node: Shown): number | undefined => (node.kind === 'directory' ? node.origin?.mode : node.entry.mode);
const same = (a: Shown | undefined, b: Shown | undefined): boolean => a?.kind === b?.kind && (a === undefined || b === undefined || modeOf(a) === modeOf(b));

function changes(upper: MemoryDirectory, lowers: readonly MemoryDirectory[]): string[] {
  const nodeAt = (path: string): MemoryNode | undefined => {
    let node: MemoryNode | undefined = upper;
    for (const name of path === '' ? [] : path.split('/')) node = node?.kind === 'directory' ? node.children.get(name) : undefined;
    return node;
  };
  const upperView: UpperView = {
    list(path) {
      const node = nodeAt(path);
      return node?.kind !== 'directory' ? [] : [...node.children].map(([name, child]) => ({ name, kind: child.kind === 'object' ? 'other' : child.kind, opaque: child.kind === 'directory' && child.opaque }));
    },
  };
  const union = new MemoryUnion(lowers);
  const lowerView: DiffLowerView = {
    lookup: (path) => union.lookup(path),
    children: (path) => union.children(path),
    sameAsUpper(path) {
      const node = nodeAt(path);
      return same(union.find(path), node === undefined || node.kind === 'whiteout' ? undefined : node);
    },
  };
  return changesOfUpper(upperView, lowerView).map(({ kind, path }) => `${kind} ${path}`);
}

const diff = (lower: readonly string[], upper: readonly string[]): string[] => {
  const below = [layerOf(lower, [])];
  return changes(layerOf(upper, below), below);
};

describe('changesOfUpper', () => {
  const lower = ['d/', 'd/a', 'd/s/', 'd/s/x', 'f', 'z'];

  it('K1: what was only copied up is no change', () => {
    expect(diff(lower, ['d/', 'd/a', 'f'])).toEqual([]);
    expect(diff(lower, ['f 2'])).toEqual(['C /f']);
    expect(diff(lower, ['d/ 5'])).toEqual(['C /d']);
  });

  it('K2: added directories list their children; removed ones do not; changed parents are listed once', () => {
    expect(diff(lower, ['d/s/new', 'n/', 'n/m/', 'n/m/x'])).toEqual(['C /d', 'C /d/s', 'A /d/s/new', 'A /n', 'A /n/m', 'A /n/m/x']);
    expect(diff(lower, ['.wh.d', '.wh.z'])).toEqual(['D /d', 'D /z']);
    expect(diff(lower, ['d/.wh.s'])).toEqual(['C /d', 'D /d/s']);
  });

  it('K2: a directory that becomes a file is one change; a file that becomes a directory lists what is in it', () => {
    expect(diff(lower, ['d'])).toEqual(['C /d']);
    expect(diff(lower, ['f/', 'f/in'])).toEqual(['C /f', 'A /f/in']);
  });

  it('case 15: a directory that was removed and made again tells what is gone', () => {
    expect(diff(lower, ['.wh.d', 'd/', 'd/b'])).toEqual(['C /d', 'D /d/a', 'A /d/b', 'D /d/s']);
    expect(diff(lower, ['.wh.d', 'd/', 'd/a'])).toEqual(['C /d', 'D /d/s']);
    expect(diff(lower, ['d/.wh..wh..opq', 'd/s/'])).toEqual(['C /d', 'D /d/a', 'C /d/s', 'D /d/s/x']);
  });

  it('an opaque directory without a counterpart below is an added one', () => {
    const upper = emptyLayer();
    upper.children.set('new', { ...emptyLayer(), opaque: true });
    expect(changes(upper, [layerOf(lower, [])])).toEqual(['A /new']);
  });

  it('lines are sorted by the bytes of their paths', () => {
    expect(diff([], ['b', 'a/', 'a/x', 'a-b', 'B'])).toEqual(['A /B', 'A /a', 'A /a-b', 'A /a/x', 'A /b']);
  });
});

/** K2 by two whole trees, as docker walks them. */
function doubleWalk(before: ReadonlyMap<string, Shown>, after: ReadonlyMap<string, Shown>): string[] {
  const changed = new Set<string>();
  const lines: string[] = [];
  const parents = (path: string): string[] => path.split('/').slice(0, -1).map((_, index, parts) => parts.slice(0, index + 1).join('/'));
  const isDirectory = (tree: ReadonlyMap<string, Shown>, path: string): boolean => path === '' || tree.get(path)?.kind === 'directory';
  const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));
  const note = (kind: string, path: string): void => {
    lines.push(`${kind} /${path}`);
    for (const parent of parents(path)) changed.add(parent);
  };
  for (const path of after.keys()) if (path !== '' && !before.has(path)) note('A', path);
  for (const path of before.keys()) if (!after.has(path) && isDirectory(after, parentOf(path))) note('D', path);
  for (const [path, node] of after) if (path !== '' && before.has(path) && !same(before.get(path), node)) changed.add(path).add(parents(path).at(-1) ?? '');
  for (const path of changed) for (const parent of parents(path)) changed.add(parent);
  for (const path of changed) if (path !== '' && before.has(path)) lines.push(`C /${path}`);
  return lines.sort((a, b) => (a.slice(2) < b.slice(2) ? -1 : 1));
}

describe('the diff of an upper directory', () => {
  it('is that of two walks over the whole trees', () => {
    const path = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
    const mode = fc.constantFrom('', ' 2');
    const added = fc.tuple(path, fc.constantFrom('', '/'), mode).map((parts) => parts.join(''));
    const entry = fc.oneof({ weight: 5, arbitrary: added }, { weight: 2, arbitrary: path.map((text) => text.replace(/[^/]+$/, '.wh.$&')) }, { weight: 1, arbitrary: path.map((text) => `${text}/.wh..wh..opq`) });
    const property = fc.property(fc.array(fc.array(added, { maxLength: 6 }), { minLength: 1, maxLength: 2 }), fc.array(entry, { maxLength: 6 }), (below, above) => {
      let lowers: MemoryDirectory[] = [];
      let upper = emptyLayer();
      try {
        for (const archive of below) lowers = [layerOf(archive, lowers), ...lowers];
        upper = layerOf(above, lowers);
      } catch {
        fc.pre(false);
      }
      expect(changes(upper, lowers)).toEqual(doubleWalk(new MemoryUnion(lowers).list(), new MemoryUnion([upper, ...lowers]).list()));
    });
    fc.assert(property, { numRuns: 1500 });
  });
});
