import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, linkSync, lstatSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { joinBytes, tarEnd, tarEntry, type TarWriteEntry, type TreeView } from '@tsc-box/model';
import { createArchiver } from './archiver.ts';
import { encodeOwner, OWNER_XATTR } from './attributes.ts';
import { createExtractor } from './extract.ts';
import { getXattr, makeNode, setXattr } from './syscalls.unsafe.ts';

const isRoot = process.geteuid?.() === 0;
const archiver = createArchiver(() => {
  throw new Error('not needed');
});

let work: string;
beforeEach(() => (work = mkdtempSync(join(tmpdir(), 'tsc-box-trees-'))));
afterEach(() => rmSync(work, { recursive: true, force: true }));

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part.slice());
  return Buffer.concat(parts);
}

/** Lines of GNU tar: type, mode, owner, name and link. */
async function listed(source: AsyncIterable<Uint8Array>): Promise<string[]> {
  const text = execFileSync('tar', ['--numeric-owner', '-tvf', '-'], { input: await collect(source), encoding: 'utf8' });
  return text.split('\n').filter((line) => line !== '').map((line) => line.replace(/^(\S+ \S+)\s+(\S+) \S+ \S+ (.*)$/, '$1 $2 $3'));
}

type Item = Omit<TarWriteEntry, 'size'> & { readonly data?: string };
async function* tarOf(...items: readonly Item[]): AsyncGenerator<Uint8Array> {
  yield joinBytes([...items.map(({ data, ...entry }) => tarEntry(entry, Buffer.from(data ?? ''))), tarEnd()]);
}

const at = (...names: readonly string[]): string => join(work, ...names);
const make = (name: string): string => (mkdirSync(at(name), { recursive: true }), at(name));
const layers = (...names: readonly string[]): TreeView => ({ kind: 'layers', layers: names.map((name) => at(name)) });

/** A whiteout needs no privilege. */
function whiteout(directory: string, name: string): void {
  makeNode(openSync(directory, 'r'), name, 0o020000, 0, 0);
}

describe.skipIf(!isRoot)('archives of an upper directory (needs root)', () => {
  it('G1, G3, G4: whiteouts, opaque directories and hard links as a layer has them', async () => {
    const upper = make('upper');
    make('upper/d/new');
    make('lower/d');
    make('upper/pure');
    whiteout(upper, 'gone');
    for (const path of ['upper/d', 'upper/pure']) setXattr(at(path), 'trusted.overlay.opaque', Buffer.from('y'));
    writeFileSync(at('upper/a'), 'data');
    linkSync(at('upper/a'), at('upper/b'));
    symlinkSync('/etc', at('upper/l'));
    const names = (await listed(archiver.packChanges(upper, [at('lower')]))).map((line) => line.replace(/^\S+ \S+ \d+ /, ''));
    expect(names).toEqual(['a', 'b link to a', 'd/', 'd/.wh..wh..opq', 'd/new/', '.wh.gone', 'l -> /etc', 'pure/']);
    writeFileSync(at('upper/.wh.x'), '');
    await expect(listed(archiver.packChanges(upper, []))).rejects.toMatchObject({ code: 'ERR_TSCBOX_LAYER_INVALID' });
  });

  it('what is packed and unpacked again is the same layer', async () => {
    make('lower/d');
    writeFileSync(at('lower/d/old'), 'old');
    const upper = make('upper');
    make('upper/d');
    setXattr(at('upper/d'), 'trusted.overlay.opaque', Buffer.from('y'));
    setXattr(at('upper/d'), 'user.note', Buffer.from([0, 255, 10]));
    writeFileSync(at('upper/d/f'), 'x'.repeat(600_000), { mode: 0o4711 });
    utimesSync(at('upper/d/f'), 5, 5);
    const once = await collect(archiver.packChanges(upper, [at('lower')]));
    const stream = async function* (): AsyncGenerator<Uint8Array> {
      yield Promise.resolve(once);
    };
    await createExtractor().extract(stream(), make('again'), { lowerdirs: [at('lower')] });
    expect(await collect(archiver.packChanges(at('again'), [at('lower')]))).toEqual(once);
  });

  it('maps owners of a user namespace to those inside, and prefers what was kept aside', async () => {
    const upper = make('upper');
    for (const [name, uid] of [['mapped', 100_007], ['foreign', 5], ['root', 100_000], ['kept', 100_000]] as const) {
      writeFileSync(at('upper', name), '');
      chownSync(at('upper', name), uid, uid);
    }
    setXattr(at('upper/kept'), OWNER_XATTR, encodeOwner(1000, 44));
    const map = [{ containerID: 0, hostID: 100_000, size: 1000 }];
    expect((await listed(archiver.packChanges(upper, [], { ids: { uids: map, gids: map } }))).map((line) => line.replace(/^\S+ (\S+) \d+/, '$1'))).toEqual(['65534/65534 foreign', '1000/44 kept', '7/7 mapped', '0/0 root']);
  });
});

