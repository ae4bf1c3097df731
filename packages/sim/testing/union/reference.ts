/**
 * The rules of overlayfs once more, as plainly as can be: every look resolves its path anew through maps of names. Slow, and
 * independent of the WebAssembly: both must agree. Inode numbers are left to the comparison with the kernel.
 */
import { S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from '../../src/vfs/union/abi.ts';
import { ReferenceFiles } from './reference-files.ts';
import { describeInode, emptyInode, isDirectory, type Inode, type View } from './reference-inodes.ts';
import type { CaseAnswer, CaseEntry, CaseObject, CaseOp, CaseTree, UnionCase } from './cases.ts';

const TYPES = { directory: S_IFDIR, file: S_IFREG, symlink: S_IFLNK, whiteout: S_IFCHR, char: S_IFCHR, fifo: S_IFIFO, link: 0 } as const;

export function runOnReference({ layers, userXattr = false, ops }: UnionCase): Omit<CaseAnswer, 'before'> {
  const [upper = [], ...lowers] = layers;
  const files = new ReferenceFiles([buildLayer(upper), ...lowers.map(buildLayer)], userXattr);
  const runner = new Runner(files);
  const results = ops.map((op) => runner.perform(op));
  return { results, merged: mergedTree(files), upper: layerTree(files.upper) };
}

function buildLayer(entries: readonly CaseEntry[]): Inode {
  const root = emptyInode(S_IFDIR | 0o755);
  const find = (parts: readonly string[]): Inode => parts.reduce((dir, part) => dir.children?.get(part) ?? dir, root);
  for (const { path, kind, data = '', target = '', mode, uid = 0, gid = 0, xattrs = {} } of entries) {
    const parts = path.split('/');
    const name = parts.pop() ?? '';
    const usual = kind === 'directory' ? 0o755 : kind === 'whiteout' ? 0 : 0o644;
    const inode = path === '' ? root : kind === 'link' ? find(target.split('/')) : emptyInode(TYPES[kind] | (kind === 'symlink' ? 0o777 : (mode ?? usual)));
    if (path !== '') find(parts).children?.set(name, inode);
    inode.nlink += path === '' ? 0 : 1;
    if (kind === 'link') continue;
    Object.assign(inode, { uid, gid, data, target, rdev: kind === 'char' ? [1, 3] : [0, 0], xattrs: new Map(Object.entries(xattrs)) });
  }
  return root;
}

function layerTree(root: Inode): CaseTree {
  const found: Record<string, CaseObject> = {};
  const visit = (inode: Inode, path: string): void => {
    found[path] = describeInode(inode, inode.xattrs, undefined);
    for (const [name, child] of inode.children ?? []) visit(child, path === '' ? name : `${path}/${name}`);
  };
  visit(root, '');
  return found;
}

function mergedTree(files: ReferenceFiles): CaseTree {
  const found: Record<string, CaseObject> = {};
  const visit = (path: string): void => {
    const view = files.resolve(path);
    if (typeof view === 'string') {
      found[path] = view;
      return;
    }
    const [top] = view.stack;
    found[path] = describeInode(top, files.shownXattrs(top), view.stack.length > 1 ? 1 : undefined);
    if (isDirectory(top)) for (const name of files.list(view)) visit(path === '' ? name : `${path}/${name}`);
  };
  visit('');
  return found;
}

class Runner {
  readonly #files: ReferenceFiles;
  readonly #open = new Map<number, OpenFile>();

  constructor(files: ReferenceFiles) {
    this.#files = files;
  }

  perform(op: CaseOp): unknown {
    const files = this.#files;
    switch (op[0]) {
      case 'create': return files.create(op[1], S_IFREG | op[2]);
      case 'mkdir': return files.create(op[1], S_IFDIR | (op[2] & 0o1777));
      case 'symlink': return files.create(op[2], S_IFLNK | 0o777, { target: op[1] });
      case 'mknod': return files.create(op[1], S_IFCHR | 0o600, { rdev: [op[2], op[3]] });
      case 'fifo': return files.create(op[1], S_IFIFO | 0o644);
      case 'link': return files.link(op[1], op[2]);
      case 'unlink': return this.#removed(op[1], () => files.remove(op[1], false));
      case 'rmdir': return this.#removed(op[1], () => files.remove(op[1], true));
      case 'rename': return this.#rename(op[1], op[2], op[3]);
      case 'open': case 'fstat': case 'fread': case 'fchmod': return this.#performOnOpen(op);
      default: {
        const view = files.resolve(op[1]);
        return typeof view === 'string' ? view : this.#performOn(op, view);
      }
    }
  }

  #performOn(op: Exclude<CaseOp, { readonly 0: 'open' | 'fstat' | 'fread' | 'fchmod' }>, view: View): unknown {
    const files = this.#files;
    const type = view.stack[0].mode & S_IFMT;
    const refused = op[0] === 'write' || op[0] === 'openw' || op[0] === 'truncate' ? refuseWrite(type) : undefined;
    if (refused !== undefined) return refused;
    switch (op[0]) {
      case 'stat': return type;
      case 'write': return files.change(view, (inode) => write(inode, op[3], op[2]));
      case 'openw': return files.change(view, (inode) => (op[2] ? resize(inode, 0) : undefined));
      case 'truncate': return files.change(view, (inode) => resize(inode, op[2]));
      case 'chmod': return type === S_IFLNK ? 0 : files.change(view, (inode) => void (inode.mode = type | op[2]));
      case 'chown': return files.change(view, (inode) => own(inode, op[2], op[3]));
      case 'utimes': return files.change(view, (inode) => void (inode.mtime = op[2]));
      case 'setx': return files.setXattr(view, op[2], op[3], op[4]);
      case 'getx': return files.shownXattrs(view.stack[0]).get(op[2]) ?? 'ENODATA';
      case 'rmx': return files.removeXattr(view, op[2]);
      default: throw new Error(`no such operation: ${op[0]}`);
    }
  }

  /** Open files follow their name, and keep what they had when it goes. */
  #removed(path: string, remove: () => string | 0): string | 0 {
    const view = this.#files.resolve(path);
    const result = remove();
    if (result === 0 && typeof view !== 'string') for (const file of this.#open.values()) if (file.path === path) this.#kill(file, view);
    return result;
  }

  #kill(file: OpenFile, view: View): void {
    file.path = undefined;
    file.last = view;
  }

  #rename(from: string, to: string, flags: number): string | 0 {
    const target = this.#files.resolve(to);
    const source = this.#files.resolve(from);
    const same = from === to || (typeof target !== 'string' && typeof source !== 'string' && source.stack[0] === target.stack[0] && this.#files.isUpper(source.stack[0]));
    const result = this.#files.rename(from, to, flags);
    if (result !== 0 || same) return result;
    const moved = (path: string, old: string, now: string): string | undefined => (path === old ? now : path.startsWith(`${old}/`) ? `${now}${path.slice(old.length)}` : undefined);
    for (const file of this.#open.values()) {
      if (file.path === undefined) continue;
      const away = moved(file.path, from, to);
      const back = moved(file.path, to, from);
      if (away !== undefined) file.path = away;
      else if (back !== undefined && flags === 2) file.path = back;
      else if (file.path === to && typeof target !== 'string') this.#kill(file, target);
    }
    return result;
  }

  #performOnOpen(op: Extract<CaseOp, { readonly 0: 'open' | 'fstat' | 'fread' | 'fchmod' }>): unknown {
    const files = this.#files;
    if (op[0] === 'open') {
      const view = files.resolve(op[2]);
      if (typeof view === 'string') return view;
      const type = view.stack[0].mode & S_IFMT;
      if (type === S_IFLNK) return 'ELOOP';
      if (type === S_IFCHR || type === S_IFIFO) return 'skip';
      const opened = op[3] ? (refuseWrite(type) ?? files.change(view, () => undefined)) : 0;
      if (opened === 0) this.#open.set(op[1], { path: op[2], last: view });
      return opened;
    }
    const file = this.#open.get(op[1]);
    if (file === undefined) return 'skip';
    const found = file.path === undefined ? file.last : files.resolve(file.path);
    const view = typeof found === 'string' ? file.last : found;
    const [inode] = view.stack;
    const dead = file.path === undefined;
    if (op[0] === 'fread') return isDirectory(inode) ? 'EISDIR' : inode.data.slice(0, 100);
    if (op[0] === 'fstat') return [inode.mode, isDirectory(inode) ? (view.stack.length > 1 ? 1 : dead && files.isUpper(inode) ? 0 : links(inode)) : inode.nlink, isDirectory(inode) ? 0 : inode.data.length];
    if (dead && !files.isUpper(inode)) return isDirectory(inode) ? 'ENOTDIR' : 'EEXIST';
    const mode = op[0] === 'fchmod' ? op[2] : 0;
    const chmod = (changed: Inode): void => void (changed.mode = (changed.mode & S_IFMT) | mode);
    return dead ? (chmod(inode), 0) : files.change(view, chmod);
  }
}

interface OpenFile {
  path: string | undefined;
  last: View;
}

function links(directory: Inode): number {
  return 2 + [...(directory.children ?? [])].filter(([, child]) => isDirectory(child)).length;
}

function refuseWrite(type: number): string | 0 | undefined {
  if (type === S_IFDIR) return 'EISDIR';
  if (type === S_IFLNK) return 'ELOOP';
  return type === S_IFREG ? undefined : 0;
}

function write(inode: Inode, text: string, position: number): void {
  inode.data = inode.data.padEnd(position, '\0').slice(0, position) + text + inode.data.slice(position + text.length);
  inode.mtime = undefined;
}

function resize(inode: Inode, size: number): void {
  inode.data = inode.data.padEnd(size, '\0').slice(0, size);
  inode.mtime = undefined;
}

function own(inode: Inode, uid: number, gid: number): void {
  inode.uid = uid;
  inode.gid = gid;
  if (!isDirectory(inode)) inode.mode &= (inode.mode & 0o10) === 0 ? ~0o4000 : ~0o6000;
}
