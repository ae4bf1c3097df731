/**
 * Loads a layer archive into a layer: rules T1 to T9. What the archive means is decided by the model's `LayerTree`, as on
 * Linux; names, owners, modes, times, attributes, links and devices are kept as they are. Bytes stay in one array a file.
 */
import { LayerTree, TarReader, tarError, textOf, toByteString, type LayerDirectory, type LayerSink, type LowerNode, type LowerView, type TarEntry } from '@tsc-box/model';
import { errnoName, makeDevice, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from './abi.ts';
import { FILE_SIZE_MAX } from './data.ts';
import type { InodeAttributes } from './layer-files.ts';
import type { Union } from './union.ts';

export interface LoadOptions {
  /** Handles of the layers below, top first. Whiteouts, implied parents and hard links depend on them. */
  readonly lowers?: readonly number[];
  /** Components of one path. */
  readonly depth?: number;
  /** For mounts with `userXattr`: opaque marks are `user.overlay.opaque`. */
  readonly userXattr?: boolean;
}

/** The handle of the new layer. Throws `BoxError` (ERR_TSCBOX_LAYER_INVALID); then nothing is left behind. */
export function loadLayer(union: Union, chunks: Iterable<Uint8Array>, options: LoadOptions = {}): number {
  const loader = openLoader(union, options);
  try {
    for (const chunk of chunks) loader.push(chunk);
    return loader.finish();
  } catch (error) {
    loader.abandon();
    throw error;
  }
}

export interface Loader {
  push(chunk: Uint8Array): void;
  finish(): number;
  abandon(): void;
}

/** For archives that come in pieces over time. */
export function openLoader(union: Union, { lowers = [], depth = 1024, userXattr = false }: LoadOptions = {}): Loader {
  return new LayerLoader(union, lowers, depth, userXattr ? 'user' : 'trusted');
}

const TYPES = { file: S_IFREG, symlink: S_IFLNK, char: S_IFCHR, block: S_IFBLK, fifo: S_IFIFO, directory: S_IFDIR, hardlink: S_IFREG } as const;
const EPOCH = { seconds: 0, nanoseconds: 0 };
/** T6: of a directory that no layer describes. */
const IMPLIED: InodeAttributes = { mode: 0o755, uid: 0, gid: 0, atime: EPOCH, mtime: EPOCH };
const OPAQUE = new Uint8Array([0x79]);
/** Of other systems' policies. */
const DROPPED: ReadonlySet<string> = new Set(['security.selinux', 'system.nfs4_acl']);

/** T11: an image must not set what the overlay itself reads. */
function storedName(name: string): string | undefined {
  return DROPPED.has(name) ? undefined : name.replace(/^(trusted|user)\.overlay\./, '$1.overlay.overlay.');
}

class LayerLoader implements Loader, LayerSink, LowerView {
  readonly #union: Union;
  readonly #layer: number;
  readonly #mount: number;
  readonly #prefix: 'user' | 'trusted';
  readonly #tree: LayerTree;
  readonly #reader: TarReader;
  readonly #directories = new Map<string, number>();
  #file: { readonly inode: number; readonly chunks: { readonly bytes: Uint8Array; readonly position: number }[] } | undefined;

  constructor(union: Union, lowers: readonly number[], depth: number, prefix: 'user' | 'trusted') {
    this.#union = union;
    this.#prefix = prefix;
    this.#layer = union.layers.create();
    this.#mount = lowers.length === 0 ? 0 : union.mount({ branches: lowers.map((layer) => ({ layer })), userXattr: prefix === 'user' });
    this.#directories.set('', union.layers.root(this.#layer));
    this.#tree = new LayerTree(this, this, depth);
    this.#reader = new TarReader({ entry: (entry) => this.#entry(entry), data: (bytes, position) => this.#data(bytes, position), end: (entry) => this.#end(entry) }, { endMark: false });
  }

  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  finish(): number {
    this.#reader.end();
    this.#tree.finish();
    for (const directory of this.#tree.directories()) this.#finishDirectory(directory);
    this.#closeMount();
    return this.#layer;
  }

  abandon(): void {
    this.#closeMount();
    this.#union.layers.destroy(this.#layer);
  }

  #closeMount(): void {
    if (this.#mount > 0) this.#union.unmount(this.#mount);
  }

  // What lies below.

  lookup(path: string): LowerNode | undefined {
    const node = this.#lowerNode(path);
    if (node === undefined) return undefined;
    const type = this.#union.mode(node) & S_IFMT;
    if (type === S_IFDIR) return { kind: 'directory' };
    return type === S_IFLNK ? { kind: 'symlink', target: String(this.#union.readlink(node)) } : { kind: 'other' };
  }

  children(path: string): readonly string[] {
    const node = this.#lowerNode(path);
    const entries = node === undefined ? -1 : this.#union.readdir(node);
    return typeof entries === 'number' ? [] : entries.map(({ name }) => name);
  }

  #lowerNode(path: string): number | undefined {
    if (this.#mount <= 0) return undefined;
    const { node, used, error } = this.#union.walk(this.#union.root(this.#mount), path);
    return error === 0 && used >= path.length ? node : undefined;
  }

  // What the archive makes.

  #place(path: string): readonly [number, string] {
    const cut = path.lastIndexOf('/');
    const dir = this.#directories.get(cut < 0 ? '' : path.slice(0, cut));
    if (dir === undefined) throw tarError(textOf(path), 0, 'its parent is no directory');
    return [dir, path.slice(cut + 1)];
  }

  #add(path: string, mode: number, rdev = 0, target = ''): number {
    const [dir, name] = this.#place(path);
    const inode = this.#union.layers.add(dir, name, mode, rdev, target);
    if (inode < 0) throw tarError(textOf(path), 0, `the union file system refused it: ${errnoName(inode)}`);
    return inode;
  }

  #inodeAt(path: string): number {
    const [dir, name] = this.#place(path);
    return this.#union.layers.find(dir, name);
  }

  remove(path: string, directory: boolean): void {
    const [dir, name] = this.#place(path);
    this.#union.layers.remove(dir, name);
    if (!directory) return;
    for (const known of this.#directories.keys()) if (known === path || known.startsWith(`${path}/`)) this.#directories.delete(known);
  }

  directory(path: string): void {
    this.#directories.set(path, this.#add(path, S_IFDIR | 0o755));
  }

  node(path: string, entry: TarEntry): void {
    const target = entry.type === 'symlink' ? toByteString(entry.linkName) : '';
    const inode = this.#add(path, TYPES[entry.type], makeDevice(entry.devMajor, entry.devMinor), target);
    this.#describe(inode, entry);
    if (entry.type === 'file') this.#file = { inode, chunks: [] };
  }

  link(path: string, target: string): void {
    const [dir, name] = this.#place(path);
    this.#union.layers.link(dir, name, this.#inodeAt(target));
  }

  copyUp(path: string): void {
    const node = this.#lowerNode(path);
    if (node === undefined) throw tarError(textOf(path), 0, 'a hard link to something that is gone from the layers below');
    const stat = this.#union.stat(node);
    const target = this.#union.readlink(node);
    const inode = this.#add(path, stat.mode & S_IFMT, stat.rdev, typeof target === 'string' ? target : '');
    this.#copyAttributes(inode, node);
    if ((stat.mode & S_IFMT) !== S_IFREG) return;
    const bytes = new Uint8Array(stat.size);
    this.#union.read(node, bytes, 0);
    this.#union.layers.setData(inode, bytes, stat.size);
  }

  whiteout(path: string): void {
    this.#union.layers.setAttributes(this.#add(path, S_IFCHR), { ...IMPLIED, mode: 0 });
  }

  #describe(inode: number, { mode, uid, gid, mtime, atime = mtime, xattrs, type }: TarEntry): void {
    this.#union.layers.setAttributes(inode, { mode: type === 'symlink' ? 0o777 : mode, uid, gid, atime, mtime });
    for (const [name, value] of xattrs) {
      const stored = storedName(name);
      // T11: what only files and directories can have is ignored elsewhere.
      const refused = name.startsWith('user.') && type !== 'file' && type !== 'directory';
      if (stored !== undefined && !refused) this.#union.layers.setXattr(inode, stored, value);
    }
  }

  #copyAttributes(inode: number, node: number): void {
    const union = this.#union;
    const { mode, uid, gid, atime, mtime } = union.stat(node);
    union.layers.setAttributes(inode, { mode: mode & 0o7777, uid, gid, atime, mtime });
    for (const name of union.listXattrs(node)) {
      const value = union.getXattr(node, name);
      if (typeof value !== 'number') union.layers.setXattr(inode, storedName(name) ?? name, value);
    }
  }

  #finishDirectory({ path, opaque, entry, fromLower }: LayerDirectory): void {
    const inode = this.#directories.get(path) ?? 0;
    const below = fromLower ? this.#lowerNode(path) : undefined;
    if (entry !== undefined) this.#describe(inode, entry);
    else if (below !== undefined) this.#copyAttributes(inode, below);
    else this.#union.layers.setAttributes(inode, IMPLIED);
    if (opaque) this.#union.layers.setXattr(inode, `${this.#prefix}.overlay.opaque`, OPAQUE);
  }

  // Data of files.

  #entry(entry: TarEntry): void {
    if (entry.size > FILE_SIZE_MAX) throw tarError(textOf(toByteString(entry.name)), entry.offset, `a file of ${String(entry.size)} bytes, allowed in the simulator: ${String(FILE_SIZE_MAX)}`);
    this.#tree.apply(entry);
  }

  #data(bytes: Uint8Array, position: number): void {
    // The reader's bytes are valid during the call only.
    this.#file?.chunks.push({ bytes: bytes.slice(), position });
  }

  #end(entry: TarEntry): void {
    const file = this.#file;
    this.#file = undefined;
    if (file === undefined) return;
    const [first] = file.chunks;
    const length = file.chunks.reduce((end, { bytes, position }) => Math.max(end, position + bytes.length), 0);
    let data = first?.bytes ?? new Uint8Array(0);
    if (file.chunks.length > 1 || first?.position !== 0) {
      data = new Uint8Array(length);
      for (const { bytes, position } of file.chunks) data.set(bytes, position);
    }
    this.#union.layers.setData(file.inode, data, entry.size);
  }
}