describe('a union of layers that is not mounted', () => {
  beforeEach(() => {
    make('lower/etc');
    make('upper');
    writeFileSync(at('lower/etc/conf'), 'lower');
    writeFileSync(at('lower/etc/kept'), 'kept');
    symlinkSync('/etc', at('lower/link'));
    symlinkSync('../../../..', at('lower/up'));
    chmodSync(at('lower/etc'), 0o751);
  });
  const read = async (path: string, options: { readonly name?: string; readonly follow?: boolean } = {}): Promise<string[]> => (await listed(archiver.pack(layers('upper', 'lower'), path, { name: 'x', ...options }))).map((line) => line.replace(/^\S+ \S+ \d+ /, ''));

  it('is read with links resolved inside it', async () => {
    expect(await read('/link/conf')).toEqual(['x']);
    expect(await read('/link')).toEqual(['x -> /etc']);
    expect(await read('/link', { follow: true })).toEqual(['x/', 'x/conf', 'x/kept']);
    expect(await read('/up/up/etc/conf')).toEqual(['x']);
    expect(await read('/../../etc/.', { name: '.' })).toEqual(['conf', 'kept']);
    await expect(read('/etc/conf/more')).rejects.toMatchObject({ errno: 'ENOENT' });
    expect(archiver.stat(layers('upper', 'lower'), '/etc/passwd')).toBeUndefined();
  });

  it('does not show what a layer above removed or replaced', async () => {
    make('upper/etc');
    whiteout(at('upper/etc'), 'conf');
    expect(await read('/etc')).toEqual(['x/', 'x/kept']);
    expect(archiver.stat(layers('upper', 'lower'), '/etc/conf')).toBeUndefined();
  });

  it('is written as overlayfs would: parents copied up, lower files covered, whiteouts replaced', async () => {
    await archiver.unpack(tarOf({ type: 'file', name: 'etc/conf', mode: 0o600, data: 'new' }, { type: 'file', name: 'link/other', mode: 0o644 }), layers('upper', 'lower'), '/').then(() => expect.unreachable(), (error: unknown) => expect(error).toMatchObject({ code: 'ERR_TSCBOX_USAGE' }));
    expect(readFileSync(at('upper/etc/conf'), 'utf8')).toBe('new');
    expect(statSync(at('upper/etc')).mode & 0o777).toBe(0o751);
    expect(readFileSync(at('lower/etc/conf'), 'utf8')).toBe('lower');
    await archiver.unpack(tarOf({ type: 'file', name: 'through', mode: 0o600 }), layers('upper', 'lower'), '/link');
    expect(existsSync(at('upper/etc/through'))).toBe(true);
  });

  it('a directory over a whiteout is opaque; a directory and something else do not replace each other', async () => {
    whiteout(at('upper'), 'etc');
    await archiver.unpack(tarOf({ type: 'directory', name: 'etc/', mode: 0o700 }), layers('upper', 'lower'), '/');
    expect(await read('/etc')).toEqual(['x/']);
    expect(getXattr(at('upper/etc'), 'user.overlay.opaque') ?? getXattr(at('upper/etc'), 'trusted.overlay.opaque')).toEqual(Uint8Array.of('y'.charCodeAt(0)));
    await expect(archiver.unpack(tarOf({ type: 'file', name: 'etc' }), layers('upper', 'lower'), '/')).rejects.toMatchObject({ code: 'ERR_TSCBOX_USAGE' });
    await expect(archiver.unpack(tarOf({ type: 'directory', name: 'link/' }), layers('upper', 'lower'), '/')).rejects.toMatchObject({ code: 'ERR_TSCBOX_USAGE' });
  });

  it('traces a path through the layers', () => {
    make('upper/etc');
    whiteout(at('upper/etc'), 'conf');
    const view = [at('upper'), at('lower')];
    expect(archiver.trace(view, '/etc/conf')).toEqual([{ found: 'whiteout', visible: false }, { found: 'file', visible: false, hiddenBy: { layer: 0, path: '/etc/conf', found: 'whiteout' } }]);
    expect(archiver.trace(view, 'link/kept')).toEqual([{ found: undefined, visible: false }, { found: 'file', visible: true }]);
    expect(archiver.usage(view)).toEqual([{ size: 0, wasted: 0 }, { size: 9, wasted: 5 }]);
  });
});

