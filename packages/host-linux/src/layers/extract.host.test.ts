import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { joinBytes, tarEnd, tarEntry, type ExtractOptions, type TarWriteEntry } from '@tsc-box/model';
import { createExtractor } from './extract.ts';
import { getXattr } from './syscalls.unsafe.ts';

const isRoot = process.geteuid?.() === 0;

let work: string;
beforeEach(() => void (work = mkdtempSync(join(tmpdir(), 'tsc-box-extract-'))));
afterEach(() => rmSync(work, { recursive: true, force: true }));

type Item = Omit<TarWriteEntry, 'size'> & { readonly data?: string };
const file = (name: string, data = name, more: Partial<Item> = {}): Item => ({ type: 'file', name, data, mode: 0o644, ...more });
const directory = (name: string, more: Partial<Item> = {}): Item => ({ type: 'directory', name: `${name}/`, mode: 0o755, ...more });
const symlink = (name: string, linkName: string): Item => ({ type: 'symlink', name, linkName, mode: 0o777 });
const link = (name: string, linkName: string): Item => ({ type: 'hardlink', name, linkName });

const archive = (items: readonly Item[]): Uint8Array => joinBytes([...items.map(({ data, ...entry }) => tarEntry(entry, Buffer.from(data ?? ''))), tarEnd()]);

async function* chunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

let count = 0;
/** Unpacks a layer over others (top first) and returns its directory. */
async function unpack(items: readonly Item[] | Uint8Array, lowerdirs: readonly string[] = [], options: ExtractOptions = {}): Promise<string> {
  count += 1;
  const target = join(work, `layer-${String(count)}`);
  mkdirSync(target);
  await createExtractor().extract(chunks(items instanceof Uint8Array ? items : archive(items), 1000), target, { lowerdirs, ...options });
  return target;
}

const kindOf = (path: string): string => {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 'nothing';
  if (stat.isCharacterDevice() && stat.rdev === 0) return 'whiteout';
  return stat.isDirectory() ? (isOpaque(path) ? 'opaque' : 'directory') : stat.isSymbolicLink() ? 'symlink' : stat.isFile() ? 'file' : 'other';
};
const isOpaque = (path: string): boolean => Buffer.from(getXattr(path, isRoot ? 'trusted.overlay.opaque' : 'user.overlay.opaque') ?? []).toString() === 'y';
const text = (path: string): string => readFileSync(path, 'utf8');

