/**
 * What a layer archive makes of an empty layer directory, as a sequence of simple operations: rules T1 to T9.
 * Pure: a kernel performs the operations through `LayerSink`. Paths are byte strings without "/" at either end;
 * "" is the layer's root. No path that a sink gets has a symbolic link or ".." in it.
 */
import { textOf, toByteString } from './bytes.ts';
import { classifyName, PSEUDO_LINKS, splitLayerPath } from './names.ts';
import { tarError, type TarEntry } from './tar-types.ts';

export type LowerNode = { readonly kind: 'directory' } | { readonly kind: 'symlink'; readonly target: string } | { readonly kind: 'other' };

/** The merged layers below. Nothing is followed: a symbolic link on the way means that nothing is found. */
export interface LowerView {
  lookup(path: string): LowerNode | undefined;
  /** Merged names in the directory at `path`; none where there is no directory. */
  children(path: string): readonly string[];
}

/** Each call happens when its parent directory exists and nothing lies at `path` (except `remove`). */
export interface LayerSink {
  remove(path: string, directory: boolean): void;
  directory(path: string): void;
  /** The entry as it is: file (data follows), symlink, char, block or fifo. */
  node(path: string, entry: TarEntry): void;
  link(path: string, target: string): void;
  /** Copies what the layers below have at `path`, which is no directory. */
  copyUp(path: string): void;
  whiteout(path: string): void;
}

/** A directory of the finished layer, for the attributes that are set last. */
export interface LayerDirectory {
  readonly path: string;
  readonly opaque: boolean;
  /** The archive's own entry, or undefined for a parent that was only implied. */
  readonly entry: TarEntry | undefined;
  /** Implied, and a lower layer has the directory: its attributes are copied (T6). */
  readonly fromLower: boolean;
}

interface DirectoryNode {
  readonly kind: 'directory';
  readonly children: Map<string, TreeNode>;
  opaque: boolean;
  /** This layer had removed the lower directory of that name before. */
  fresh: boolean;
  entry: TarEntry | undefined;
}
type TreeNode = DirectoryNode | { readonly kind: 'symlink'; readonly target: string } | { readonly kind: 'other' } | { readonly kind: 'whiteout' };

const MAX_LINKS = 40;

export class LayerTree {
  readonly #sink: LayerSink;
  readonly #lower: LowerView;
  readonly #depth: number;
  readonly #root: DirectoryNode = { kind: 'directory', children: new Map(), opaque: false, fresh: false, entry: undefined };

  constructor(sink: LayerSink, lower: LowerView, depth = 1024) {
    this.#sink = sink;
    this.#lower = lower;
    this.#depth = depth;
  }

