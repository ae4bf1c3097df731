/**
 * Writes a tar into a tree that others may know: `cp`. Paths are opened without links from the directory that was asked for. In a union
 * that is not mounted the upper directory is written as overlayfs would: parents are copied up, whiteouts give way.
 */
import { closeSync, constants, ftruncateSync, openSync, writeSync } from 'node:fs';
import { BoxError, splitLayerPath, TarReader, textOf, toByteString, UsageError, type TarEntry, type TreeView, type UnpackOptions } from '@tsc-box/model';
import { attributesOfEntry, attributesToCopy, AttributeWriter, setOverlayXattr, type Attributes } from './attributes.ts';
import { errnoOf } from './host-errors.ts';
import { MergedLayers, isWhiteout } from './lookup.ts';
import { OpenDirectories, placeOf } from './open-directories.ts';
import { createFile, makeDirectory, makeLink, makeNode, makeSymlink, openDirectoryBelow, unlinkName } from './syscalls.unsafe.ts';
import { ownerOutside } from './tree-ids.ts';
import { openTree } from './tree-view.ts';
import { statAt } from './union-directory.ts';

const { O_DIRECTORY, O_RDONLY, S_IFBLK, S_IFCHR, S_IFIFO } = constants;

export async function unpackTree(stream: AsyncIterable<Uint8Array>, view: TreeView, directory: string, options: UnpackOptions = {}): Promise<void> {
  const opened = openTree(view, directory, true);
  if (opened?.kind !== 'directory') {
    opened?.directory.close();
    throw new BoxError({ code: 'ERR_TSCBOX_USAGE', attempted: `copy into "${directory}"`, detail: opened === undefined ? 'there is no such directory' : 'it is no directory', path: directory });
  }
  const root = view.kind === 'layers' ? openSync(view.layers[0] ?? '', O_RDONLY | O_DIRECTORY) : opened.directory.top;
  const placer = new Placer(root, opened.at, view, options);
  try {
    for await (const chunk of stream) placer.push(chunk);
    placer.finish();
  } finally {
    placer.close();
    if (root !== opened.directory.top) closeSync(root);
    opened.directory.close();
  }
}

/** What is seen at a path, and whether it lies in the directory that is written. */
interface Seen {
  readonly kind: 'nothing' | 'directory' | 'other';
  readonly own: 'nothing' | 'directory' | 'whiteout' | 'other';
}

class Placer {
  readonly #open: OpenDirectories;
  readonly #base: string;
  /** Of a union that is not mounted: all its layers. */
  readonly #union: MergedLayers | undefined;
  readonly #attributes: AttributeWriter;
  readonly #options: UnpackOptions;
  readonly #reader: TarReader;
  readonly #directories = new Map<string, Attributes>();
  #file: { readonly fd: number; readonly path: string } | undefined;

  constructor(root: number, base: string, view: TreeView, options: UnpackOptions) {
    this.#open = new OpenDirectories(root);
    this.#base = base;
    this.#union = view.kind === 'layers' ? new MergedLayers(view.layers) : undefined;
    this.#options = options;
    this.#attributes = new AttributeWriter((text) => options.onWarning?.(text));
    this.#reader = new TarReader({ entry: (entry) => this.#entry(entry), data: (bytes, position) => this.#data(bytes, position), end: (entry) => this.#end(entry) });
  }

  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  /** Times and modes of directories last: writing into them changes the one and may need the other. */
  finish(): void {
    this.#reader.end();
    for (const [path, attributes] of [...this.#directories].reverse()) this.#attributes.apply(this.#open.at(path), '.', 'directory', attributes);
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file.fd);
    this.#open.close();
  }

  #pathOf(name: Uint8Array, offset: number): string {
    const below = splitLayerPath(name, offset).join('/');
    return this.#base === '' || below === '' ? `${this.#base}${below}` : `${this.#base}/${below}`;
  }

  #entry(entry: TarEntry): void {
    const path = this.#pathOf(entry.name, entry.offset);
    // "." is the directory that was asked for: it stays as it is.
    if (path === this.#base) return;
    const { parent, name } = placeOf(path);
    try {
      this.#ensureDirectory(parent);
      if (entry.type === 'directory') return this.#directory(path, parent, name, entry);
      this.#clear(path, parent, name);
      this.#make(path, parent, name, entry);
    } catch (error) {
      throw explain(error, path);
    }
  }

  #make(path: string, parent: string, name: string, entry: TarEntry): void {
    const at = this.#open.at(parent);
    if (entry.type === 'hardlink') return this.#link(this.#pathOf(entry.linkName, entry.offset), parent, name);
    if (entry.type === 'file') return void (this.#file = { fd: createFile(at, name), path });
    if (entry.type === 'symlink') {
      makeSymlink(at, name, toByteString(entry.linkName));
      return this.#attributes.apply(at, name, 'symlink', this.#attributesOf(entry));
    }
    try {
      makeNode(at, name, (entry.type === 'char' ? S_IFCHR : entry.type === 'block' ? S_IFBLK : S_IFIFO) | 0o600, entry.devMajor, entry.devMinor);
    } catch (error) {
      if (errnoOf(error) !== 'EPERM') throw error;
      return this.#attributes.warnOnce('device nodes are left out: this user may not make them');
    }
    this.#attributes.apply(at, name, 'special', this.#attributesOf(entry));
  }

