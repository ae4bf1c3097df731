import { describe, expect, it } from 'vitest';
import { runOnUnion } from '../../../testing/union/sim-runner.ts';
import { RULES } from '../../../testing/union/rules.ts';
import { errnoName, S_IFDIR, S_IFREG } from './abi.ts';
import { openUnion, type Union } from './union.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const OWNER = { uid: 0, gid: 0 };
const FILE = { mode: S_IFREG | 0o644, ...OWNER };

interface Machine {
  readonly union: Union;
  readonly upper: number;
  readonly lower: number;
  readonly mount: number;
  readonly root: number;
}

/** An empty upper layer over one with the file "a" ("hello") and the directory "d". */
async function start(): Promise<Machine> {
  const union = await openUnion();
  const [upper, lower] = [union.layers.create(), union.layers.create()];
  union.layers.setData(union.layers.add(union.layers.root(lower), 'a', S_IFREG | 0o644), bytes('hello'), 5);
  union.layers.add(union.layers.root(lower), 'd', S_IFDIR | 0o755);
  const mount = union.mount({ branches: [{ layer: upper, writable: true }, { layer: lower }] });
  return { union, upper, lower, mount, root: union.root(mount) };
}

function read(union: Union, node: number): string {
  const target = new Uint8Array(union.stat(node).size);
  union.read(node, target, 0);
  return new TextDecoder().decode(target);
}

describe('data of files', () => {
  it('a write copies the file up, and the layer keeps its own bytes', async () => {
    const { union, root, lower, upper } = await start();
    const node = union.lookup(root, 'a');
    expect(union.write(node, bytes('J'), 0)).toBe(1);
    expect(read(union, node)).toBe('Jello');
    expect(new TextDecoder().decode(union.layers.readFile(union.layers.find(union.layers.root(lower), 'a')))).toBe('hello');
    expect(union.layers.size(upper)).toBe(5);
  });

  it('a write beyond the end leaves zeros between', async () => {
    const { union, root } = await start();
    const node = union.create(root, 'f', FILE);
    union.write(node, bytes('secret'), 0);
    union.truncate(node, 1);
    union.write(node, bytes('x'), 4);
    expect(read(union, node)).toBe('s\0\0\0x');
    union.truncate(node, 7);
    expect(read(union, node)).toBe('s\0\0\0x\0\0');
  });

  it('links of a file show the same bytes', async () => {
    const { union, root } = await start();
    const link = union.link(union.lookup(root, 'a'), root, 'b');
    union.write(link, bytes('!'), 4);
    expect(read(union, union.lookup(root, 'a'))).toBe('hell!');
  });

  it('refuses what would fill the host', async () => {
    const { union, root } = await start();
    expect(errnoName(union.write(union.lookup(root, 'a'), bytes('x'), 2 ** 31))).toBe('EFBIG');
  });

  it('C4: a full layer refuses the copy-up, and O_TRUNC still works', async () => {
    const { union, root, upper } = await start();
    union.layers.setLimit(upper, 3);
    const node = union.lookup(root, 'a');
    expect(errnoName(union.write(node, bytes('x'), 0))).toBe('ENOSPC');
    expect(read(union, node)).toBe('hello');
    expect(union.layers.list(union.layers.root(upper))).toEqual([]);
    expect(union.openForWriting(node, true)).toBe(0);
    expect(union.write(node, bytes('abc'), 0)).toBe(3);
    expect(errnoName(union.write(node, bytes('d'), 3))).toBe('ENOSPC');
  });
});