describe('createExtractor', () => {
  it('keeps data, modes with setuid, times to the nanosecond, links and long names', async () => {
    const long = `${'d'.repeat(120)}/${'f'.repeat(200)}`;
    const layer = await unpack([directory('a', { mode: 0o1777, mtime: { seconds: 100, nanoseconds: 5 } }), file('a/f', 'data', { mode: 0o4751, mtime: { seconds: -7, nanoseconds: 123_456_789 } }), symlink('a/s', '/etc/passwd'), link('a/h', 'a/f'), file(long, 'x'), { type: 'fifo', name: 'p', mode: 0o620 }]);
    const stat = lstatSync(join(layer, 'a/f'), { bigint: true });
    expect(stat.mode & 0o7777n).toBe(0o4751n);
    expect(stat.mtimeNs).toBe(-6_876_543_211n);
    expect(stat.nlink).toBe(2n);
    expect(text(join(layer, 'a/h'))).toBe('data');
    expect(readlinkSync(join(layer, 'a/s'))).toBe('/etc/passwd');
    expect(lstatSync(join(layer, 'a'), { bigint: true }).mtimeNs).toBe(100_000_000_005n);
    expect(lstatSync(join(layer, 'a')).mode & 0o7777).toBe(0o1777);
    expect(text(join(layer, long))).toBe('x');
    expect(lstatSync(join(layer, 'p')).isFIFO()).toBe(true);
    expect(lstatSync(layer).mode & 0o7777).toBe(0o755);
  });

  it.skipIf(!isRoot)('keeps owners and devices with large numbers (needs root)', async () => {
    const layer = await unpack([file('f', '', { uid: 3_000_000, gid: 7 }), { type: 'block', name: 'b', devMajor: 259, devMinor: 70_000, mode: 0o660 }]);
    expect(lstatSync(join(layer, 'f'))).toMatchObject({ uid: 3_000_000, gid: 7 });
    const rdev = lstatSync(join(layer, 'b'), { bigint: true }).rdev;
    expect([((rdev >> 8n) & 0xfffn), (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)]).toEqual([259n, 70_000n]);
  });

  it('T1: an entry replaces what was there; a directory over a directory keeps the children', async () => {
    const layer = await unpack([directory('a'), file('a/kept'), directory('a', { mode: 0o700 }), directory('b'), file('b/gone'), file('b', 'now a file'), symlink('c', 'a'), directory('c'), file('c/in')]);
    expect(text(join(layer, 'a/kept'))).toBe('a/kept');
    expect(lstatSync(join(layer, 'a')).mode & 0o777).toBe(0o700);
    expect(text(join(layer, 'b'))).toBe('now a file');
    expect(kindOf(join(layer, 'c'))).toBe('directory');
    expect(readdirSync(join(layer, 'a'))).toEqual(['kept']);
  });

  it('T2, T5: whiteouts become devices 0:0 where something is hidden, opaque marks an attribute', async () => {
    const lower = await unpack([directory('d'), file('d/a'), file('d/b'), directory('o'), file('o/old')]);
    const layer = await unpack([file('d/.wh.a', ''), file('d/.wh.missing', ''), file('o/new'), file('o/.wh..wh..opq', ''), file('o/.wh.old', '')], [lower]);
    expect(kindOf(join(layer, 'd/a'))).toBe('whiteout');
    expect(readdirSync(join(layer, 'd'))).toEqual(['a']);
    expect(kindOf(join(layer, 'o'))).toBe('opaque');
    expect(readdirSync(join(layer, 'o'))).toEqual(['new']);
  });

  it('T5: a directory in the place of a removed one is opaque', async () => {
    const lower = await unpack([directory('d'), file('d/a')]);
    const layer = await unpack([file('.wh.d', ''), file('d/new')], [lower]);
    expect(kindOf(join(layer, 'd'))).toBe('opaque');
    expect(readdirSync(join(layer, 'd'))).toEqual(['new']);
  });

  it('T6: parents that are only implied look like those below', async () => {
    const lower = await unpack([directory('d', { mode: 0o2750, mtime: { seconds: 1234, nanoseconds: 0 } })]);
    const layer = await unpack([file('d/new'), file('e/f/g')], [lower]);
    expect(lstatSync(join(layer, 'd')).mode & 0o7777).toBe(0o2750);
    expect(lstatSync(join(layer, 'd')).mtimeMs).toBe(1_234_000);
    expect(lstatSync(join(layer, 'e/f')).mode & 0o7777).toBe(0o755);
  });

  it('T8: a hard link to a file of a lower layer copies it up, with its attributes and its other names left alone', async () => {
    const lower = await unpack([file('d/f', 'below', { mode: 0o4711, mtime: { seconds: 55, nanoseconds: 66 } })]);
    const layer = await unpack([link('l1', '/d/f'), link('l2', 'd/f')], [lower]);
    expect(lstatSync(join(layer, 'l1')).ino).toBe(lstatSync(join(layer, 'd/f')).ino);
    expect(lstatSync(join(layer, 'l2'), { bigint: true })).toMatchObject({ nlink: 3n, mtimeNs: 55_000_000_066n });
    expect(lstatSync(join(layer, 'l1')).mode & 0o7777).toBe(0o4711);
    expect(text(join(layer, 'l1'))).toBe('below');
  });

  it('T11: extended attributes are kept as bytes; those that overlayfs reads are escaped, foreign policies dropped', async () => {
    const value = Uint8Array.of(0, 10, 255, 61);
    const xattrs = new Map([['user.bytes', value], ['user.overlay.opaque', Uint8Array.of(0x79)], ['security.selinux', Uint8Array.of(1)], ['user.rootlesscontainers', Uint8Array.of(8, 1)]]);
    const layer = await unpack([directory('d', { xattrs })]);
    expect(Buffer.from(getXattr(join(layer, 'd'), 'user.bytes') ?? [])).toEqual(Buffer.from(value));
    expect(getXattr(join(layer, 'd'), 'user.overlay.opaque')).toBeUndefined();
    expect(getXattr(join(layer, 'd'), 'user.overlay.overlay.opaque')).toHaveLength(1);
    expect(getXattr(join(layer, 'd'), 'user.rootlesscontainers')).toBeUndefined();
  });
});

