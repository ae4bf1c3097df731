/** Writes trees of files as tar: the changes of an upper directory (rules G1 to G4), and what a union or a process shows. */
import { closeSync, fstatSync, readlinkSync, readSync, type BigIntStats } from 'node:fs';
import { BoxError, joinBytes, tarEnd, tarHeader, tarPadding, textOf, WHITEOUT_PREFIX, OPAQUE_NAME, type PackOptions, type PackTreeOptions, type TarEntryType, type TarWriteEntry, type TreeIds, type TreeView } from '@tsc-box/model';
import { attributesOfObject, OWNER_XATTR } from './attributes.ts';
import { pathBelow } from './syscalls.unsafe.ts';
import { capabilityInside, ownerInside } from './tree-ids.ts';
import { openReadable, openTree } from './tree-view.ts';
import { isOpaqueAt, UnionDirectory, type UnionEntry } from './union-directory.ts';

const CHUNK_BYTES = 256 << 10;
/** Headers are given out together: a stream of single blocks is slow. */
const JOIN_BYTES = 64 << 10;
const PATH_BYTES_MAX = 4096;

export async function* packChanges(upperdir: string, lowerdirs: readonly string[], { ids }: PackOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
  const upper = UnionDirectory.ofPaths([upperdir]);
  const lower = lowerdirs.length === 0 ? undefined : UnionDirectory.ofPaths(lowerdirs);
  try {
    const packer = new Packer(ids, true);
    yield* joined(packer.content(upper, lower, ''));
  } finally {
    upper.close();
    lower?.close();
  }
}

export async function* packTree(view: TreeView, path: string, { ids, name, follow = false }: PackTreeOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const opened = openTree(view, path, follow || /\/\.?$/.test(path));
  if (opened === undefined) throw new BoxError({ code: 'ERR_TSCBOX_USAGE', attempted: `read "${path}"`, errno: 'ENOENT', path });
  try {
    const packer = new Packer(ids, false);
    const bytes = Buffer.from(name, 'utf8').toString('latin1');
    if (opened.kind === 'object') yield* joined(packer.object(opened.entry, bytes));
    else if (name === '.') yield* joined(packer.content(opened.directory, undefined, ''));
    else yield* joined(packer.directory(opened.directory, undefined, bytes));
  } finally {
    opened.directory.close();
  }
}

async function* joined(parts: Generator<Uint8Array, void, undefined>): AsyncGenerator<Uint8Array, void, undefined> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  for (const part of explained(parts)) {
    waiting.push(part);
    bytes += part.length;
    if (bytes < JOIN_BYTES) continue;
    yield waiting.length === 1 && waiting[0] !== undefined ? waiting[0] : joinBytes(waiting);
    [waiting, bytes] = [[], 0];
  }
  yield joinBytes([...waiting, tarEnd()]);
}

/** What the file system refuses is told as an error of ours. */
function* explained(parts: Generator<Uint8Array, void, undefined>): Generator<Uint8Array, void, undefined> {
  try {
    yield* parts;
  } catch (error) {
    if (error instanceof BoxError || !(error instanceof Error) || !('code' in error)) throw error;
    throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: 'read the files of a container', errno: String(error.code), detail: error.message, cause: error });
  }
}

class Packer {
  readonly #ids: TreeIds | undefined;
  /** Whiteouts are written as such. */
  readonly #changes: boolean;
  /** First name of each inode with several, by device and inode. */
  readonly #names = new Map<string, string>();

  constructor(ids: TreeIds | undefined, changes: boolean) {
    this.#ids = ids;
    this.#changes = changes;
  }