describe('mounts', () => {
  it('without an upper layer every change is EROFS, after what is there is EEXIST', async () => {
    const { union, lower } = await start();
    const root = union.root(union.mount({ branches: [{ layer: lower }, { layer: union.layers.create() }] }));
    const node = union.lookup(root, 'a');
    const results = [union.create(root, 'n', FILE), union.create(root, 'a', FILE), union.unlink(root, 'a'), union.write(node, bytes('x'), 0), union.setAttributes(node, { mode: 0o600 }), union.rename(root, 'a', root, 'b'), union.setXattr(node, 'user.a', bytes('x'))];
    expect(results.map(errnoName)).toEqual(['EROFS', 'EEXIST', 'EROFS', 'EROFS', 'EROFS', 'EROFS', 'EROFS']);
  });

  it('1.7: a layer twice is ELOOP, none or more than 500 lower ones EINVAL', async () => {
    const { union, lower, upper } = await start();
    const many = Array.from({ length: 501 }, () => ({ layer: union.layers.create() }));
    expect(errnoName(union.mount({ branches: [{ layer: lower }, { layer: lower }] }))).toBe('ELOOP');
    expect(errnoName(union.mount({ branches: [] }))).toBe('EINVAL');
    expect(errnoName(union.mount({ branches: [{ layer: upper, writable: true }, ...many] }))).toBe('EINVAL');
    expect(union.mount({ branches: [{ layer: upper, writable: true }, ...many.slice(0, 500)] })).toBeGreaterThan(0);
  });

  it('a plain mount is one layer as it is: whiteouts and attributes mean nothing, directories move', async () => {
    const union = await openUnion();
    const root = union.root(union.mount({ flavour: 'plain', branches: [{ layer: union.layers.create(), writable: true }] }));
    const dir = union.mkdir(root, 'd', 0o755, 0, 0);
    expect(union.create(root, 'w', { mode: 0o20600, ...OWNER })).toBeGreaterThan(0);
    expect(union.setXattr(dir, 'trusted.overlay.opaque', bytes('y'))).toBe(0);
    expect(union.listXattrs(dir)).toEqual(['trusted.overlay.opaque']);
    expect(union.rename(root, 'd', root, 'e')).toBe(0);
    expect(union.lookup(root, 'e')).toBe(dir);
    expect(union.stat(root).nlink).toBe(3);
  });

  it('two containers on one image see only their own changes', async () => {
    const { union, lower } = await start();
    const [one, two] = [0, 1].map(() => union.root(union.mount({ branches: [{ layer: union.layers.create(), writable: true }, { layer: lower }] }))) as [number, number];
    union.write(union.lookup(one, 'a'), bytes('one!!'), 0);
    union.unlink(two, 'a');
    expect(read(union, union.lookup(one, 'a'))).toBe('one!!');
    expect(errnoName(union.lookup(two, 'a'))).toBe('ENOENT');
  });

  it('is busy while an object is held', async () => {
    const { union, mount, root } = await start();
    const node = union.lookup(root, 'a');
    union.hold(node);
    expect(errnoName(union.unmount(mount))).toBe('EBUSY');
    union.letGo(node);
    expect(union.unmount(mount)).toBe(0);
  });
});

describe('nodes', () => {
  it('stay the same over copy-up and rename, and keep their number over eviction', async () => {
    const { union, root } = await start();
    const node = union.lookup(root, 'a');
    const { ino } = union.stat(node);
    union.write(node, bytes('x'), 0);
    union.rename(root, 'a', union.lookup(root, 'd'), 'b');
    expect(union.nameOf(node)).toEqual({ name: 'b', parent: union.lookup(root, 'd') });
    expect(union.lookup(union.lookup(root, 'd'), 'b')).toBe(node);
    union.shrink();
    expect(union.stat(union.walk(root, '/d//./b').node).ino).toBe(ino);
  });

  it('I1: numbers stay over copy-up and a new mount', async () => {
    const { union, root, mount, upper, lower } = await start();
    const numbers = (at: number): number[] => ['a', 'd'].map((name) => union.stat(union.lookup(at, name)).ino);
    const before = numbers(root);
    union.write(union.lookup(root, 'a'), bytes('x'), 0);
    union.setAttributes(union.lookup(root, 'd'), { mode: 0o700 });
    expect(numbers(root)).toEqual(before);
    expect(union.unmount(mount)).toBe(0);
    expect(numbers(union.root(union.mount({ branches: [{ layer: upper, writable: true }, { layer: lower }] })))).toEqual(before);
  });

  it('the generation grows with names, not with looking', async () => {
    const { union, root } = await start();
    const before = union.generation;
    union.stat(union.lookup(root, 'a'));
    union.readdir(root);
    expect(union.generation).toBe(before);
    union.unlink(root, 'a');
    expect(union.generation).toBeGreaterThan(before);
  });

  it('nothing can be made in a removed directory', async () => {
    const { union, root } = await start();
    const dir = union.lookup(root, 'd');
    union.hold(dir);
    union.rmdir(root, 'd');
    expect(union.stat(dir)).toMatchObject({ nlink: 2, removed: true });
    expect(errnoName(union.create(dir, 'f', FILE))).toBe('ENOENT');
    expect(union.readdir(dir)).toEqual([]);
    union.letGo(dir);
  });

  it('walks stop at "..", at links and where names are missing', async () => {
    const { union, root } = await start();
    expect(union.walk(root, 'd/../a')).toMatchObject({ node: union.lookup(root, 'd'), used: 2, error: 0 });
    expect(union.walk(root, 'd/no/a')).toMatchObject({ node: union.lookup(root, 'd'), used: 2, error: -2 });
    expect(union.walk(root, 'a/'.repeat(2048)).error).toBe(-36);
    expect(union.walk(root, 'a/b')).toMatchObject({ node: union.lookup(root, 'a'), used: 1, error: 0 });
  });

  it('names are bytes', async () => {
    const { union, root } = await start();
    union.create(root, 'caf\xe9\xff', FILE);
    const names = union.readdir(root) as readonly { readonly name: string }[];
    expect(names.map(({ name }) => name)).toContain('caf\xe9\xff');
  });

  it('lists of directories that fill the buffer many times are whole', async () => {
    const { union, root } = await start();
    const long = (index: number): string => `${'n'.repeat(200)}${String(index)}`;
    for (let index = 0; index < 2000; index += 1) union.create(root, long(index), FILE);
    const names = (union.readdir(root) as readonly { readonly name: string }[]).map(({ name }) => name);
    expect(new Set(names).size).toBe(2002);
  });
});

