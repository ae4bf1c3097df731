/**
 * The union file system of the simulated kernel: layers, mounts that stack them, and calls on what a mount shows.
 * The rules are those of overlayfs and AUFS; the code is assembly/*.ts, this is its glue.
 *
 * - A call gives a handle, a count or 0; below 0 it is -errno (`errnoName`). Names are byte strings, without "/".
 * - A *node* is what a mount shows under one name. It stays valid until its name is removed, unless it is held (`hold`).
 * - Permissions, umask, mount points, "." and ".." and the following of symbolic links are the caller's.
 */
import { BRANCH_RW, BRANCH_WH, BUFFER, BUFFER_SIZE, FLAVOURS, MOUNT_RDONLY, MOUNT_USERXATTR, PATH_A, PATH_B, S_IFDIR, S_IFLNK, S_IFMT, STAT } from './abi.ts';
import { openMemfsStore, type ByteStore } from './byte-store.ts';
import { DataFiles, type DataSnapshot } from './data.ts';
import { DirectoryStream } from './directory-stream.ts';
import { LayerFiles } from './layer-files.ts';
import { MemoryImages, putImage, type MemoryImage } from './memory-image.ts';
import { Scratch, type UnionEntry, type UnionStat, type UnionTime } from './scratch.ts';
import { instantiate, type UnionExports } from './wasm.ts';

const PATH_MAX = 4095;

export interface MountOptions {
  /** `plain`: one layer as it is, such as a tmpfs. Default: `overlay`. */
  readonly flavour?: 'overlay' | 'aufs' | 'plain';
  /** Layer handles, top first. */
  readonly branches: readonly MountBranch[];
  readonly readOnly?: boolean;
  /** overlay: `user.overlay.` instead of `trusted.overlay.` attributes. */
  readonly userXattr?: boolean;
}

export interface MountBranch {
  readonly layer: number;
  /** An overlay has one at most, at the top. */
  readonly writable?: boolean;
  /** AUFS: a read-only branch that may hold whiteouts (`ro+wh`). An overlay's may always. */
  readonly whiteouts?: boolean;
}

export interface AttributeChanges {
  /** Permission bits. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly atime?: UnionTime;
  readonly mtime?: UnionTime;
}

export interface NewObject {
  /** With the file type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev?: number;
  /** Of a symbolic link. */
  readonly target?: string;
}

export interface WalkResult {
  /** The last node that was reached. */
  readonly node: number;
  /** Bytes of the path that led there. */
  readonly used: number;
  /** Why it ended before the path did: -errno, or 0 at "..", a symbolic link or another object that is no directory. */
  readonly error: number;
}

/** The state of a whole machine's file systems. Void after `release`. */
export interface UnionSnapshot {
  readonly memory: MemoryImage;
  readonly data: DataSnapshot;
}

/** Compiles the code and loads memfs on first use. */
export async function openUnion(store?: ByteStore): Promise<Union> {
  const [wasm, bytes] = await Promise.all([instantiate(), store ?? openMemfsStore()]);
  return new Union(wasm, bytes);
}

export class Union {
  readonly #wasm: UnionExports;
  readonly #scratch: Scratch;
  readonly #data: DataFiles;
  readonly #images = new MemoryImages();
  /** Layers as they are in themselves: what is loaded, and what an upper one has become. */
  readonly layers: LayerFiles;