  /** True when the entry was made as a node of its own, whose data is to be kept. */
  apply(entry: TarEntry): boolean {
    const components = splitLayerPath(entry.name, entry.offset, this.#depth);
    const meaning = classifyName(components, entry.offset);
    if (meaning.kind === 'skip') return false;
    const name = components.at(-1);
    if (name === undefined) {
      if (entry.type !== 'directory') this.#fail(entry, 'the root of a layer must be a directory');
      this.#root.entry = entry;
      return false;
    }
    const parent = this.#resolve(components.slice(0, -1), entry);
    if (meaning.kind === 'opaque') this.#makeOpaque(this.#ensure(parent), parent);
    else if (meaning.kind === 'whiteout') this.#whiteout([...parent, meaning.hidden]);
    else if (entry.type === 'directory') this.#addDirectory([...parent, name], entry);
    else return this.#addOther([...parent, name], entry);
    return false;
  }

  /** Removes what only served the extraction. Then `directories` is complete. */
  finish(): void {
    if (this.#root.children.has(PSEUDO_LINKS)) this.#removeAt([PSEUDO_LINKS]);
    if (this.#root.opaque) this.#hideRoot();
  }

  /** All directories, children before parents. */
  directories(): LayerDirectory[] {
    const found: LayerDirectory[] = [];
    const visit = (node: DirectoryNode, path: string, visible: boolean): void => {
      for (const [name, child] of node.children) if (child.kind === 'directory') visit(child, path === '' ? name : `${path}/${name}`, visible && !node.opaque);
      const fromLower = node.entry === undefined && visible && !node.fresh && this.#lower.lookup(path)?.kind === 'directory';
      found.push({ path, opaque: node.opaque && path !== '', entry: node.entry, fromLower });
    };
    visit(this.#root, '', true);
    return found;
  }

  #find(path: readonly string[]): TreeNode | undefined {
    let node: TreeNode | undefined = this.#root;
    for (const name of path) {
      if (node?.kind !== 'directory') return undefined;
      node = node.children.get(name);
    }
    return node;
  }

  /** What lower layers show at `path` as far as this layer leaves it visible. */
  #lowerAt(path: readonly string[]): LowerNode | undefined {
    let node: TreeNode | undefined = this.#root;
    for (const name of path) {
      if (node === undefined) break;
      if (node.kind !== 'directory' || node.opaque) return undefined;
      node = node.children.get(name);
    }
    return this.#lower.lookup(path.join('/'));
  }

  /** The real place of a directory path: symbolic links, of this layer and lower ones, resolved inside the root. */
  #resolve(components: readonly string[], entry: TarEntry): string[] {
    const todo = [...components].reverse();
    let path: string[] = [];
    for (let links = 0; ; ) {
      const name = todo.pop();
      if (name === undefined) return path;
      if (name === '' || name === '.') continue;
      if (name === '..') {
        path.pop();
        continue;
      }
      path.push(name);
      const target = this.#linkAt(path, entry);
      if (target === undefined) {
        if (path.length > this.#depth) this.#fail(entry, 'its path is too deep once links are resolved');
        continue;
      }
      links += 1;
      if (links > MAX_LINKS) this.#fail(entry, 'too many levels of symbolic links in its path');
      path = target.startsWith('/') ? [] : path.slice(0, -1);
      todo.push(...target.split('/').reverse());
    }
  }

  #linkAt(path: readonly string[], entry: TarEntry): string | undefined {
    const node = this.#find(path);
    if (node === undefined) {
      const below = this.#lowerAt(path);
      return below?.kind === 'symlink' ? below.target : undefined;
    }
    if (node.kind === 'other') this.#fail(entry, `its parent "${textOf(path.join('/'))}" is no directory`);
    return node.kind === 'symlink' ? node.target : undefined;
  }

  /** Makes the directory at `path` and its parents where they are missing. */
  #ensure(path: readonly string[]): DirectoryNode {
    let node = this.#root;
    for (let length = 1; length <= path.length; length += 1) {
      const name = path[length - 1] ?? '';
      const child = node.children.get(name);
      node = child?.kind === 'directory' ? child : this.#makeDirectory(node, path.slice(0, length), child);
    }
    return node;
  }