describe('hostile archives', () => {
  const outside = (): string => {
    const path = join(work, 'outside');
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'precious'), 'precious', { mode: 0o600 });
    return path;
  };
  const safe = (): void => {
    expect(readdirSync(join(work, 'outside'))).toEqual(['precious']);
    expect(text(join(work, 'outside/precious'))).toBe('precious');
    expect(lstatSync(join(work, 'outside/precious')).mode & 0o777).toBe(0o600);
  };

  it('CVE-2014-9356: a file written through an absolute link lands inside the root', async () => {
    const path = outside();
    const layer = await unpack([symlink('out', path), file('out/evil', 'evil')]);
    expect(text(join(layer, path, 'evil'))).toBe('evil');
    safe();
  });

  it('CVE-2026-33056: a directory entry with the name of a link changes nothing behind the link', async () => {
    const path = outside();
    const layer = await unpack([symlink('out', join(path, 'precious')), directory('out', { mode: 0o777 })]);
    expect(kindOf(join(layer, 'out'))).toBe('directory');
    safe();
  });

  it('a file entry with the name of a link replaces the link', async () => {
    const path = outside();
    const layer = await unpack([symlink('out', join(path, 'precious')), file('out', 'evil', { mode: 0o777 })]);
    expect(text(join(layer, 'out'))).toBe('evil');
    safe();
  });

  it('CVE-2021-32760: a hard link to a link is a second name of the link, without metadata of its own', async () => {
    const path = outside();
    const layer = await unpack([symlink('s', join(path, 'precious')), { ...link('h', 's'), mode: 0o777 }]);
    expect(readlinkSync(join(layer, 'h'))).toBe(join(path, 'precious'));
    safe();
  });

  it('CVE-2025-5981: a hard link through a link stays inside the root', async () => {
    const path = outside();
    await expect(unpack([symlink('s', path), link('h', 's/precious')])).rejects.toThrow(/which does not exist yet/);
    await expect(unpack([link('h', `${path}/precious`)])).rejects.toThrow(/which does not exist yet/);
    safe();
  });

  it('names that leave the root are refused', async () => {
    outside();
    await expect(unpack([file('../outside/evil')])).rejects.toMatchObject({ code: 'ERR_TSCBOX_LAYER_INVALID', detail: '".." leaves the root of the layer' });
    await expect(unpack([file('a/../../outside/evil')])).rejects.toThrow(/leaves the root/);
    await expect(unpack([file('.wh...', '')])).rejects.toThrow(/whiteout of/);
    safe();
  });

  it('".." behind a link is the parent of where the link leads, inside the root', async () => {
    outside();
    const layer = await unpack([directory('a/b/c'), symlink('deep', 'a/b/c'), symlink('up', '../../../../..'), file('up/at-root', 'x'), file('deep/in', 'y')]);
    expect(text(join(layer, 'at-root'))).toBe('x');
    expect(text(join(layer, 'a/b/c/in'))).toBe('y');
    safe();
  });

  it('CVE-2021-29136: the root can only be a directory', async () => {
    for (const name of ['/', './', '.', '/.']) await expect(unpack([symlink(name, outside())])).rejects.toThrow(/root of a layer must be a directory/);
    safe();
  });

  it('a whiteout through a link removes nothing outside', async () => {
    const path = outside();
    await unpack([symlink('s', path), file('s/.wh.precious', '')]);
    safe();
  });

  it('links in lower layers are resolved inside the root, too', async () => {
    const path = outside();
    const lower = await unpack([symlink('out', path)]);
    const layer = await unpack([file('out/evil', 'evil'), file('out/.wh.precious', '')], [lower]);
    expect(text(join(layer, path, 'evil'))).toBe('evil');
    safe();
  });

  it('a device 0:0 is refused: it would be a whiteout', async () => {
    await expect(unpack([{ type: 'char', name: 'w', devMajor: 0, devMinor: 0 }])).rejects.toThrow(/0:0/);
  });

  it('loops of links, files as parents and hard links to directories are refused', async () => {
    await expect(unpack([symlink('a', 'b'), symlink('b', 'a'), file('a/f')])).rejects.toThrow(/too many levels/);
    await expect(unpack([file('a'), file('a/f')])).rejects.toThrow(/no directory/);
    await expect(unpack([directory('a'), link('b', 'a')])).rejects.toThrow(/hard link to the directory/);
  });

  it('limits: bytes written, size of a file, entries, depth', async () => {
    const limits = (value: ExtractOptions['limits']): ExtractOptions => ({ limits: value ?? {} });
    await expect(unpack([file('a', 'x'.repeat(600)), file('b', 'x'.repeat(600))], [], limits({ outputBytes: 1000 }))).rejects.toThrow(/more than 1000 bytes/);
    await expect(unpack([file('a', 'x'.repeat(600))], [], limits({ fileBytes: 500 }))).rejects.toThrow(/a file of 600 bytes, allowed: 500/);
    await expect(unpack([file('a'), file('b'), file('c')], [], limits({ entries: 2 }))).rejects.toThrow(/more than 2 entries/);
    await expect(unpack([file('a/b/c/d')], [], limits({ depth: 3 }))).rejects.toThrow(/4 components, allowed: 3/);
  });

  it('an archive without an end mark is taken: `umoci insert` writes such, and its digest tells that it is whole', async () => {
    const whole = archive([file('a')]);
    expect(text(join(await unpack(whole.subarray(0, whole.length - 1024)), 'a'))).toBe('a');
  });

  it('a cut archive is an error that says where', async () => {
    const whole = archive([file('a', 'x'.repeat(5000))]);
    await expect(unpack(whole.subarray(0, 2000))).rejects.toThrow(/cut off inside this entry/);
    await expect(unpack(whole.subarray(0, 700))).rejects.toThrow(/cut off inside this entry/);
    await expect(unpack(whole.subarray(0, 300))).rejects.toThrow(/cut off inside a block/);
  });
});
