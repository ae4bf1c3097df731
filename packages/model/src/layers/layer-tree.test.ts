import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyLayer, MemoryUnion, type MemoryDirectory, type MemoryNode } from './memory-layers.ts';
import { classifyName, splitLayerPath } from './names.ts';
import { readTar } from './tar.testing.ts';
import type { TarEntry } from './tar-types.ts';
import { joinBytes, tarEnd, tarEntry } from './tar-writer.ts';

/** `d/` is a directory, `a -> b` a symbolic link, `a = b` a hard link, anything else a file. */
function entries(...names: readonly string[]): TarEntry[] {
  const parts = names.map((text, index) => {
    const [, name = '', sign, linkName = ''] = /^(.*?)(?: (->|=) (.*))?$/.exec(text) ?? [];
    const type = sign === '->' ? 'symlink' : sign === '=' ? 'hardlink' : name.endsWith('/') ? 'directory' : 'file';
    // The mode tells entries apart.
    return tarEntry({ type, name, linkName, mode: index + 1 });
  });
  return readTar(joinBytes([...parts, tarEnd()])).map(({ entry }) => entry);
}

/** Layers from the bottom up; the result is top first. */
function stack(...layers: readonly (readonly string[])[]): MemoryDirectory[] {
  let lowers: MemoryDirectory[] = [];
  for (const layer of layers) lowers = [applyLayer(entries(...layer), lowers), ...lowers];
  return lowers;
}

const shown = (layers: readonly MemoryDirectory[]): string[] => [...new MemoryUnion(layers).list().keys()].filter((path) => path !== '').sort();

/** What lies on disk: `name`, `name/`, `name/ opaque`, `name whiteout`. */
function onDisk(layer: MemoryDirectory | undefined): string[] {
  const lines: string[] = [];
  const visit = (node: MemoryNode, path: string): void => {
    if (node.kind === 'directory') {
      if (path !== '') lines.push(`${path}/${node.opaque ? ' opaque' : ''}`);
      for (const [name, child] of node.children) visit(child, path === '' ? name : `${path}/${name}`);
    } else lines.push(node.kind === 'whiteout' ? `${path} whiteout` : path);
  };
  if (layer !== undefined) visit(layer, '');
  return lines.sort();
}

const top = (...layers: readonly (readonly string[])[]): string[] => onDisk(stack(...layers)[0]);

