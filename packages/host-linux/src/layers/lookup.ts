/** Read-only views of layer directories: the merged tree of several layers without mounting them (rules L1, L2). */
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type BigIntStats } from 'node:fs';
import { BoxError, byteStringOf, textOf, type LowerNode, type LowerView } from '@tsc-box/model';
import { getXattr } from './syscalls.unsafe.ts';

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const MAX_LINKS = 40;

export interface LayerLookup {
  /** Index into the given layers, 0 is the top. */
  readonly layerIndex: number;
  /** Where the object lies, as text; `pathBytes` is exact. */
  readonly absolutePath: string;
  readonly pathBytes: Buffer;
  readonly stat: BigIntStats;
}

export const toBuffer = (byteString: string): Buffer => Buffer.from(byteString, 'latin1');

export function isWhiteout(stat: BigIntStats): boolean {
  return stat.isCharacterDevice() && stat.rdev === 0n;
}

/** `path` is a byte string. Both forms are looked at: layers may come from mounts with and without `userxattr`. */
export const isOpaque = (path: string): boolean => hasOpaqueMark(path, 'y');

function hasOpaqueMark(path: string, mark: 'x' | 'y'): boolean {
  return ['trusted.overlay.opaque', 'user.overlay.opaque'].some((name) => {
    const value = getXattr(path, name);
    return value?.length === 1 && value[0] === mark.charCodeAt(0);
  });
}

/** L4: the other form of a whiteout, an empty file with an attribute in a directory with the mark "x". Byte strings. */
function isFileWhiteout(directory: string, name: string, stat: BigIntStats): boolean {
  if (!stat.isFile() || stat.size !== 0n) return false;
  const path = `${directory}/${name}`;
  return ['trusted.overlay.whiteout', 'user.overlay.whiteout'].some((key) => getXattr(path, key) !== undefined) && hasOpaqueMark(directory, 'x');
}

