/**
 * Unpacks a layer archive into a directory in the form that overlayfs mounts: rules T1 to T9, section 6.
 * What the archive means is decided by `LayerTree`; here it is performed, and the kernel checks every path again (openat2).
 */
import { closeSync, constants, ftruncateSync, openSync, readdirSync, writeSync } from 'node:fs';
import { LayerTree, TarReader, tarError, textOf, toByteString, UnsupportedError, DEFAULT_EXTRACT_LIMITS, type ExtractLimits, type ExtractOptions, type LayerDirectory, type LayerExtractor, type LayerSink, type TarEntry } from '@tsc-box/model';
import { attributesOfEntry, attributesToCopy, AttributeWriter, IMPLIED_DIRECTORY, setOverlayXattr, type Attributes } from './attributes.ts';
import { copyObject } from './copy-object.ts';
import { errnoOf, layerWriteError } from './host-errors.ts';
import { MergedLayers } from './lookup.ts';
import { OpenDirectories, placeOf } from './open-directories.ts';
import { createFile, makeDirectory, makeLink, makeNode, makeSymlink, openDirectoryBelow, removeDirectory, syncFileSystem, unlinkName } from './syscalls.unsafe.ts';
import { WhiteoutWriter } from './whiteouts.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY, S_IFBLK, S_IFCHR, S_IFIFO } = constants;
/** Bytes of work between two looks at other events. */
const TURN_BYTES = 8 << 20;

/** Needs Linux 5.6 for openat2(2); with older kernels paths are walked step by step. Root is not needed. */
export function createExtractor(): LayerExtractor {
  return { extract };
}

