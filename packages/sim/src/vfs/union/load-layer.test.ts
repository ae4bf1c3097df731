import { BoxError, joinBytes, tarEnd, tarEntry, type TarWriteEntry } from '@tsc-box/model';
import { describe, expect, it } from 'vitest';
import { S_IFCHR, S_IFMT, splitDevice } from './abi.ts';
import { changesOfLayer } from './changes.ts';
import { loadLayer, type LoadOptions } from './load-layer.ts';
import { openUnion, type Union } from './union.ts';

type Entry = Omit<TarWriteEntry, 'size'> & { readonly data?: string };

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const MTIME = { seconds: 1_600_000_000, nanoseconds: 0 };

function archive(entries: readonly Entry[]): Uint8Array {
  return joinBytes([...entries.map(({ data = '', ...entry }) => tarEntry({ mtime: MTIME, ...entry }, bytes(data))), tarEnd()]);
}

function load(union: Union, entries: readonly Entry[], options: LoadOptions = {}): number {
  const all = archive(entries);
  // In odd pieces, as they come from a stream.
  return loadLayer(union, Array.from({ length: Math.ceil(all.length / 700) }, (_, index) => all.subarray(index * 700, index * 700 + 700)), options);
}

function merged(union: Union, layers: readonly number[]): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (node: number, path: string): void => {
    const { size, mode } = union.stat(node);
    const target = new Uint8Array(size);
    if ((mode & S_IFMT) === 0o100000) union.read(node, target, 0);
    if (path !== '') found[path] = (mode & S_IFMT) === 0o40000 ? 'directory' : new TextDecoder().decode(target);
    const entries = union.readdir(node);
    if (typeof entries !== 'number') for (const { name } of entries) visit(union.lookup(node, name), path === '' ? name : `${path}/${name}`);
  };
  visit(union.root(union.mount({ branches: layers.map((layer) => ({ layer })) })), '');
  return found;
}

const at = (union: Union, layer: number, path: string): number => path.split('/').reduce((dir, name) => union.layers.find(dir, name), union.layers.root(layer));