describe('applyLayer', () => {
  it('T2: an opaque mark hides lower children and keeps those of its own layer, in any order', () => {
    const lower = ['d/', 'd/old', 'd/sub/', 'd/sub/old'];
    for (const layer of [['d/.wh..wh..opq', 'd/new', 'd/sub/new'], ['d/new', 'd/sub/new', 'd/.wh..wh..opq'], ['d/sub/new', 'd/.wh..wh..opq', 'd/new']]) {
      expect(shown(stack(lower, layer))).toEqual(['d', 'd/new', 'd/sub', 'd/sub/new']);
      expect(top(lower, layer)).toEqual(['d/ opaque', 'd/new', 'd/sub/', 'd/sub/new']);
    }
  });

  it('T2: a whiteout removes what lies below, never what its own layer has', () => {
    expect(shown(stack(['a', 'b/', 'b/x'], ['.wh.a', '.wh.b', 'b/y', 'c', '.wh.c']))).toEqual(['b', 'b/y', 'c']);
    expect(top(['a'], ['a', '.wh.a'])).toEqual(['a']);
  });

  it('T2: an opaque root hides every name below it', () => {
    expect(shown(stack(['a', 'b/', 'b/c'], ['.wh..wh..opq', 'b/d']))).toEqual(['b', 'b/d']);
    expect(top(['a', 'b/', 'b/c'], ['.wh..wh..opq', 'b/d'])).toEqual(['a whiteout', 'b/ opaque', 'b/d']);
  });

  it('T4, L5: a whiteout of nothing leaves nothing, also in directories that are new or opaque', () => {
    expect(top(['a'], ['.wh.b', 'c/.wh.d', 'a/.wh.e'])).toEqual([]);
    expect(top(['d/', 'd/a'], ['d/.wh.a', 'd/.wh..wh..opq', 'new/', 'new/.wh.a'])).toEqual(['d/ opaque', 'new/']);
    expect(top(['d/', 'd/s/', 'd/s/a'], ['d/s/.wh.a', 'd/.wh..wh..opq'])).toEqual(['d/ opaque', 'd/s/']);
  });

  it('T4: what AUFS left is dropped; its pseudo links serve as targets of hard links', () => {
    expect(top(['a'], ['.wh..wh.aufs', '.wh..wh.orph/x', '.wh..wh.plnk/12.34', 'f = .wh..wh.plnk/12.34', 'g = f'])).toEqual(['f', 'g']);
  });

  it('T5: a directory over a whiteout of its own layer is opaque; over a lower file it needs no mark', () => {
    expect(top(['d/', 'd/a'], ['.wh.d', 'd/', 'd/b'])).toEqual(['d/ opaque', 'd/b']);
    expect(top(['d/', 'd/a'], ['d', 'd/'])).toEqual(['d/ opaque']);
    expect(top(['f'], ['f/', 'f/a'])).toEqual(['f/', 'f/a']);
    expect(shown(stack(['f'], ['f/', 'f/a']))).toEqual(['f', 'f/a']);
  });

  it('case 1 and 2: directories under a whiteout or an opaque mark do not merge with those further below', () => {
    expect(shown(stack(['dir1/', 'dir1/dir2/', 'dir1/dir2/foo'], ['.wh.dir1'], ['dir1/', 'dir1/dir2/']))).toEqual(['dir1', 'dir1/dir2']);
    expect(shown(stack(['dir1/', 'dir1/dir2/', 'dir1/dir2/foo'], ['dir1/', 'dir1/.wh..wh..opq', 'dir1/dir2/']))).toEqual(['dir1', 'dir1/dir2']);
    expect(shown(stack(['d/', 'd/a'], ['d'], ['d/', 'd/b']))).toEqual(['d', 'd/b']);
  });

  it('case 9: a whiteout in the root hides a name of the root only', () => {
    expect(shown(stack(['root/', 'root/test', 'test'], ['.wh.test']))).toEqual(['root', 'root/test']);
  });

  it('case 27: a directory that becomes a link leaves only the link', () => {
    const layers = stack(['a/', 'a/x', 'b/'], ['a -> b', 'a2']);
    expect(onDisk(layers[0])).toEqual(['a', 'a2']);
    expect(shown(layers)).toEqual(['a', 'a2', 'b']);
    expect(shown(stack(['a/', 'a/x', 'b/'], ['a/.wh.a', 'a -> b']))).toEqual(['a', 'b']);
  });

  it('case 30: a name that is rewritten leaves its hard links alone; a target may be below', () => {
    const layers = stack(['t1', 't2 = t1', 't3 = t1'], ['t1', 't4 = t2']);
    const union = new MemoryUnion(layers);
    const identity = (path: string): object | undefined => {
      const node = union.find(path);
      return node?.kind === 'object' ? node.identity : undefined;
    };
    expect(identity('t4')).toBe(identity('t2'));
    expect(identity('t1')).not.toBe(identity('t3'));
    expect(shown(stack(['t', 'l = t'], ['.wh.t']))).toEqual(['l']);
    expect(() => stack(['t'], ['.wh.t', 'l = t'])).toThrow(/does not exist yet/);
  });

  it('T1: a hard link can not take the place of the directory that its target is in', () => {
    expect(() => stack(['d/', 'd/f'], ['d = d/f'])).toThrow(/in the place of the directory/);
    expect(() => stack(['d/', 'd/f', 'd = d/f'])).toThrow(/in the place of the directory/);
  });

  it('case 36: an absolute target of a hard link is one inside the root', () => {
    expect(top(['d/', 'd/f'], ['l = /d/f'])).toEqual(['d/', 'd/f', 'l']);
  });

  it('entries through links land where the links lead, inside the root', () => {
    expect(shown(stack(['lib -> usr/lib', 'usr/lib/'], ['lib/x', 'lib/.wh.none']))).toEqual(['lib', 'usr', 'usr/lib', 'usr/lib/x']);
    expect(shown(stack(['lib -> /../../usr/lib', 'usr/lib/old'], ['lib/.wh.old', 'lib/y/z']))).toEqual(['lib', 'usr', 'usr/lib', 'usr/lib/y', 'usr/lib/y/z']);
    expect(shown(stack(['out -> ../../..'], ['out/x']))).toEqual(['out', 'x']);
  });

  it('T6: implied parents keep the attributes of the lower directory, unless this layer removed it', () => {
    const mode = (layers: readonly MemoryDirectory[], path: string): number | undefined => {
      const node = new MemoryUnion(layers).find(path);
      return node?.kind === 'directory' ? node.origin?.mode : undefined;
    };
    const lower = ['x', 'd/', 'd/e/'];
    expect(mode(stack(lower, ['d/e/new']), 'd/e')).toBe(3);
    expect(mode(stack(lower, ['.wh.d', 'd/e/new']), 'd/e')).toBeUndefined();
    expect(mode(stack(lower, ['d/e/new', '.wh.d']), 'd')).toBeUndefined();
    expect(mode(stack(lower, ['d/.wh..wh..opq', 'd/e/new']), 'd')).toBe(2);
    expect(mode(stack(lower, ['y', 'z', 'w', 'd/']), 'd')).toBe(4);
  });
});