describe('hostile trees', () => {
  const directory = (name: string): TreeView => ({ kind: 'directory', path: at(name) });

  it('an archive is not written through links, and ".." does not leave the directory', async () => {
    make('outside');
    make('root');
    const evil: readonly (readonly Item[])[] = [
      [{ type: 'symlink', name: 'l', linkName: at('outside') }, { type: 'file', name: 'l/f' }],
      [{ type: 'symlink', name: 'l', linkName: '../outside' }, { type: 'directory', name: 'l/d/' }],
      [{ type: 'file', name: '../outside/f' }],
      [{ type: 'hardlink', name: 'h', linkName: '../outside/secret' }],
      [{ type: 'symlink', name: 'm', linkName: '/etc' }, { type: 'hardlink', name: 'h', linkName: 'm/passwd' }],
    ];
    for (const items of evil) {
      rmSync(at('root'), { recursive: true });
      make('root');
      await expect(archiver.unpack(tarOf(...items), directory('root'), '/')).rejects.toBeDefined();
      expect(readdirSync(at('outside'))).toEqual([]);
    }
  });

  it('a destination below a link stays inside the root of the tree', async () => {
    make('root/real');
    symlinkSync('/real', at('root/link'));
    symlinkSync('../../../../../../etc', at('root/out'));
    await archiver.unpack(tarOf({ type: 'file', name: 'f', mode: 0o600 }), directory('root'), '/link');
    expect(existsSync(at('root/real/f'))).toBe(true);
    await expect(archiver.unpack(tarOf({ type: 'file', name: 'f' }), directory('root'), '/out')).rejects.toMatchObject({ code: 'ERR_TSCBOX_USAGE' });
  });

  it('a directory that turns into a link while it is read leads nowhere', async () => {
    make('root/d');
    make('outside');
    writeFileSync(at('outside/secret'), 'secret');
    for (const name of ['a', 'b', 'c']) writeFileSync(at('root/d', name), 'x'.repeat(300_000));
    let swapped = false;
    const parts: Uint8Array[] = [];
    for await (const part of archiver.pack(directory('root'), '/', { name: '.' })) {
      parts.push(part.slice());
      if (swapped) continue;
      swapped = true;
      renameSync(at('root/d'), at('root/moved'));
      symlinkSync(at('outside'), at('root/d'));
    }
    expect(Buffer.concat(parts).includes('secret')).toBe(false);
  });

  it('sockets are left out, FIFOs are not opened, and a copy of a link stays a link', async () => {
    make('root');
    execFileSync('mkfifo', [at('root/fifo')]);
    symlinkSync('/etc/shadow', at('root/link'));
    make('copy');
    await archiver.unpack(archiver.pack(directory('root'), '/', { name: '.' }), directory('copy'), '/', { owner: { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 } });
    expect(lstatSync(at('copy/fifo')).isFIFO()).toBe(true);
    expect(readlinkSync(at('copy/link'))).toBe('/etc/shadow');
  });

  it('a process that has ended has no tree', async () => {
    const child = spawn('true');
    await new Promise((resolve) => void child.on('close', resolve));
    expect(() => archiver.stat({ kind: 'process', pid: child.pid ?? 0, startTime: 1 }, '/')).toThrow(/it has ended/);
    expect(() => archiver.stat({ kind: 'process', pid: process.pid, startTime: 1 }, '/')).toThrow(/it has ended/);
  });
});
