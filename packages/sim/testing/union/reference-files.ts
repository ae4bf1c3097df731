/** The overlay itself, for `reference.ts`. Layers are top first, as everywhere. */
import { S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../src/vfs/union/abi.ts';
import { emptyInode, isDirectory, isWhiteout, type Inode, type View } from './reference-inodes.ts';

type Result = string | 0;

const parentOf = (path: string): string => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '');
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

export class ReferenceFiles {
  readonly #layers: readonly [Inode, ...Inode[]];
  readonly #prefix: string;
  #whiteout: Inode | undefined;

  constructor(layers: readonly [Inode, ...Inode[]], userXattr: boolean) {
    this.#layers = layers;
    this.#prefix = userXattr ? 'user.overlay.' : 'trusted.overlay.';
  }

  get upper(): Inode {
    return this.#layers[0];
  }

  // L1, L2.
  resolve(path: string): View | string {
    let view: View = { path: '', stack: this.#layers };
    for (const name of path === '' ? [] : path.split('/')) {
      const [top] = view.stack;
      if ((top.mode & S_IFMT) === S_IFLNK) return 'ENOENT';
      if (!isDirectory(top)) return 'ENOTDIR';
      const stack: Inode[] = [];
      for (const directory of view.stack) {
        const inode = directory.children?.get(name);
        if (inode === undefined) continue;
        if (isWhiteout(inode, this.#prefix) || (stack.length > 0 && !isDirectory(inode))) break;
        stack.push(inode);
        if (!isDirectory(inode) || this.#isOpaque(inode)) break;
      }
      const [first, ...rest] = stack;
      if (first === undefined) return 'ENOENT';
      view = { path: view.path === '' ? name : `${view.path}/${name}`, stack: [first, ...rest] };
    }
    return view;
  }

  #isOpaque(inode: Inode): boolean {
    return inode.xattrs.get(`${this.#prefix}opaque`) === 'y';
  }

  /** D1, L5: a directory of one layer is listed as it is. */
  list({ stack }: View): string[] {
    if (stack.length === 1) return [...(stack[0].children?.keys() ?? [])];
    const seen = new Map<string, boolean>();
    for (const directory of stack) {
      for (const [name, inode] of directory.children ?? []) if (!seen.has(name)) seen.set(name, (inode.mode & S_IFMT) !== S_IFCHR || inode.rdev[0] !== 0 || inode.rdev[1] !== 0);
    }
    return [...seen].filter(([, shown]) => shown).map(([name]) => name);
  }

  isUpper(inode: Inode): boolean {
    const search = (directory: Inode): boolean => directory === inode || [...(directory.children?.values() ?? [])].some((child) => child === inode || (isDirectory(child) && search(child)));
    return search(this.upper) || this.#detached.has(inode);
  }

  /** Upper inodes that were removed: an open file may have them. */
  readonly #detached = new Set<Inode>();

  #upperAt(path: string): Inode | undefined {
    return path === '' ? this.upper : path.split('/').reduce<Inode | undefined>((directory, name) => directory?.children?.get(name), this.upper);
  }

  /** C2, C3: the upper inode of what the path shows. */
  #copyUp(view: View): Inode {
    const [top] = view.stack;
    if (view.path === '' || this.#upperAt(view.path) === top) return top;
    const parent = this.#copyUpPath(parentOf(view.path));
    const own = ([name]: readonly [string, string]): boolean => !name.startsWith(this.#prefix) || name.startsWith(`${this.#prefix}overlay.`);
    const copy: Inode = { ...top, nlink: 1, xattrs: new Map([...top.xattrs].filter(own)), children: isDirectory(top) ? new Map() : undefined };
    parent.children?.set(nameOf(view.path), copy);
    return copy;
  }

  #copyUpPath(path: string): Inode {
    const view = this.resolve(path);
    if (typeof view === 'string') throw new Error(`no directory to copy up: ${path}`);
    return this.#copyUp(view);
  }

  change(view: View, change: (inode: Inode) => void): 0 {
    change(this.#copyUp(view));
    return 0;
  }

  /** The errno that making a name gives, or its parent. */
  #placeFor(path: string): View | string {
    const parent = this.resolve(parentOf(path));
    if (typeof parent === 'string') return parent;
    const type = parent.stack[0].mode & S_IFMT;
    if (type !== S_IFDIR) return type === S_IFLNK ? 'ENOENT' : 'ENOTDIR';
    return typeof this.resolve(path) === 'string' ? parent : 'EEXIST';
  }

  create(path: string, mode: number, rest: { readonly target?: string; readonly rdev?: readonly [number, number] } = {}): Result {
    const place = this.#placeFor(path);
    if (typeof place === 'string') return place;
    const inode: Inode = { ...emptyInode(mode), nlink: 1, mtime: undefined, ...rest };
    // W8.
    if ((mode & S_IFMT) === S_IFCHR && isWhiteout(inode, this.#prefix)) return 'EPERM';
    const directory = this.#copyUp(place);
    if ((directory.mode & 0o2000) !== 0) {
      inode.gid = directory.gid;
      if (isDirectory(inode)) inode.mode |= 0o2000;
    }
    // W4.
    if (this.#put(directory, nameOf(path), inode) && isDirectory(inode)) inode.xattrs.set(`${this.#prefix}opaque`, 'y');
    return 0;
  }

  /** True when a whiteout lay there. */
  #put(directory: Inode, name: string, inode: Inode): boolean {
    const old = directory.children?.get(name);
    if (old !== undefined) old.nlink -= 1;
    directory.children?.set(name, inode);
    directory.mtime = undefined;
    return old !== undefined;
  }

  link(from: string, to: string): Result {
    const view = this.resolve(from);
    if (typeof view === 'string') return view;
    const place = this.#placeFor(to);
    if (typeof place === 'string') return place;
    if (isDirectory(view.stack[0])) return 'EPERM';
    const inode = this.#copyUp(view);
    const again = this.resolve(place.path) as View;
    this.#put(this.#copyUp(again), nameOf(to), inode);
    inode.nlink += 1;
    return 0;
  }

  /** True when something below the upper layer would show under the name. */
  #lowerPositive(directory: View, name: string): boolean {
    for (const layer of directory.stack) {
      if (layer === this.#upperAt(directory.path)) continue;
      const inode = layer.children?.get(name);
      if (inode !== undefined) return !isWhiteout(inode, this.#prefix);
    }
    return false;
  }

  /** What an emptied directory must not show. */
  #isEmpty(view: View): boolean {
    const seen = new Set<string>();
    for (const directory of view.stack) {
      for (const [name, inode] of directory.children ?? []) {
        if (!seen.has(name) && !isWhiteout(inode, this.#prefix)) return false;
        seen.add(name);
      }
    }
    return true;
  }

  remove(path: string, asDirectory: boolean): Result {
    const view = this.resolve(path);
    if (typeof view === 'string') return view;
    const [top] = view.stack;
    if (isDirectory(top) !== asDirectory) return asDirectory ? 'ENOTDIR' : 'EISDIR';
    const parent = this.resolve(parentOf(path)) as View;
    const inUpper = this.#upperAt(path) === top;
    const hides = !inUpper || this.#lowerPositive(parent, nameOf(path));
    if (asDirectory && !(inUpper && !hides && view.stack.length === 1 ? top.children?.size === 0 : this.#isEmpty(view))) return 'ENOTEMPTY';
    const directory = this.#copyUp(parent);
    this.#drop(directory, nameOf(path));
    if (hides) this.#hide(directory, nameOf(path));
    return 0;
  }

  /** Takes an upper name away, and the whiteouts in a directory with it. */
  #drop(directory: Inode, name: string): void {
    const inode = directory.children?.get(name);
    directory.mtime = undefined;
    if (inode === undefined) return;
    for (const whiteout of inode.children?.values() ?? []) whiteout.nlink -= 1;
    inode.children?.clear();
    inode.nlink -= 1;
    directory.children?.delete(name);
    this.#detached.add(inode);
  }

  /** W1. */
  #hide(directory: Inode, name: string): void {
    this.#whiteout ??= { ...emptyInode(S_IFCHR), nlink: 1, mtime: undefined };
    this.#whiteout.nlink += 1;
    directory.children?.set(name, this.#whiteout);
  }

  rename(from: string, to: string, flags: number): Result {
    const [source, target] = [this.resolve(parentOf(from)), this.resolve(parentOf(to))].map((view) => (typeof view === 'string' ? view : isDirectory(view.stack[0]) ? view : (view.stack[0].mode & S_IFMT) === S_IFLNK ? 'ENOENT' : 'ENOTDIR'));
    if (typeof source === 'string') return source;
    if (typeof target === 'string') return target;
    const view = this.resolve(from);
    const victim = this.resolve(to);
    const refused = this.#checkRename(view, victim, from, to, flags);
    if (refused !== undefined) return refused;
    if (flags === 2) return this.#exchange(view as View, victim as View);
    return this.#replace(view as View, typeof victim === 'string' ? undefined : victim, to);
  }

  #checkRename(view: View | string, victim: View | string, from: string, to: string, flags: number): Result | undefined {
    if (typeof view === 'string') return view;
    const there = typeof victim !== 'string';
    if (there && flags === 1) return 'EEXIST';
    if (!there && flags === 2) return 'ENOENT';
    if (to.startsWith(`${from}/`)) return 'EINVAL';
    if (from.startsWith(`${to}/`)) return flags === 2 ? 'EINVAL' : 'ENOTEMPTY';
    if (from === to) return 0;
    if (there && view.stack[0] === victim.stack[0] && this.isUpper(view.stack[0])) return 0;
    const directory = isDirectory(view.stack[0]);
    if (there && flags !== 2 && isDirectory(victim.stack[0]) !== directory) return directory ? 'ENOTDIR' : 'EISDIR';
    if (flags === 4) return 'EINVAL';
    return this.#mayMove(view) && (flags !== 2 || this.#mayMove(victim as View)) ? undefined : 'EXDEV';
  }

  /** R1. */
  #mayMove({ path, stack }: View): boolean {
    return !isDirectory(stack[0]) || (stack.length === 1 && this.#upperAt(path) === stack[0]);
  }

  #isMerged(path: string): boolean {
    return (this.resolve(path) as View).stack.length > 1;
  }

  #replace(view: View, victim: View | undefined, to: string): Result {
    const [top] = view.stack;
    const directory = isDirectory(top);
    const pure = victim !== undefined && victim.stack.length === 1 && this.#upperAt(to) === victim.stack[0];
    if (victim !== undefined && directory && !pure && !this.#isEmpty(victim)) return 'ENOTEMPTY';
    const inode = this.#copyUp(view);
    const [fromDirectory, toDirectory] = [this.#copyUpPath(parentOf(view.path)), this.#copyUpPath(parentOf(to))];
    // R4.
    if (directory && this.#isMerged(parentOf(to))) inode.xattrs.set(`${this.#prefix}opaque`, 'y');
    if (directory && pure && victim.stack[0].children?.size !== 0) return 'ENOTEMPTY';
    const hides = this.#lowerPositive(this.resolve(parentOf(view.path)) as View, nameOf(view.path));
    const hidden = victim === undefined ? toDirectory.children?.get(nameOf(to)) : undefined;
    if (victim !== undefined) this.#drop(toDirectory, nameOf(to));
    this.#put(toDirectory, nameOf(to), inode);
    fromDirectory.children?.delete(nameOf(view.path));
    fromDirectory.mtime = undefined;
    if (hides) this.#leave(fromDirectory, nameOf(view.path), hidden);
    return 0;
  }

  /** The whiteout of a rename: one of its own, or the one that lay under the new name. */
  #leave(directory: Inode, name: string, moved: Inode | undefined): void {
    const whiteout = moved ?? { ...emptyInode(S_IFCHR), gid: (directory.mode & 0o2000) === 0 ? 0 : directory.gid, mtime: undefined };
    whiteout.nlink += 1;
    directory.children?.set(name, whiteout);
  }

  #exchange(view: View, victim: View): 0 {
    const [a, b] = [this.#copyUp(view), this.#copyUp(victim)];
    const [parentA, parentB] = [parentOf(view.path), parentOf(victim.path)];
    const mergedB = this.#isMerged(parentB);
    if (isDirectory(b) && this.#isMerged(parentA)) b.xattrs.set(`${this.#prefix}opaque`, 'y');
    if (isDirectory(a) && mergedB) a.xattrs.set(`${this.#prefix}opaque`, 'y');
    const [directoryA, directoryB] = [this.#copyUpPath(parentA), this.#copyUpPath(parentB)];
    directoryA.children?.set(nameOf(view.path), b);
    directoryB.children?.set(nameOf(victim.path), a);
    directoryA.mtime = undefined;
    directoryB.mtime = undefined;
    return 0;
  }

  // W9.

  #stored(name: string): string {
    return name.startsWith(this.#prefix) ? `${this.#prefix}overlay.${name.slice(this.#prefix.length)}` : name;
  }

  shownXattrs(inode: Inode): Map<string, string> {
    const shown = new Map<string, string>();
    for (const [name, value] of inode.xattrs) {
      if (name.startsWith(`${this.#prefix}overlay.`)) shown.set(this.#prefix + name.slice(this.#prefix.length + 8), value);
      else if (!name.startsWith(this.#prefix)) shown.set(name, value);
    }
    return shown;
  }

  setXattr(view: View, name: string, value: string, flags: number): Result {
    if (lacksUserXattrs(view.stack[0], name)) return 'EPERM';
    const inode = this.#copyUp(view);
    const there = inode.xattrs.has(this.#stored(name));
    if (flags === 1 && there) return 'EEXIST';
    if (flags === 2 && !there) return 'ENODATA';
    inode.xattrs.set(this.#stored(name), value);
    return 0;
  }

  removeXattr(view: View, name: string): Result {
    if (lacksUserXattrs(view.stack[0], name)) return 'EPERM';
    if (!view.stack[0].xattrs.has(this.#stored(name))) return 'ENODATA';
    return this.#copyUp(view).xattrs.delete(this.#stored(name)) ? 0 : 'ENODATA';
  }
}

function lacksUserXattrs({ mode }: Inode, name: string): boolean {
  return name.startsWith('user.') && (mode & S_IFMT) !== S_IFREG && (mode & S_IFMT) !== S_IFDIR;
}