  constructor(wasm: UnionExports, store: ByteStore) {
    this.#wasm = wasm;
    this.#scratch = new Scratch(wasm);
    this.#data = new DataFiles(wasm, this.#scratch, store);
    this.layers = new LayerFiles(wasm, this.#scratch, this.#data);
  }

  /** The time that changes are stamped with, until the next call. */
  setTime({ seconds, nanoseconds }: UnionTime): void {
    this.#wasm.setTime(seconds, nanoseconds);
  }

  /** Grows with each change of names or of where objects lie: caches compare it. */
  get generation(): number {
    return this.#wasm.generation();
  }

  /** Bytes of metadata in use. */
  get metadataBytes(): number {
    return this.#wasm.memoryUsed();
  }

  // Mounts.

  /** A mount's handle; EINVAL (too many branches, none, or a lower one writable), ELOOP (a layer twice). */
  mount({ flavour = 'overlay', branches, readOnly = false, userXattr = false }: MountOptions): number {
    const { view } = this.#scratch;
    // The buffer's size is far above what any flavour allows.
    branches.slice(0, 4096).forEach(({ layer, writable = false, whiteouts = false }, index) => {
      view.setUint32(BUFFER + index * 8, layer, true);
      view.setUint32(BUFFER + index * 8 + 4, (writable ? BRANCH_RW : 0) | (whiteouts ? BRANCH_WH : 0), true);
    });
    return this.#wasm.mountCreate(FLAVOURS[flavour], (readOnly ? MOUNT_RDONLY : 0) | (userXattr ? MOUNT_USERXATTR : 0), Math.min(branches.length, 4096));
  }

  /** EBUSY while a node is held. The layers stay. */
  unmount(mount: number): number {
    return this.#freeing(this.#wasm.mountDestroy(mount));
  }

  root(mount: number): number {
    return this.#wasm.mountRoot(mount);
  }

  /** EINVAL when it can't be written to. */
  setReadOnly(mount: number, readOnly: boolean): number {
    return this.#wasm.mountSetReadOnly(mount, readOnly ? 1 : 0);
  }

  // Nodes.

  /** ENOENT, ENOTDIR, ENAMETOOLONG, EPERM (a redirected directory, a `.wh.` name of AUFS), EIO (a bad whiteout of AUFS). */
  lookup(dir: number, name: string): number {
    return this.#wasm.lookup(dir, this.#scratch.putPath(name));
  }

  /** Follows a path through directories only. More than 4095 bytes are ENAMETOOLONG. */
  walk(dir: number, path: string): WalkResult {
    if (path.length > PATH_MAX) return { node: dir, used: 0, error: -36 };
    const node = this.#wasm.walk(dir, this.#scratch.putPath(path));
    const used = this.#scratch.word(STAT);
    return { node, used, error: 0 - this.#scratch.word(STAT + 4) };
  }

  hold(node: number): void {
    this.#wasm.hold(node);
  }

  letGo(node: number): void {
    this.#wasm.letGo(node);
    this.#data.collect();
  }

  /** Frees the nodes that nobody holds: their handles are void afterwards. Objects keep their numbers (st_ino). */
  shrink(mount = 0): void {
    this.#wasm.shrink(mount);
    this.#data.collect();
  }

  stat(node: number): UnionStat {
    this.#wasm.nodeStat(node);
    return this.#scratch.stat();
  }

  /** st_mode alone: what path resolution asks for most. */
  mode(node: number): number {
    this.#wasm.nodeStat(node);
    return this.#scratch.word(STAT + 8);
  }

  /** The target, or -errno: EINVAL for what is no symbolic link. */
  readlink(node: number): string | number {
    const length = this.#wasm.readlink(node);
    return length < 0 ? length : this.#scratch.target(length);
  }

  /** Name in its parent, and the parent: 0 for a root. A removed node keeps what it had. */
  nameOf(node: number): { readonly name: string; readonly parent: number } {
    const length = this.#wasm.nodeName(node);
    return { name: this.#scratch.text(PATH_A, length), parent: this.#scratch.word(STAT) };
  }

  /** AUFS looks at the permissions of a directory in each branch: their inodes, for `layers.stat`. */
  branchInodes(node: number): number[] {
    const found: number[] = [];
    for (let inode = this.#wasm.nodeInode(node, 0); inode > 0; inode = this.#wasm.nodeInode(node, found.length)) found.push(inode);
    return found;
  }

  /** Index of the branch that an object lies in. */
  branchOf(node: number): number {
    return this.#wasm.nodeBranch(node);
  }

  /** The list as it is now, without "." and ".."; -errno for what is no directory. */
  readdir(dir: number): UnionEntry[] | number {
    const entries: UnionEntry[] = [];
    for (;;) {
      const count = this.#wasm.readdir(dir, entries.length);
      if (count < 0) return count;
      if (count === 0) return entries;
      entries.push(...this.#scratch.entries(count));
    }
  }

  openDirectory(dir: number): DirectoryStream {
    return new DirectoryStream(this, dir);
  }

  // Changes.

  /** The new node, or EEXIST, EROFS, EPERM (a device 0:0), ENOSPC, ENOENT (a removed directory). */
  create(dir: number, name: string, { mode, uid, gid, rdev = 0, target = '' }: NewObject): number {
    const targetLength = (mode & S_IFMT) === S_IFLNK ? this.#scratch.putPath(target, PATH_B) : 0;
    return this.#wasm.create(dir, this.#scratch.putPath(name), mode, uid, gid, rdev, targetLength);
  }

  /** setuid and setgid bits are ignored, as by the kernel. */
  mkdir(dir: number, name: string, mode: number, uid: number, gid: number): number {
    return this.create(dir, name, { mode: S_IFDIR | (mode & 0o1777), uid, gid });
  }

  /** O_TMPFILE: a file without a name, held already; `link` may give it one. */
  createUnnamed(dir: number, mode: number, uid: number, gid: number): number {
    return this.#wasm.createUnnamed(dir, mode, uid, gid);
  }

  /** The new name's node, or EEXIST, EPERM (a directory), EXDEV, EROFS. */
  link(source: number, dir: number, name: string): number {
    return this.#wasm.link(source, dir, this.#scratch.putPath(name));
  }

  unlink(dir: number, name: string): number {
    return this.#freeing(this.#wasm.unlink(dir, this.#scratch.putPath(name)));
  }

  rmdir(dir: number, name: string): number {
    return this.#freeing(this.#wasm.rmdir(dir, this.#scratch.putPath(name)));
  }

  /** `flags` are RENAME_*. EXDEV for directories that do not lie in the upper layer alone (R1). */
  rename(oldDir: number, oldName: string, newDir: number, newName: string, flags = 0): number {
    const newLength = this.#scratch.putPath(newName, PATH_B);
    return this.#freeing(this.#wasm.rename(oldDir, this.#scratch.putPath(oldName), newDir, newLength, flags));
  }

  /** What open(2) for writing does at once. With `truncate` no data is copied, so it works on a full layer. */
  openForWriting(node: number, truncate = false): number {
    const refused = this.#wasm.checkWritable(node);
    if (refused < 0) return refused;
    const copied = this.#wasm.copyUp(node, truncate ? 0 : 1);
    if (copied < 0 || !truncate) return copied;
    return this.truncate(node, 0);
  }

  setAttributes(node: number, { mode, uid, gid, atime, mtime }: AttributeChanges): number {
    const mask = (mode === undefined ? 0 : 1) | (uid === undefined ? 0 : 2) | (gid === undefined ? 0 : 4) | (atime === undefined ? 0 : 8) | (mtime === undefined ? 0 : 16);
    return this.#wasm.setAttributes(node, mask, mode ?? 0, uid ?? 0, gid ?? 0, atime?.seconds ?? 0, atime?.nanoseconds ?? 0, mtime?.seconds ?? 0, mtime?.nanoseconds ?? 0);
  }

  // Data.

  /** Fills `target` from `position` on: the number of bytes, 0 at the end. EISDIR, EINVAL for what is no file. */
  read(node: number, target: Uint8Array, position: number): number {
    const { size, mode } = this.stat(node);
    if ((mode & S_IFMT) === S_IFDIR) return -21;
    const number = this.#wasm.dataOf(node);
    return this.#data.read(number, number === 0 && (mode & S_IFMT) !== 0o100000 ? 0 : size, target, position);
  }

  /** Copies up first. The number of bytes, or ENOSPC, EFBIG, EROFS. */
  write(node: number, bytes: Uint8Array, position: number): number {
    const opened = this.openForWriting(node);
    return opened < 0 ? opened : this.#data.write(node, this.stat(node).size, bytes, position);
  }

  truncate(node: number, size: number): number {
    const refused = this.#wasm.checkWritable(node);
    if (refused < 0) return refused;
    const copied = this.#wasm.copyUp(node, size === 0 ? 0 : 1);
    return copied < 0 ? copied : this.#data.truncate(node, this.stat(node).size, size);
  }

  /** C7: an object that was not copied up keeps its access time. */
  touchAccessTime(node: number): void {
    if (this.stat(node).upper) this.#wasm.touchAccessTime(node);
  }

  // Extended attributes. Names are byte strings.

  /** The value, or ENODATA. */
  getXattr(node: number, name: string): Uint8Array | number {
    const length = this.#wasm.getXattr(node, this.#scratch.putPath(name));
    return length < 0 ? length : this.#scratch.takeBuffer(length);
  }

  /** EPERM, ERANGE, E2BIG; with XATTR_CREATE EEXIST, with XATTR_REPLACE ENODATA. */
  setXattr(node: number, name: string, value: Uint8Array, flags = 0): number {
    if (value.length > BUFFER_SIZE / 2) return -7;
    this.#scratch.putBuffer(value);
    return this.#wasm.setXattr(node, this.#scratch.putPath(name), value.length, flags);
  }

  removeXattr(node: number, name: string): number {
    return this.#wasm.removeXattr(node, this.#scratch.putPath(name));
  }

  listXattrs(node: number): string[] {
    return this.#scratch.names(this.#wasm.listXattr(node));
  }

  // Snapshots.

  /** Copies the metadata; files are shared until they are written to. */
  snapshot(): UnionSnapshot {
    const data = this.#data.snapshot();
    return { memory: this.#images.take(this.#scratch.bytes.buffer, this.#wasm.memoryEnd()), data };
  }

  /** Everything is as it was then. Handles of that time are valid again. */
  restore({ memory, data }: UnionSnapshot): void {
    putImage(memory, this.#scratch.bytes.buffer);
    this.#data.restore(data);
  }

  release({ data }: UnionSnapshot): void {
    this.#data.release(data);
  }

  #freeing(result: number): number {
    this.#data.collect();
    return result;
  }
}
