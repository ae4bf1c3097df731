/** Union mounts of the AUFS flavour: where it differs from overlayfs (1.12). */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unionCase } from '../../../testing/union/arbitraries.ts';
import type { CaseEntry } from '../../../testing/union/cases.ts';
import { runOnUnion } from '../../../testing/union/sim-runner.ts';
import { errnoName, S_IFDIR, S_IFREG } from './abi.ts';
import { openUnion, type Union } from './union.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const FILE = { mode: S_IFREG | 0o644, uid: 0, gid: 0 };

/** Layers of paths with data; a path that ends in "/" is a directory, "a=b" a hard link. */
function layer(union: Union, paths: Readonly<Record<string, string>>): number {
  const made = union.layers.create();
  const root = union.layers.root(made);
  for (const [path, data] of Object.entries(paths)) {
    const parts = path.split('/').filter((part) => part !== '');
    const name = parts.pop() ?? '';
    const dir = parts.reduce((at, part) => union.layers.find(at, part), root);
    if (data.startsWith('=')) union.layers.link(dir, name, data.slice(1).split('/').reduce((at, part) => union.layers.find(at, part), root));
    else if (path.endsWith('/')) union.layers.add(dir, name, S_IFDIR | 0o755);
    else union.layers.setData(union.layers.add(dir, name, S_IFREG | 0o644), bytes(data), data.length);
  }
  return made;
}

interface Branch {
  readonly layer: number;
  readonly writable?: boolean;
  readonly whiteouts?: boolean;
}

const mount = (union: Union, ...branches: readonly Branch[]): number => union.root(union.mount({ flavour: 'aufs', branches }));
const names = (union: Union, dir: number): string[] => (union.readdir(dir) as readonly { readonly name: string }[]).map(({ name }) => name).sort();
const stored = (union: Union, made: number, ...path: readonly string[]): string[] => union.layers.list(path.reduce((at, part) => union.layers.find(at, part), union.layers.root(made))).map(({ name }) => name).sort();
function read(union: Union, node: number): string {
  const target = new Uint8Array(union.stat(node).size);
  union.read(node, target, 0);
  return new TextDecoder().decode(target);
}

