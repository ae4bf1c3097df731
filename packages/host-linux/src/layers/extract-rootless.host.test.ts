import { execFileSync, spawnSync } from 'node:child_process';
import { chownSync, lstatSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { joinBytes, tarEnd, tarEntry, type TarWriteEntry } from '@tsc-box/model';
import { encodeOwner, OWNER_XATTR } from './attributes.ts';
import { createExtractor } from './extract.ts';
import { getXattr } from './syscalls.unsafe.ts';

const NOBODY = 65_534;
const isRoot = process.geteuid?.() === 0;

let work: string;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'tsc-box-rootless-'));
  if (isRoot) chownSync(work, NOBODY, NOBODY);
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

/** Root takes the part of an ordinary user meanwhile. */
async function asUser<T>(action: () => Promise<T>): Promise<T> {
  if (!isRoot) return action();
  process.setegid?.(NOBODY);
  process.seteuid?.(NOBODY);
  try {
    return await action();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

type Item = Omit<TarWriteEntry, 'size'> & { readonly data?: string };

async function unpack(name: string, items: readonly Item[], lowerdirs: readonly string[], warnings: string[] = []): Promise<string> {
  const target = join(work, name);
  const archive = joinBytes([...items.map(({ data, ...entry }) => tarEntry(entry, Buffer.from(data ?? ''))), tarEnd()]);
  const stream = async function* (): AsyncGenerator<Uint8Array> {
    yield archive;
  };
  await asUser(async () => {
    mkdirSync(target);
    await createExtractor().extract(stream(), target, { lowerdirs, onWarning: (text) => void warnings.push(text) });
  });
  return target;
}

const owned = (type: TarWriteEntry['type'], name: string, more: Partial<Item> = {}): Item => ({ type, name, mode: 0o644, uid: 1000, gid: 44, ...more });

describe('createExtractor as an ordinary user', () => {
  it('keeps owners aside, modes with setuid as they are, and says once what is lost', async () => {
    const warnings: string[] = [];
    const xattrs = new Map([['security.capability', Buffer.from('0100000202000000000000000000000000000000', 'hex')], ['user.kept', Buffer.from('v')]]);
    const layer = await unpack('a', [
      owned('directory', 'd/', { mode: 0o750 }), owned('file', 'd/f', { mode: 0o4711, data: 'x', xattrs }), owned('file', 'unreadable', { mode: 0 }), owned('symlink', 'l', { linkName: 'd' }),
      owned('char', 'null', { devMajor: 1, devMinor: 3 }), owned('hardlink', 'null2', { linkName: 'null' }), owned('block', 'sda', { devMajor: 8, devMinor: 0 }), owned('fifo', 'p'), { type: 'file', name: 'of-root', mode: 0o600 },
    ], [], warnings);
    for (const name of ['d', 'd/f', 'unreadable']) expect(Buffer.from(getXattr(join(layer, name), OWNER_XATTR) ?? [])).toEqual(Buffer.from([8, 0xe8, 7, 16, 44]));
    expect(getXattr(join(layer, 'of-root'), OWNER_XATTR)).toBeUndefined();
    expect(lstatSync(join(layer, 'd/f')).mode & 0o7777).toBe(0o4711);
    expect(Buffer.from(getXattr(join(layer, 'd/f'), 'user.kept') ?? []).toString()).toBe('v');
    expect(lstatSync(join(layer, 'p')).isFIFO()).toBe(true);
    for (const name of ['null', 'null2', 'sda']) expect(lstatSync(join(layer, name), { throwIfNoEntry: false })).toBeUndefined();
    expect(warnings).toEqual([
      'extended attributes of the kind "security" are not kept: this user may not set them',
      'owners of symbolic links and special files are not kept without root',
      'device nodes of the image are left out: this user may not make them',
    ]);
  });

  it('copies kept owners up with a file that a hard link needs', async () => {
    const lower = await unpack('lower', [owned('file', 'f', { data: 'x' })], []);
    const upper = await unpack('upper', [owned('hardlink', 'h', { linkName: 'f' })], [lower]);
    expect(Buffer.from(getXattr(join(upper, 'h'), OWNER_XATTR) ?? [])).toEqual(Buffer.from(encodeOwner(1000, 44)));
  });

  it('directories copied from a lower layer keep the owner that is kept aside, and else belong to root', async () => {
    const lower = await unpack('lower', [{ type: 'directory', name: 'root/', mode: 0o755 }, owned('directory', 'other/', { mode: 0o755 })], []);
    const upper = await unpack('upper', [owned('file', 'root/f'), owned('file', 'other/f')], [lower]);
    expect(getXattr(join(upper, 'root'), OWNER_XATTR)).toBeUndefined();
    expect(Buffer.from(getXattr(join(upper, 'other'), OWNER_XATTR) ?? [])).toEqual(Buffer.from(encodeOwner(1000, 44)));
  });

  it('makes whiteouts and opaque directories that an overlay in a user namespace honours', async ({ skip }) => {
    const lower = await unpack('lower', [owned('directory', 'd/', { mode: 0o755 }), owned('file', 'd/old'), owned('file', 'gone')], []);
    const upper = await unpack('upper', [owned('file', '.wh.gone'), owned('file', 'd/.wh..wh..opq'), owned('file', 'd/new')], [lower]);
    const script = 'mount -t overlay overlay -o "userxattr,lowerdir=$1:$2" "$3" && cd "$3" && find . | sort | tr "\\n" " "';
    mkdirSync(join(work, 'merged'));
    const identity = isRoot ? ['setpriv', [`--reuid=${String(NOBODY)}`, `--regid=${String(NOBODY)}`, '--clear-groups', 'unshare']] as const : ['unshare', []] as const;
    const run = [...identity[1], '--user', '--map-root-user', '--mount'];
    if (spawnSync(identity[0], [...run, 'true']).status !== 0) return skip('user namespaces are not to be had here');
    expect(execFileSync(identity[0], [...run, 'sh', '-c', script, 'sh', upper, lower, join(work, 'merged')], { encoding: 'utf8' }).trim()).toBe('. ./d ./d/new');
    return undefined;
  });
});

describe('encodeOwner', () => {
  it('is a protocol buffer with two numbers, zeros left out', () => {
    expect([...encodeOwner(0, 0)]).toEqual([]);
    expect([...encodeOwner(0, 5)]).toEqual([0x10, 5]);
    expect([...encodeOwner(4_294_967_294, 300)]).toEqual([8, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0x10, 0xac, 2]);
  });
});