describe('loading an image layer', () => {
  it('keeps modes, owners, times, attributes, targets, devices and links', async () => {
    const union = await openUnion();
    const layer = load(union, [
      { type: 'directory', name: './', mode: 0o755 },
      { type: 'directory', name: 'bin/', mode: 0o1777, uid: 5, gid: 3_000_000 },
      { type: 'file', name: 'bin/ping', mode: 0o4755, uid: 1, gid: 2, data: 'x'.repeat(3000), xattrs: new Map([['security.capability', bytes('\0cap')], ['security.selinux', bytes('s')]]) },
      { type: 'hardlink', name: 'bin/ping4', linkName: 'bin/ping' },
      { type: 'symlink', name: 'lib', linkName: 'usr/lib' },
      { type: 'char', name: 'null', mode: 0o666, devMajor: 1, devMinor: 3 },
      { type: 'fifo', name: 'pipe', mode: 0o600 },
    ]);
    const ping = at(union, layer, 'bin/ping');
    expect(union.layers.stat(at(union, layer, 'bin'))).toMatchObject({ mode: 0o41777, uid: 5, gid: 3_000_000, mtime: MTIME });
    expect(union.layers.stat(ping)).toMatchObject({ mode: 0o104755, uid: 1, gid: 2, size: 3000, nlink: 2, mtime: MTIME, ctime: MTIME });
    expect(at(union, layer, 'bin/ping4')).toBe(ping);
    expect([...union.layers.xattrs(ping).keys()]).toEqual(['security.capability']);
    expect(union.layers.readFile(ping)).toEqual(bytes('x'.repeat(3000)));
    expect(union.layers.readlink(at(union, layer, 'lib'))).toBe('usr/lib');
    expect(splitDevice(union.layers.stat(at(union, layer, 'null')).rdev)).toEqual({ major: 1, minor: 3 });
  });

  it('T2, T5: whiteouts and opaque marks hide what lies below', async () => {
    const union = await openUnion();
    const base = load(union, [{ type: 'file', name: 'a', data: '1' }, { type: 'file', name: 'd/x', data: '1' }, { type: 'file', name: 'o/x', data: '1' }]);
    const top = load(union, [{ type: 'file', name: '.wh.a' }, { type: 'file', name: 'o/.wh..wh..opq' }, { type: 'file', name: 'o/y', data: '2' }, { type: 'file', name: '.wh.never' }], { lowers: [base] });
    expect(merged(union, [top, base])).toEqual({ d: 'directory', 'd/x': '1', o: 'directory', 'o/y': '2' });
    expect(union.layers.stat(at(union, top, 'a'))).toMatchObject({ mode: S_IFCHR, rdev: 0 });
    expect(union.layers.xattrs(at(union, top, 'o'))).toEqual(new Map([['trusted.overlay.opaque', bytes('y')]]));
    expect(at(union, top, 'never')).toBeLessThan(0);
  });

  it('T6: an implied parent has the attributes of the layer below', async () => {
    const union = await openUnion();
    const base = load(union, [{ type: 'directory', name: 'd/', mode: 0o700, uid: 7 }]);
    const top = load(union, [{ type: 'file', name: 'd/f', data: 'x' }], { lowers: [base] });
    expect(union.layers.stat(at(union, top, 'd'))).toMatchObject({ mode: 0o40700, uid: 7 });
  });

  it('T8: a link to a file of a lower layer copies it', async () => {
    const union = await openUnion();
    const base = load(union, [{ type: 'file', name: 'a', data: 'data', mode: 0o600 }]);
    const top = load(union, [{ type: 'hardlink', name: 'b', linkName: '/a' }], { lowers: [base] });
    expect(union.layers.stat(at(union, top, 'b'))).toMatchObject({ mode: 0o100600, nlink: 2 });
    expect(merged(union, [top, base])).toEqual({ a: 'data', b: 'data' });
  });

  it('T11: an image can not set what the overlay reads', async () => {
    const union = await openUnion();
    const layer = load(union, [{ type: 'directory', name: 'd/', xattrs: new Map([['trusted.overlay.opaque', bytes('y')]]) }]);
    expect([...union.layers.xattrs(at(union, layer, 'd')).keys()]).toEqual(['trusted.overlay.overlay.opaque']);
  });

  it('a hostile archive is refused, and nothing of it stays', async () => {
    const union = await openUnion();
    const before = union.metadataBytes;
    for (const name of ['../x', 'a/../../x', '.wh...']) expect(() => load(union, [{ type: 'file', name: 'first', data: 'x' }, { type: 'file', name }])).toThrow(BoxError);
    expect(union.metadataBytes).toBe(before);
  });
});

describe('diff', () => {
  it('K1, K2: tells what a container changed, added and removed', async () => {
    const union = await openUnion();
    const base = load(union, [{ type: 'file', name: 'etc/a', data: '1' }, { type: 'file', name: 'etc/same', data: '1' }, { type: 'file', name: 'gone/x', data: '1' }, { type: 'directory', name: 'again/' }, { type: 'file', name: 'again/old', data: '1' }]);
    const upper = union.layers.create();
    const root = union.root(union.mount({ branches: [{ layer: upper, writable: true }, { layer: base }] }));
    union.setTime({ seconds: 1_700_000_000, nanoseconds: 0 });
    const [etc, gone, again] = ['etc', 'gone', 'again'].map((name) => union.lookup(root, name)) as [number, number, number];
    union.write(union.lookup(etc, 'a'), bytes('2'), 0);
    union.openForWriting(union.lookup(etc, 'same'));
    union.unlink(gone, 'x');
    union.rmdir(root, 'gone');
    union.unlink(again, 'old');
    union.rmdir(root, 'again');
    union.create(union.mkdir(root, 'again', 0o755, 0, 0), 'new', { mode: 0o100644, uid: 0, gid: 0 });
    const lines = changesOfLayer(union, upper, [base]).map(({ kind, path }) => `${kind} ${path}`);
    expect(lines).toEqual(['C /again', 'A /again/new', 'D /again/old', 'C /etc', 'C /etc/a', 'D /gone']);
  });
});