  /** T5: a directory in the place of something that this layer had put over a lower directory is opaque. */
  #makeDirectory(parent: DirectoryNode, path: readonly string[], old: TreeNode | undefined): DirectoryNode {
    const opaque = old !== undefined && this.#lowerAt(path)?.kind === 'directory';
    if (old !== undefined) this.#removeAt(path);
    const made: DirectoryNode = { kind: 'directory', children: new Map(), opaque, fresh: opaque, entry: undefined };
    parent.children.set(path.at(-1) ?? '', made);
    this.#sink.directory(path.join('/'));
    return made;
  }

  #removeAt(path: readonly string[]): void {
    const parent = this.#find(path.slice(0, -1));
    const name = path.at(-1) ?? '';
    const node = parent?.kind === 'directory' ? parent.children.get(name) : undefined;
    if (node === undefined || parent?.kind !== 'directory') return;
    this.#sink.remove(path.join('/'), node.kind === 'directory');
    parent.children.delete(name);
  }

  #addDirectory(path: readonly string[], entry: TarEntry): void {
    const parent = this.#ensure(path.slice(0, -1));
    const old = parent.children.get(path.at(-1) ?? '');
    const node = old?.kind === 'directory' ? old : this.#makeDirectory(parent, path, old);
    node.entry = entry;
  }

  #addOther(path: readonly string[], entry: TarEntry): boolean {
    if (entry.type === 'char' && entry.devMajor === 0 && entry.devMinor === 0) this.#fail(entry, 'a character device 0:0, which overlayfs takes for a whiteout');
    const parent = this.#ensure(path.slice(0, -1));
    const name = path.at(-1) ?? '';
    if (entry.type === 'hardlink') {
      this.#link(path, entry);
      return false;
    }
    this.#removeAt(path);
    this.#sink.node(path.join('/'), entry);
    parent.children.set(name, entry.type === 'symlink' ? { kind: 'symlink', target: toByteString(entry.linkName) } : { kind: 'other' });
    return entry.type === 'file';
  }

  /** T8: the target is a path from the root, and there already. Its own last component is not followed. */
  #link(path: readonly string[], entry: TarEntry): void {
    const components = splitLayerPath(entry.linkName, entry.offset, this.#depth);
    const shown = textOf(toByteString(entry.linkName));
    const name = components.at(-1);
    if (name === undefined) return this.#fail(entry, 'a hard link to the root');
    const target = [...this.#resolve(components.slice(0, -1), entry), name];
    const from = target.join('/');
    const to = path.join('/');
    if (from === to) this.#fail(entry, 'a hard link to itself');
    // T1: what was at its own place goes first, and the target with it.
    if (from.startsWith(`${to}/`)) this.#fail(entry, `a hard link in the place of the directory that its target "${shown}" is in`);
    this.#removeAt(path);
    const node = this.#find(target) ?? this.#copyUp(target);
    if (node === undefined || node.kind === 'whiteout') return this.#fail(entry, `a hard link to "${shown}", which does not exist yet`);
    if (node.kind === 'directory') this.#fail(entry, `a hard link to the directory "${shown}"`);
    this.#sink.link(to, from);
    this.#ensure(path.slice(0, -1)).children.set(path.at(-1) ?? '', node);
  }

  #copyUp(path: readonly string[]): TreeNode | undefined {
    const below = this.#lowerAt(path);
    if (below === undefined) return undefined;
    if (below.kind === 'directory') return { kind: 'directory', children: new Map(), opaque: false, fresh: false, entry: undefined };
    const parent = this.#ensure(path.slice(0, -1));
    this.#sink.copyUp(path.join('/'));
    parent.children.set(path.at(-1) ?? '', below);
    return below;
  }

  /** T2: hides what lower layers have; what this layer has itself stays. L5: no whiteout where there is nothing to hide. */
  #whiteout(path: readonly string[]): void {
    const below = this.#lowerAt(path);
    const node = this.#find(path);
    if (node?.kind === 'directory') {
      if (below?.kind !== 'directory') return;
      this.#makeOpaque(node, path);
      node.fresh = true;
      return;
    }
    if (node !== undefined || below === undefined) return;
    const parent = this.#ensure(path.slice(0, -1));
    this.#sink.whiteout(path.join('/'));
    parent.children.set(path.at(-1) ?? '', { kind: 'whiteout' });
  }

  /** overlayfs always merges the roots of layers, whatever their marks: each lower name is hidden by itself. */
  #hideRoot(): void {
    for (const name of this.#lower.children('')) {
      const node = this.#root.children.get(name);
      if (node?.kind === 'directory') node.opaque = true;
      if (node !== undefined) continue;
      this.#sink.whiteout(name);
      this.#root.children.set(name, { kind: 'whiteout' });
    }
  }

  #makeOpaque(node: DirectoryNode, path: readonly string[]): void {
    node.opaque = true;
    this.#dropWhiteouts(node, path);
  }

  /** L5: a whiteout in a directory that does not merge would be listed. */
  #dropWhiteouts(node: DirectoryNode, path: readonly string[]): void {
    for (const [name, child] of node.children) {
      const at = [...path, name];
      if (child.kind === 'whiteout') this.#removeAt(at);
      else if (child.kind === 'directory') this.#dropWhiteouts(child, at);
    }
  }

  #fail(entry: TarEntry, detail: string): never {
    throw tarError(textOf(toByteString(entry.name)), entry.offset, detail);
  }
}