export function statQuietly(path: string): BigIntStats | undefined {
  try {
    return lstatSync(toBuffer(path), { bigint: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Merged view of layer directories, top first. Paths are byte strings below the root. */
export class MergedLayers implements LowerView {
  readonly #roots: readonly string[];
  /** Layers that show the directory of that path, top first. */
  readonly #merged = new Map<string, readonly number[]>();

  constructor(lowerdirs: readonly string[]) {
    this.#roots = lowerdirs.map((directory) => byteStringOf(directory).replace(/\/+$/, ''));
    this.#merged.set('', this.#roots.map((_, index) => index));
  }

  /** The object at a path without following any link. */
  find(path: string): { readonly layer: number; readonly path: string; readonly stat: BigIntStats } | undefined {
    if (path === '') return this.#at(0, '');
    const slash = path.lastIndexOf('/');
    for (const layer of this.#layersOf(slash < 0 ? '' : path.slice(0, slash))) {
      const found = this.#at(layer, path);
      if (found === undefined) continue;
      const hides = isWhiteout(found.stat) || isFileWhiteout(this.#real(layer, path.slice(0, Math.max(slash, 0))), path.slice(slash + 1), found.stat);
      return hides ? undefined : found;
    }
    return undefined;
  }

  lookup(path: string): LowerNode | undefined {
    const found = this.find(path);
    if (found === undefined) return undefined;
    if (found.stat.isDirectory()) return { kind: 'directory' };
    return found.stat.isSymbolicLink() ? { kind: 'symlink', target: readlinkSync(toBuffer(found.path), 'latin1') } : { kind: 'other' };
  }

  children(path: string): string[] {
    const names = new Map<string, boolean>();
    for (const layer of this.#layersOf(path)) {
      const directory = this.#real(layer, path);
      const marked = hasOpaqueMark(directory, 'x');
      for (const entry of readdirSync(toBuffer(directory), { encoding: 'latin1', withFileTypes: true })) {
        if (names.has(entry.name)) continue;
        const stat = entry.isCharacterDevice() || (marked && entry.isFile()) ? statQuietly(`${directory}/${entry.name}`) : undefined;
        names.set(entry.name, stat === undefined || !(isWhiteout(stat) || isFileWhiteout(directory, entry.name, stat)));
      }
    }
    return [...names].filter(([, visible]) => visible).map(([name]) => name);
  }

  /** L2: down to the first whiteout, non-directory (excluded) or opaque directory (included). */
  #layersOf(path: string): readonly number[] {
    const known = this.#merged.get(path);
    if (known !== undefined) return known;
    const slash = path.lastIndexOf('/');
    const layers: number[] = [];
    for (const layer of this.#layersOf(slash < 0 ? '' : path.slice(0, slash))) {
      const found = this.#at(layer, path);
      if (found === undefined) continue;
      if (!found.stat.isDirectory()) break;
      layers.push(layer);
      if (isOpaque(found.path)) break;
    }
    this.#merged.set(path, layers);
    return layers;
  }

  #real(layer: number, path: string): string {
    const root = this.#roots[layer] ?? '';
    return path === '' ? (root === '' ? '/' : root) : `${root}/${path}`;
  }

  #at(layer: number, path: string): { layer: number; path: string; stat: BigIntStats } | undefined {
    if (this.#roots[layer] === undefined) return undefined;
    const real = this.#real(layer, path);
    const stat = statQuietly(real);
    return stat === undefined ? undefined : { layer, path: real, stat };
  }
}

/** Finds `path` (text) in the merged layers, top first. Links are resolved inside the root; `follow: false` leaves the last one. */
export function lookupLayers(lowerdirs: readonly string[], path: string, options: { readonly follow?: boolean } = {}): LayerLookup | undefined {
  const layers = new MergedLayers(lowerdirs);
  const todo = byteStringOf(path).split('/').reverse();
  let place: string[] = [];
  let links = 0;
  while (todo.length > 0) {
    const name = todo.pop() ?? '';
    if (name === '' || name === '.') continue;
    if (name === '..') {
      place.pop();
      continue;
    }
    place.push(name);
    const node = layers.lookup(place.join('/'));
    if (node === undefined) return undefined;
    const rest = todo.some((component) => component !== '' && component !== '.');
    if (node.kind === 'other' && rest) return undefined;
    if (node.kind !== 'symlink' || (!rest && options.follow === false)) continue;
    links += 1;
    if (links > MAX_LINKS) return undefined;
    place = node.target.startsWith('/') ? [] : place.slice(0, -1);
    todo.push(...node.target.split('/').reverse());
  }
  const found = layers.find(place.join('/'));
  return found === undefined ? undefined : { layerIndex: found.layer, absolutePath: textOf(found.path), pathBytes: toBuffer(found.path), stat: found.stat };
}

/** What a path is in the merged layers, links followed inside them; undefined where there is nothing. */
export function statInLayers(lowerdirs: readonly string[], path: string): { readonly kind: 'file' | 'directory' | 'other'; readonly mode: number } | undefined {
  const stat = lookupLayers(lowerdirs, path)?.stat;
  if (stat === undefined) return undefined;
  return { kind: stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : 'other', mode: Number(stat.mode) & 0o7777 };
}

/** The bytes of a regular file in the merged layers, or undefined where there is none. An image's FIFO or device is never opened for good. */
export function readFileInLayers(lowerdirs: readonly string[], path: string, maxBytes: number): Buffer | undefined {
  const found = lookupLayers(lowerdirs, path);
  if (found === undefined) return undefined;
  const refuse = (detail: string): never => {
    throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read "${path}" of the image`, detail, path: found.absolutePath });
  };
  if (!found.stat.isFile()) refuse('it is no regular file');
  const fd = openSync(found.pathBytes, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) refuse('it is no regular file');
    if (stat.size > maxBytes) refuse(`it has ${String(stat.size)} bytes, allowed: ${String(maxBytes)}`);
    // One byte more than it says it has: the last read then finds the end, or that it has grown.
    let buffer = Buffer.allocUnsafe(stat.size + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length <= maxBytes; length += read) {
      if (length === buffer.length) buffer = Buffer.concat([buffer], Math.min(buffer.length * 2 + 4096, maxBytes + 1));
      read = readSync(fd, buffer, length, buffer.length - length, null);
    }
    if (length > maxBytes) refuse(`it has more than ${String(maxBytes)} bytes`);
    return buffer.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}