describe('open directories', () => {
  const take = (stream: { read(count: number): unknown }, count: number): string[] => (stream.read(count) as readonly { readonly name: string }[]).map(({ name }) => name);

  it('D2: a merged one keeps the list it has read, until it is rewound', async () => {
    const { union, root } = await start();
    const stream = union.openDirectory(root);
    expect(take(stream, 1)).toEqual(['a']);
    union.create(root, 'new', FILE);
    union.rmdir(root, 'd');
    expect(take(stream, 9)).toEqual(['d']);
    expect(take(stream, 9)).toEqual([]);
    stream.rewind();
    expect(take(stream, 9)).toEqual(['new', 'a']);
  });

  it('D2: one of a single layer is read as it is', async () => {
    const { union, root } = await start();
    const dir = union.mkdir(root, 'n', 0o755, 0, 0);
    for (const name of ['1', '2', '3']) union.create(dir, name, FILE);
    const stream = union.openDirectory(dir);
    expect(take(stream, 1)).toEqual(['1']);
    union.unlink(dir, '2');
    union.create(dir, '4', FILE);
    expect(take(stream, 9)).toEqual(['3', '4']);
  });

  it('O_TMPFILE: a file without a name gets one by link, or goes with its last holder', async () => {
    const { union, root, mount } = await start();
    const file = union.createUnnamed(union.lookup(root, 'd'), 0o600, 0, 0);
    union.write(file, bytes('data'), 0);
    expect(union.stat(file).nlink).toBe(0);
    expect(errnoName(union.unmount(mount))).toBe('EBUSY');
    expect(union.link(file, root, 'named')).toBeGreaterThan(0);
    expect(read(union, union.lookup(root, 'named'))).toBe('data');
    union.letGo(file);
    expect(union.stat(union.lookup(root, 'named')).nlink).toBe(1);
    expect(union.unmount(mount)).toBe(0);
  });
});

describe('snapshots', () => {
  it('restore names, data and handles, more than once', async () => {
    const { union, root } = await start();
    const node = union.lookup(root, 'a');
    union.write(node, bytes('one'), 0);
    const snapshot = union.snapshot();
    for (const text of ['two', 'three']) {
      union.write(node, bytes(text), 0);
      union.unlink(root, 'a');
      union.create(root, 'new', FILE);
      union.restore(snapshot);
      expect(read(union, union.lookup(root, 'a'))).toBe('onelo');
      expect(union.lookup(root, 'a')).toBe(node);
      expect(errnoName(union.lookup(root, 'new'))).toBe('ENOENT');
    }
    union.release(snapshot);
    union.write(node, bytes('zwei'), 0);
    expect(read(union, node)).toBe('zweio');
  });

  it('a later one shares with the first, and both can be gone back to', async () => {
    const { union, root } = await start();
    const first = union.snapshot();
    union.create(root, 'x', FILE);
    union.write(union.lookup(root, 'x'), bytes('data'), 0);
    const second = union.snapshot();
    union.unlink(root, 'x');
    union.restore(first);
    expect(errnoName(union.lookup(root, 'x'))).toBe('ENOENT');
    union.restore(second);
    expect(read(union, union.lookup(root, 'x'))).toBe('data');
    expect(second.memory.chunks.size).toBeLessThan(16);
  });
});

it('memory: what is removed is free again', async () => {
  const union = await openUnion();
  const run = (): number => {
    for (const rule of RULES) runOnUnion(union, rule.case);
    return union.metadataBytes;
  };
  const first = run();
  expect(run()).toBe(first);
});
