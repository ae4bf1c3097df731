/** Layers in themselves, not as a mount shows them: whiteouts and stored attributes are plain entries. Inodes are named by handle. */
import { PATH_B } from './abi.ts';
import type { AdoptedBytes } from './byte-store.ts';
import type { DataFiles } from './data.ts';
import type { Scratch, UnionStat, UnionTime } from './scratch.ts';
import type { UnionExports } from './wasm.ts';

export interface InodeAttributes {
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly atime: UnionTime;
  readonly mtime: UnionTime;
}

export interface LayerEntry {
  readonly name: string;
  readonly inode: number;
}

export class LayerFiles {
  readonly #wasm: UnionExports;
  readonly #scratch: Scratch;
  readonly #data: DataFiles;

  constructor(wasm: UnionExports, scratch: Scratch, data: DataFiles) {
    this.#wasm = wasm;
    this.#scratch = scratch;
    this.#data = data;
  }

  /** A new empty layer. */
  create(mode = 0o755, uid = 0, gid = 0): number {
    return this.#wasm.layerCreate(mode, uid, gid);
  }

  /** EBUSY while a mount uses it. */
  destroy(layer: number): number {
    const result = this.#wasm.layerDestroy(layer);
    this.#data.collect();
    return result;
  }

  root(layer: number): number {
    return this.#wasm.layerRoot(layer);
  }

  /** Bytes of file data that it may hold: more is ENOSPC. */
  setLimit(layer: number, bytes: number): void {
    this.#wasm.layerLimit(layer, bytes);
  }

  /** Bytes of file data that it holds. */
  size(layer: number): number {
    return this.#wasm.layerBytes(layer);
  }

  /** ENOENT, ENOTDIR. */
  find(dir: number, name: string): number {
    return this.#wasm.entryFind(dir, this.#scratch.putPath(name));
  }

  /** The new inode. `mode` has the type. EEXIST, ENOTDIR, ENAMETOOLONG, ENOSPC. */
  add(dir: number, name: string, mode: number, rdev = 0, target = ''): number {
    const targetLength = target === '' ? 0 : this.#scratch.putPath(target, PATH_B);
    return this.#wasm.entryAdd(dir, this.#scratch.putPath(name), mode, 0, 0, rdev, targetLength);
  }

  link(dir: number, name: string, inode: number): number {
    return this.#wasm.entryLink(dir, this.#scratch.putPath(name), inode);
  }

  /** With all below it. */
  remove(dir: number, name: string): number {
    const result = this.#wasm.entryRemove(dir, this.#scratch.putPath(name));
    this.#data.collect();
    return result;
  }

  /** ctime becomes mtime, so that loading an image gives the same layer each time. */
  setAttributes(inode: number, { mode, uid, gid, atime, mtime }: InodeAttributes): void {
    this.#wasm.inodeSet(inode, mode, uid, gid, atime.seconds, atime.nanoseconds, mtime.seconds, mtime.nanoseconds);
  }

  /** The file's data. It is not copied: it must not change. */
  setData(inode: number, bytes: AdoptedBytes, size: number): void {
    this.#data.adopt(inode, bytes, size);
  }

  stat(inode: number): UnionStat {
    this.#wasm.inodeStat(inode);
    return this.#scratch.stat();
  }

  readlink(inode: number): string | number {
    const length = this.#wasm.inodeTarget(inode);
    return length < 0 ? length : this.#scratch.target(length);
  }

  readFile(inode: number): Uint8Array {
    this.#wasm.inodeStat(inode);
    const { size } = this.#scratch.stat();
    const number = this.#scratch.dataNumber();
    const bytes = new Uint8Array(size);
    this.#data.read(number, size, bytes, 0);
    return bytes;
  }

  list(dir: number): LayerEntry[] {
    const entries: LayerEntry[] = [];
    for (;;) {
      const count = this.#wasm.entryList(dir, entries.length);
      if (count <= 0) return entries;
      entries.push(...this.#scratch.layerEntries(count));
    }
  }

  /** As stored: overlayfs' own too. */
  setXattr(inode: number, name: string, value: Uint8Array): number {
    if (value.length > 65536) return -7;
    this.#scratch.putBuffer(value);
    return this.#wasm.inodePutXattr(inode, this.#scratch.putPath(name), value.length);
  }

  xattrs(inode: number): Map<string, Uint8Array> {
    const names = this.#scratch.names(this.#wasm.inodeListXattrs(inode));
    return new Map(names.map((name) => [name, this.#scratch.takeBuffer(this.#wasm.inodeGetXattr(inode, this.#scratch.putPath(name)))]));
  }

  removeXattr(inode: number, name: string): number {
    return this.#wasm.inodeDropXattr(inode, this.#scratch.putPath(name));
  }
}