  /** Only to what this archive brought, or the directory that is written has: the rest may not be ours to link to. */
  #link(target: string, parent: string, name: string): void {
    const from = placeOf(target);
    const source = openDirectoryBelow(this.#open.at(from.parent), '');
    try {
      makeLink(source, from.name, this.#open.at(parent), name);
    } finally {
      closeSync(source);
    }
  }

  #directory(path: string, parent: string, name: string, entry: TarEntry): void {
    const seen = this.#see(path, parent, name);
    if (seen.kind === 'other') throw new UsageError({ attempted: `copy the directory "/${textOf(path)}"`, detail: 'something else has that name: a directory does not take its place' });
    if (seen.own !== 'directory') this.#makeDirectory(path, parent, name, seen);
    this.#directories.delete(path);
    this.#directories.set(path, this.#attributesOf(entry));
  }

  #makeDirectory(path: string, parent: string, name: string, seen: Seen): void {
    // Before it is made: afterwards it is what is found.
    const lower = seen.kind === 'directory' ? this.#union?.find(path) : undefined;
    if (seen.own !== 'nothing') unlinkName(this.#open.at(parent), name);
    makeDirectory(this.#open.at(parent), name);
    // W4: what the whiteout hid stays hidden.
    if (seen.own === 'whiteout') setOverlayXattr(this.#open.at(path), '.', 'opaque', 'y');
    if (lower !== undefined) this.#attributes.apply(this.#open.at(path), '.', 'directory', attributesToCopy(lower.path, lower.stat));
  }

  /** Parents that only lower layers have are copied up (C2). Others must be there, or come with the archive. */
  #ensureDirectory(path: string): void {
    if (path === '') return;
    const { parent, name } = placeOf(path);
    this.#ensureDirectory(parent);
    const seen = this.#see(path, parent, name);
    if (seen.own === 'directory') return;
    if (seen.kind === 'other') throw new UsageError({ attempted: `copy into "/${textOf(path)}"`, detail: 'it is no directory' });
    this.#makeDirectory(path, parent, name, seen);
  }

  /** Makes room for something that is no directory. */
  #clear(path: string, parent: string, name: string): void {
    const seen = this.#see(path, parent, name);
    if (seen.kind === 'directory') throw new UsageError({ attempted: `copy to "/${textOf(path)}"`, detail: 'a directory has that name: nothing else takes its place' });
    if (seen.own !== 'nothing') unlinkName(this.#open.at(parent), name);
  }

  #see(path: string, parent: string, name: string): Seen {
    const stat = statAt(this.#open.at(parent), name);
    if (stat !== undefined) {
      if (this.#union !== undefined && isWhiteout(stat)) return { kind: 'nothing', own: 'whiteout' };
      const kind = stat.isDirectory() ? 'directory' : 'other';
      return { kind, own: kind };
    }
    const lower = this.#union?.find(path);
    return { kind: lower === undefined ? 'nothing' : lower.stat.isDirectory() ? 'directory' : 'other', own: 'nothing' };
  }

  #data(bytes: Uint8Array, position: number): void {
    if (this.#file === undefined) return;
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#file.fd, bytes, at, bytes.length - at, position + at);
  }

  #end(entry: TarEntry): void {
    const file = this.#file;
    if (file === undefined) return;
    const { parent, name } = placeOf(file.path);
    if (entry.sparse !== undefined) ftruncateSync(file.fd, entry.size);
    this.#attributes.applyToFile(file.fd, this.#open.at(parent), name, this.#attributesOf(entry));
    this.#file = undefined;
    closeSync(file.fd);
  }

  #attributesOf(entry: TarEntry): Attributes {
    const attributes = attributesOfEntry(entry);
    const xattrs = this.#union === undefined ? entry.xattrs : attributes.xattrs;
    const inside = this.#options.owner ?? attributes;
    const mayChown = process.geteuid?.() === 0;
    const owner = mayChown ? (ownerOutside(inside, this.#options.ids) ?? inside) : inside;
    return { ...attributes, xattrs, uid: owner.uid, gid: owner.gid };
  }
}

function explain(error: unknown, path: string): unknown {
  const errno = errnoOf(error);
  if (errno !== 'ELOOP' && errno !== 'ENOTDIR') {
    if (error instanceof BoxError || errno === undefined) return error;
    return new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `copy to "/${textOf(path)}"`, errno, cause: error });
  }
  return new UsageError({ attempted: `copy to "/${textOf(path)}"`, errno, detail: 'a symbolic link or a file is in the way', cause: error });
}
