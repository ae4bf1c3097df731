/**
 * Layers as they lie on disk for overlayfs, and their union, in memory: the reference that kernels are compared with.
 * Rules L1 to L3 (lookup and merging), W4 (opaque). Paths are byte strings without "/" at either end; "" is the root.
 */
import { toByteString } from './bytes.ts';
import { LayerTree, type LayerSink, type LowerNode, type LowerView } from './layer-tree.ts';
import type { TarEntry } from './tar-types.ts';

/** What a directory or another object was made from: undefined for parents that no archive describes. */
export type Origin = TarEntry | undefined;

export interface MemoryDirectory {
  readonly kind: 'directory';
  readonly children: Map<string, MemoryNode>;
  opaque: boolean;
  origin: Origin;
}

export interface MemoryObject {
  readonly kind: 'object';
  readonly entry: TarEntry;
  /** Hard links are the same identity. */
  readonly identity: object;
}

export type MemoryNode = MemoryDirectory | MemoryObject | { readonly kind: 'whiteout' };

export const emptyLayer = (): MemoryDirectory => ({ kind: 'directory', children: new Map(), opaque: false, origin: undefined });

const split = (path: string): string[] => (path === '' ? [] : path.split('/'));

function nodeAt(root: MemoryDirectory, path: string): MemoryNode | undefined {
  let node: MemoryNode | undefined = root;
  for (const name of split(path)) node = node?.kind === 'directory' ? node.children.get(name) : undefined;
  return node;
}

/** The union of layers, top first. */
export class MemoryUnion implements LowerView {
  readonly #layers: readonly MemoryDirectory[];

  constructor(layers: readonly MemoryDirectory[]) {
    this.#layers = layers;
  }

  /** What the union shows at a path. Nothing is followed. */
  find(path: string): Exclude<MemoryNode, { readonly kind: 'whiteout' }> | undefined {
    if (path === '') return this.#layers[0];
    const slash = path.lastIndexOf('/');
    for (const directory of this.#directories(path.slice(0, Math.max(slash, 0)))) {
      const found = directory.children.get(path.slice(slash + 1));
      if (found !== undefined) return found.kind === 'whiteout' ? undefined : found;
    }
    return undefined;
  }

  lookup(path: string): LowerNode | undefined {
    const found = this.find(path);
    if (found === undefined) return undefined;
    if (found.kind === 'directory') return { kind: 'directory' };
    return found.entry.type === 'symlink' ? { kind: 'symlink', target: toByteString(found.entry.linkName) } : { kind: 'other' };
  }

  children(path: string): string[] {
    const names = new Map<string, boolean>();
    for (const directory of this.#directories(path)) for (const [name, node] of directory.children) if (!names.has(name)) names.set(name, node.kind !== 'whiteout');
    return [...names].filter(([, visible]) => visible).map(([name]) => name);
  }

  /** Every path the union shows, and what is there. */
  list(): Map<string, Exclude<MemoryNode, { readonly kind: 'whiteout' }>> {
    const all = new Map<string, Exclude<MemoryNode, { readonly kind: 'whiteout' }>>();
    const visit = (path: string): void => {
      const node = this.find(path);
      if (node === undefined) return;
      all.set(path, node);
      if (node.kind === 'directory') for (const name of this.children(path)) visit(path === '' ? name : `${path}/${name}`);
    };
    visit('');
    return all;
  }

  /** L2: the directories that merge at a path, top first. */
  #directories(path: string): MemoryDirectory[] {
    let merged = [...this.#layers];
    for (const name of split(path)) {
      const next: MemoryDirectory[] = [];
      for (const directory of merged) {
        const child = directory.children.get(name);
        if (child === undefined) continue;
        if (child.kind !== 'directory') break;
        next.push(child);
        if (child.opaque) break;
      }
      merged = next;
    }
    return merged;
  }
}

/** Performs what `LayerTree` decides. */
class MemorySink implements LayerSink {
  readonly root: MemoryDirectory = emptyLayer();
  readonly #lower: MemoryUnion;

  constructor(lower: MemoryUnion) {
    this.#lower = lower;
  }

  remove(path: string): void {
    this.#at(path, (parent, name) => parent.delete(name));
  }

  directory(path: string): void {
    this.#put(path, emptyLayer());
  }

  node(path: string, entry: TarEntry): void {
    this.#put(path, { kind: 'object', entry, identity: {} });
  }

  link(path: string, target: string): void {
    const node = nodeAt(this.root, target);
    if (node !== undefined) this.#put(path, node);
  }

  copyUp(path: string): void {
    const node = this.#lower.find(path);
    if (node?.kind === 'object') this.#put(path, { ...node, identity: {} });
  }

  whiteout(path: string): void {
    this.#put(path, { kind: 'whiteout' });
  }

  #put(path: string, node: MemoryNode): void {
    this.#at(path, (parent, name) => parent.set(name, node));
  }

  #at(path: string, change: (parent: Map<string, MemoryNode>, name: string) => void): void {
    const slash = path.lastIndexOf('/');
    const parent = nodeAt(this.root, path.slice(0, Math.max(slash, 0)));
    if (parent?.kind === 'directory') change(parent.children, path.slice(slash + 1));
  }
}

/** The layer that an archive makes over others (top first). @throws BoxError for archives that are wrong. */
export function applyLayer(entries: readonly TarEntry[], lowers: readonly MemoryDirectory[]): MemoryDirectory {
  const lower = new MemoryUnion(lowers);
  const sink = new MemorySink(lower);
  const tree = new LayerTree(sink, lower);
  for (const entry of entries) tree.apply(entry);
  tree.finish();
  for (const { path, opaque, entry, fromLower } of tree.directories()) {
    const node = nodeAt(sink.root, path);
    if (node?.kind !== 'directory') continue;
    const below = fromLower ? lower.find(path) : undefined;
    node.opaque = opaque;
    node.origin = entry ?? (below?.kind === 'directory' ? below.origin : undefined);
  }
  return sink.root;
}