describe('AUFS', () => {
  it('a whiteout is a file .wh.NAME, mode 0444, a link of .wh..wh.aufs', async () => {
    const union = await openUnion();
    const [rw, ro] = [layer(union, {}), layer(union, { a: '1', b: '2', c: '3' })];
    const root = mount(union, { layer: rw, writable: true }, { layer: ro });
    expect([union.unlink(root, 'a'), union.unlink(root, 'b')]).toEqual([0, 0]);
    expect(names(union, root)).toEqual(['c']);
    expect(stored(union, rw)).toEqual(['.wh..wh.aufs', '.wh.a', '.wh.b']);
    expect(union.layers.stat(union.layers.find(union.layers.root(rw), '.wh.a'))).toMatchObject({ mode: S_IFREG | 0o444, nlink: 3 });
  });

  it('a file made again removes the whiteout; a directory made again is opaque by .wh..wh..opq', async () => {
    const union = await openUnion();
    const [rw, ro] = [layer(union, {}), layer(union, { a: '1', 'd/': '', 'd/x': '2' })];
    const root = mount(union, { layer: rw, writable: true }, { layer: ro });
    union.unlink(root, 'a');
    expect(union.create(root, 'a', FILE)).toBeGreaterThan(0);
    union.unlink(union.lookup(root, 'd'), 'x');
    expect(union.rmdir(root, 'd')).toBe(0);
    const dir = union.mkdir(root, 'd', 0o755, 0, 0);
    expect(names(union, dir)).toEqual([]);
    expect(stored(union, rw)).toEqual(['.wh..wh.aufs', 'a', 'd']);
    expect(stored(union, rw, 'd')).toEqual(['.wh..wh..opq']);
  });

  it('.wh. names are invisible, and refused with EPERM', async () => {
    const union = await openUnion();
    const root = mount(union, { layer: layer(union, { '.wh.b': '', a: '1' }), writable: true }, { layer: layer(union, { b: '2' }) });
    expect(names(union, root)).toEqual(['a']);
    expect(errnoName(union.lookup(root, '.wh.b'))).toBe('EPERM');
    expect(errnoName(union.create(root, '.wh.n', FILE))).toBe('EPERM');
    expect(errnoName(union.rename(root, 'a', root, '.wh.n'))).toBe('EPERM');
  });

  it('whiteouts count on branches that may have them: rw and ro+wh, not ro', async () => {
    const union = await openUnion();
    const [rw, middle, bottom] = [layer(union, {}), layer(union, { '.wh.a': '' }), layer(union, { a: '1' })];
    expect(names(union, mount(union, { layer: rw, writable: true }, { layer: middle, whiteouts: true }, { layer: bottom }))).toEqual([]);
    expect(names(union, mount(union, { layer: layer(union, {}), writable: true }, { layer: middle }, { layer: bottom }))).toEqual(['a']);
  });

  it('a whiteout of another type is EIO', async () => {
    const union = await openUnion();
    const root = mount(union, { layer: layer(union, { '.wh.a/': '' }), writable: true }, { layer: layer(union, { a: '1' }) });
    expect(errnoName(union.lookup(root, 'a'))).toBe('EIO');
  });

  it('hard links survive a copy-up', async () => {
    const union = await openUnion();
    const rw = layer(union, {});
    const root = mount(union, { layer: rw, writable: true }, { layer: layer(union, { a: 'old', b: '=a' }) });
    const { ino } = union.stat(union.lookup(root, 'a'));
    union.write(union.lookup(root, 'a'), bytes('new'), 0);
    expect(read(union, union.lookup(root, 'b'))).toBe('new');
    expect(union.stat(union.lookup(root, 'b')).ino).toBe(ino);
    expect(stored(union, rw)).toEqual(['.wh..wh.plnk', 'a']);
    expect(union.write(union.lookup(root, 'b'), bytes('NEW'), 0)).toBe(3);
    expect(read(union, union.lookup(root, 'a'))).toBe('NEW');
    expect(stored(union, rw)).toEqual(['.wh..wh.plnk', 'a', 'b']);
  });

  it('names above 242 bytes can not be copied up, removed or renamed', async () => {
    const union = await openUnion();
    const long = 'n'.repeat(243);
    const root = mount(union, { layer: layer(union, {}), writable: true }, { layer: layer(union, { [long]: '1', a: '2' }) });
    expect([union.write(union.lookup(root, long), bytes('x'), 0), union.unlink(root, long), union.rename(root, 'a', root, long)].map(errnoName)).toEqual(['ENAMETOOLONG', 'ENAMETOOLONG', 'ENAMETOOLONG']);
  });

  it('a directory on several branches does not move', async () => {
    const union = await openUnion();
    const root = mount(union, { layer: layer(union, { 'd/': '', 'own/': '' }), writable: true }, { layer: layer(union, { 'd/': '', 'd/x': '1' }) });
    expect(errnoName(union.rename(root, 'd', root, 'e'))).toBe('EXDEV');
    expect(union.rename(root, 'own', root, 'e')).toBe(0);
  });

  it('with several writable branches an object changes where it lies, and new ones go to the highest that has the directory', async () => {
    const union = await openUnion();
    const [one, two] = [layer(union, {}), layer(union, { 'd/': '', f: 'two' })];
    const root = mount(union, { layer: one, writable: true }, { layer: two, writable: true }, { layer: layer(union, { 'd/': '', 'd/low': '3' }) });
    union.write(union.lookup(root, 'f'), bytes('TWO'), 0);
    union.create(union.lookup(root, 'd'), 'new', FILE);
    union.create(root, 'top', FILE);
    union.unlink(union.lookup(root, 'd'), 'low');
    expect(stored(union, one)).toEqual(['top']);
    expect(stored(union, two)).toEqual(['.wh..wh.aufs', 'd', 'f']);
    expect(stored(union, two, 'd')).toEqual(['.wh.low', 'new']);
  });

  it('shows each branch of a directory, whose permissions AUFS checks', async () => {
    const union = await openUnion();
    const root = mount(union, { layer: layer(union, { 'd/': '' }), writable: true }, { layer: layer(union, { 'd/': '' }) });
    expect(union.branchInodes(union.lookup(root, 'd'))).toHaveLength(2);
  });

  it('random operations leave no memory behind, and lists agree with stat', async () => {
    const union = await openUnion();
    const asAufs = (entry: CaseEntry): CaseEntry => (entry.kind === 'whiteout' ? { path: entry.path.replace(/([^/]*)$/, '.wh.$1'), kind: 'file', mode: 0o444 } : entry);
    const run = (sample: Parameters<typeof runOnUnion>[1]): number => {
      runOnUnion(union, { ...sample, layers: sample.layers.map((entries) => entries.map(asAufs)) }, 'aufs');
      return union.metadataBytes;
    };
    fc.assert(fc.property(unionCase, (sample) => {
      expect(run(sample)).toBe(run(sample));
    }), { numRuns: 300 });
  });
});