  /** `lower`: what lies below it, for changes. `path` is a byte string without a slash at its end. */
  *directory(directory: UnionDirectory, lower: UnionDirectory | undefined, path: string): Generator<Uint8Array, void, undefined> {
    yield tarHeader(this.#entry(pathBelow(directory.top, '.'), fstatSync(directory.top, { bigint: true }), 'directory', `${path}/`));
    if (this.#changes && lower !== undefined && isOpaqueAt(directory.top)) yield marker(`${path}/${OPAQUE_NAME}`);
    yield* this.content(directory, lower, path);
  }

  *content(directory: UnionDirectory, lower: UnionDirectory | undefined, path: string): Generator<Uint8Array, void, undefined> {
    for (const entry of directory.list()) {
      const name = path === '' ? entry.name : `${path}/${entry.name}`;
      if (name.length > PATH_BYTES_MAX) throw tooLong(name);
      if (entry.whiteout) {
        if (this.#changes) yield marker(`${path === '' ? '' : `${path}/`}${WHITEOUT_PREFIX}${entry.name}`);
        continue;
      }
      if (this.#changes && entry.name.startsWith(WHITEOUT_PREFIX)) throw reserved(name);
      if (!entry.stat.isDirectory()) {
        yield* this.object(entry, name);
        continue;
      }
      const child = directory.child(entry.name);
      // It has gone since it was listed.
      if (child === undefined) continue;
      const below = lower?.child(entry.name);
      try {
        yield* this.directory(child, below, name);
      } finally {
        child.close();
        below?.close();
      }
    }
  }

  /** Anything but a directory. */
  *object({ name, fd, stat }: UnionEntry, path: string): Generator<Uint8Array, void, undefined> {
    // Sockets belong to who listens on them.
    if (stat.isSocket()) return;
    if (stat.nlink > 1n) {
      const key = `${String(stat.dev)}:${String(stat.ino)}`;
      const first = this.#names.get(key);
      if (first !== undefined) {
        yield tarHeader({ type: 'hardlink', name: path, linkName: first });
        return;
      }
      this.#names.set(key, path);
    }
    const source = pathBelow(fd, name);
    if (stat.isFile()) return yield* this.#file(fd, name, path);
    if (stat.isSymbolicLink()) {
      const linkName = readlinkSync(Buffer.from(source, 'latin1'), 'latin1');
      yield tarHeader({ ...this.#entry(source, stat, 'symlink', path), linkName });
      return;
    }
    const type: TarEntryType = stat.isCharacterDevice() ? 'char' : stat.isBlockDevice() ? 'block' : 'fifo';
    const devMajor = Number(((stat.rdev >> 8n) & 0xfffn) | ((stat.rdev >> 32n) & 0xfffff000n));
    const devMinor = Number((stat.rdev & 0xffn) | ((stat.rdev >> 12n) & 0xffffff00n));
    yield tarHeader({ ...this.#entry(source, stat, type, path), devMajor, devMinor });
  }

  *#file(parent: number, name: string, path: string): Generator<Uint8Array, void, undefined> {
    const fd = openReadable(parent, name);
    try {
      const stat = fstatSync(fd, { bigint: true });
      if (!stat.isFile()) throw changed(path);
      const size = Number(stat.size);
      yield tarHeader({ ...this.#entry(pathBelow(parent, name), stat, 'file', path), size });
      for (let left = size; left > 0; ) {
        const buffer = new Uint8Array(Math.min(CHUNK_BYTES, left));
        const length = readSync(fd, buffer);
        if (length === 0) throw changed(path);
        left -= length;
        yield buffer.subarray(0, length);
      }
      yield tarPadding(size);
    } finally {
      closeSync(fd);
    }
  }

  /** G2: whole seconds, no names of owners; attributes of overlayfs stay out. */
  #entry(source: string, stat: BigIntStats, type: TarEntryType, name: string): TarWriteEntry {
    const { uid, gid, mode, mtime, xattrs } = attributesOfObject(source, stat);
    const shown = new Map<string, Uint8Array>();
    for (const [key, value] of [...xattrs].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (key === OWNER_XATTR || key.startsWith('system.')) continue;
      shown.set(key.replace(/^(trusted|user)\.overlay\.overlay\./, '$1.overlay.'), key === 'security.capability' ? capabilityInside(value) : value);
    }
    return { type, name, mode, mtime: { seconds: mtime.seconds, nanoseconds: 0 }, ...ownerInside({ uid, gid }, xattrs, this.#ids), ...(shown.size === 0 ? {} : { xattrs: shown }) };
  }
}

const marker = (name: string): Uint8Array => tarHeader({ type: 'file', name, mode: 0, size: 0 });

/** path_resolution(7): nobody could open it by its name, and no archive reader takes it. */
const tooLong = (path: string): BoxError => new BoxError({ code: 'ERR_TSCBOX_LAYER_INVALID', attempted: `write "/${textOf(path.slice(0, 60))}…" into an archive`, detail: `found a path of ${String(path.length)} bytes, allowed: ${String(PATH_BYTES_MAX)}` });

/** G4: it would hide something when the layer is unpacked. */
function reserved(path: string): BoxError {
  return new BoxError({ code: 'ERR_TSCBOX_LAYER_INVALID', attempted: `write "/${textOf(path)}" into a layer`, detail: 'names that start with .wh. mean removed files in layers', hint: 'remove or rename it in the container first' });
}

const changed = (path: string): BoxError => new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `read "/${textOf(path)}"`, detail: 'it was changed while it was read', hint: 'try again' });