/** The rules T1, T2 and T6 on one flat tree, without unions: path to mode (undefined: implied). */
type Flat = Map<string, { readonly directory: boolean; readonly mode: number | undefined }>;

function applyFlat(flat: Flat, layer: readonly TarEntry[]): void {
  const own = new Set<string>();
  const described = new Set<string>();
  const under = (path: string): string[] => [...flat.keys()].filter((other) => path === '' || other.startsWith(`${path}/`));
  const removeAll = (path: string): void => {
    for (const each of [path, ...under(path)]) {
      flat.delete(each);
      own.delete(each);
      described.delete(each);
    }
  };
  const hide = (path: string): void => {
    for (const each of under(path)) {
      if (!own.has(each)) flat.delete(each);
      else if (!described.has(each)) flat.set(each, { directory: true, mode: undefined });
    }
  };
  const ensure = (path: string): void => {
    if (path === '') return;
    ensure(path.slice(0, Math.max(0, path.lastIndexOf('/'))));
    if (flat.get(path)?.directory !== true) {
      removeAll(path);
      flat.set(path, { directory: true, mode: undefined });
    }
    own.add(path);
  };
  for (const entry of layer) {
    const components = splitLayerPath(entry.name, 0);
    const meaning = classifyName(components, 0);
    const parent = components.slice(0, -1).join('/');
    if (meaning.kind === 'opaque') {
      ensure(parent);
      hide(parent);
    } else if (meaning.kind === 'whiteout') {
      const path = [...components.slice(0, -1), meaning.hidden].join('/');
      if (!flat.has(path)) continue;
      if (!own.has(path)) {
        // Its parent is made in the layer, with the attributes it has.
        for (let up = parent; up !== ''; up = up.slice(0, Math.max(0, up.lastIndexOf('/')))) own.add(up);
        removeAll(path);
      } else if (flat.get(path)?.directory === true) {
        hide(path);
        if (!described.has(path)) flat.set(path, { directory: true, mode: undefined });
      }
    } else {
      const path = components.join('/');
      ensure(parent);
      if (entry.type !== 'directory' || flat.get(path)?.directory !== true) removeAll(path);
      flat.set(path, { directory: entry.type === 'directory', mode: entry.mode });
      own.add(path);
      described.add(path);
    }
  }
}

describe('a union of applied layers', () => {
  it('shows what the same archives make of one tree', () => {
    const component = fc.constantFrom('a', 'b', 'c');
    const path = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
    const name = fc.oneof(
      { weight: 3, arbitrary: path },
      { weight: 3, arbitrary: path.map((text) => `${text}/`) },
      { weight: 2, arbitrary: path.map((text) => text.replace(/[^/]+$/, '.wh.$&')) },
      { weight: 1, arbitrary: path.map((text) => `${text}/.wh..wh..opq`) },
    );
    const layers = fc.array(fc.array(name, { maxLength: 8 }), { minLength: 1, maxLength: 4 });
    const property = fc.property(layers, (archives) => {
      const flat: Flat = new Map();
      let lowers: MemoryDirectory[] = [];
      for (const archive of archives) {
        const read = entries(...archive);
        try {
          lowers = [applyLayer(read, lowers), ...lowers];
        } catch {
          // A file of the same layer as a parent: refused.
          fc.pre(false);
        }
        applyFlat(flat, read);
      }
      const union = [...new MemoryUnion(lowers).list()].filter(([at]) => at !== '');
      const ours = union.map(([at, node]) => `${at} ${node.kind} ${String(node.kind === 'directory' ? node.origin?.mode : node.entry.mode)}`).sort();
      const theirs = [...flat].map(([at, { directory, mode }]) => `${at} ${directory ? 'directory' : 'object'} ${String(mode)}`).sort();
      expect(ours).toEqual(theirs);
      // L5: whiteouts only lie where there is something to hide.
      for (const [index, layer] of lowers.entries()) for (const line of onDisk(layer)) if (line.endsWith(' whiteout')) expect(new MemoryUnion(lowers.slice(index + 1)).find(line.replace(' whiteout', ''))).toBeDefined();
    });
    fc.assert(property, { numRuns: 2000 });
  });
});