async function extract(stream: AsyncIterable<Uint8Array>, directory: string, options: ExtractOptions): Promise<void> {
  const root = openSync(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  const extraction = new Extraction(root, directory, options);
  try {
    let turn = 0;
    for await (const chunk of stream) {
      extraction.push(chunk);
      turn += chunk.length;
      if (turn < TURN_BYTES) continue;
      turn = 0;
      await new Promise<void>((resolve) => void setImmediate(resolve));
    }
    extraction.finish();
    if (options.sync === true) syncFileSystem(root);
  } finally {
    extraction.close();
    closeSync(root);
  }
}

interface OpenFile {
  readonly fd: number;
  readonly path: string;
}

class Extraction implements LayerSink {
  readonly #directory: string;
  readonly #limits: ExtractLimits;
  readonly #lower: MergedLayers;
  readonly #open: OpenDirectories;
  readonly #attributes: AttributeWriter;
  readonly #whiteouts: WhiteoutWriter;
  readonly #tree: LayerTree;
  readonly #reader: TarReader;
  /** Device nodes that could not be made. */
  readonly #skipped = new Set<string>();
  #file: OpenFile | undefined;
  /** What is being worked on, for errors. */
  #path = '';
  #written = 0;

  constructor(root: number, directory: string, options: ExtractOptions) {
    this.#directory = directory;
    this.#limits = { ...DEFAULT_EXTRACT_LIMITS, ...options.limits };
    this.#lower = new MergedLayers(options.lowerdirs ?? []);
    this.#open = new OpenDirectories(root);
    this.#attributes = new AttributeWriter((message) => options.onWarning?.(message));
    this.#whiteouts = new WhiteoutWriter();
    this.#tree = new LayerTree(this, this.#lower, this.#limits.depth);
    const handler = { entry: (entry: TarEntry) => this.#entry(entry), data: (bytes: Uint8Array, position: number) => this.#data(bytes, position), end: (entry: TarEntry) => this.#end(entry) };
    // That nothing is missing at the end is for the digest to tell: the engine verifies it before anybody sees the layer.
    this.#reader = new TarReader(handler, { entries: this.#limits.entries, endMark: false });
  }

  push(chunk: Uint8Array): void {
    this.#guard(() => this.#reader.push(chunk));
  }

  finish(): void {
    this.#guard(() => {
      this.#reader.end();
      this.#path = '';
      this.#tree.finish();
      for (const directory of this.#tree.directories()) this.#finishDirectory(directory);
    });
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file.fd);
    this.#file = undefined;
    this.#open.close();
  }

  remove(path: string, directory: boolean): void {
    if (this.#skipped.delete(path)) return;
    const { parent, name } = placeOf(path);
    this.#path = path;
    if (!directory) return unlinkName(this.#open.at(parent), name);
    this.#open.forget(path);
    emptyDirectory(this.#open.at(parent), name);
    removeDirectory(this.#open.at(parent), name);
    for (const skipped of this.#skipped) if (skipped.startsWith(`${path}/`)) this.#skipped.delete(skipped);
  }

  directory(path: string): void {
    const { parent, name } = placeOf(path);
    this.#path = path;
    makeDirectory(this.#open.at(parent), name);
  }

  node(path: string, entry: TarEntry): void {
    const { parent, name } = placeOf(path);
    this.#path = path;
    const at = this.#open.at(parent);
    if (entry.type === 'file') this.#file = { fd: createFile(at, name), path };
    else if (entry.type === 'symlink') {
      makeSymlink(at, name, toByteString(entry.linkName));
      this.#attributes.apply(at, name, 'symlink', attributesOfEntry(entry));
    } else if (this.#makeSpecial(at, name, entry)) this.#attributes.apply(at, name, 'special', attributesOfEntry(entry));
    else this.#skipped.add(path);
  }

  link(path: string, target: string): void {
    this.#path = path;
    if (this.#skipped.has(target)) return void this.#skipped.add(path);
    const [from, to] = [placeOf(target), placeOf(path)];
    // The second may close the first: a descriptor is valid until the next call.
    const source = openDirectoryOf(this.#open, from.parent);
    try {
      makeLink(source, from.name, this.#open.at(to.parent), to.name);
    } finally {
      closeSync(source);
    }
  }

  copyUp(path: string): void {
    const { parent, name } = placeOf(path);
    this.#path = path;
    const found = this.#lower.find(path);
    if (found === undefined) throw tarError(textOf(path), 0, 'a hard link to something that is gone from the layers below');
    this.#count(Number(found.stat.isFile() ? found.stat.size : 0n), 0);
    if (!copyObject(found.path, found.stat, this.#open.at(parent), name, this.#attributes)) this.#skipped.add(path);
  }

  whiteout(path: string): void {
    const { parent, name } = placeOf(path);
    this.#path = path;
    this.#whiteouts.make(this.#open.at(parent), name, parent);
  }

  #entry(entry: TarEntry): void {
    this.#path = toByteString(entry.name);
    if (entry.size > this.#limits.fileBytes) throw tarError(textOf(this.#path), entry.offset, `a file of ${String(entry.size)} bytes, allowed: ${String(this.#limits.fileBytes)}`);
    this.#tree.apply(entry);
  }

  #data(bytes: Uint8Array, position: number): void {
    if (this.#file === undefined) return;
    this.#count(bytes.length, position);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#file.fd, bytes, at, bytes.length - at, position + at);
  }

  #end(entry: TarEntry): void {
    const file = this.#file;
    if (file === undefined) return;
    const { parent, name } = placeOf(file.path);
    this.#path = file.path;
    if (entry.sparse !== undefined) ftruncateSync(file.fd, entry.size);
    this.#attributes.applyToFile(file.fd, this.#open.at(parent), name, attributesOfEntry(entry));
    this.#file = undefined;
    closeSync(file.fd);
  }

  #count(bytes: number, offset: number): void {
    this.#written += bytes;
    if (this.#written > this.#limits.outputBytes) throw tarError(textOf(this.#path), offset, `the layer unpacks to more than ${String(this.#limits.outputBytes)} bytes`);
  }

  /** False for a device that this user may not make. */
  #makeSpecial(parent: number, name: string, entry: TarEntry): boolean {
    const type = entry.type === 'char' ? S_IFCHR : entry.type === 'block' ? S_IFBLK : S_IFIFO;
    try {
      makeNode(parent, name, type | 0o600, entry.devMajor, entry.devMinor);
      return true;
    } catch (error) {
      if (errnoOf(error) !== 'EPERM' || entry.type === 'fifo') throw error;
      this.#attributes.warnOnce('device nodes of the image are left out: this user may not make them');
      return false;
    }
  }

  #finishDirectory({ path, opaque, entry, fromLower }: LayerDirectory): void {
    this.#path = path;
    const fd = this.#open.at(path);
    if (opaque && !setOverlayXattr(fd, '.', 'opaque', 'y')) this.#refuseMark('opaque directories');
    if (!opaque && this.#whiteouts.needsMark(path) && !setOverlayXattr(fd, '.', 'opaque', 'x')) this.#refuseMark('whiteouts');
    this.#attributes.apply(fd, '.', 'directory', this.#directoryAttributes(path, entry, fromLower));
  }

  #directoryAttributes(path: string, entry: TarEntry | undefined, fromLower: boolean): Attributes {
    if (entry !== undefined) return attributesOfEntry(entry);
    const found = fromLower ? this.#lower.find(path) : undefined;
    return found === undefined ? IMPLIED_DIRECTORY : attributesToCopy(found.path, found.stat);
  }

  #refuseMark(what: string): never {
    throw new UnsupportedError({ attempted: `unpack a layer with ${what}`, reason: 'the file system refuses the extended attributes that overlayfs needs for them', path: this.#directory, hint: 'use --root DIR on ext4, xfs or btrfs' });
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      throw layerWriteError(error, this.#directory, this.#path);
    }
  }
}

/** A descriptor of its own, to be closed by the caller. */
const openDirectoryOf = (open: OpenDirectories, path: string): number => openDirectoryBelow(open.at(path), '');

function emptyDirectory(parent: number, name: string): void {
  const fd = openDirectoryBelow(parent, name);
  try {
    for (const entry of readdirSync(`/proc/self/fd/${String(fd)}`, { encoding: 'latin1', withFileTypes: true })) {
      if (!entry.isDirectory()) unlinkName(fd, entry.name);
      else {
        emptyDirectory(fd, entry.name);
        removeDirectory(fd, entry.name);
      }
    }
  } finally {
    closeSync(fd);
  }
}
