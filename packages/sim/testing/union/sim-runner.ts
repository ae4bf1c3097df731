/** Runs a case on the union file system. */
import { errnoName, makeDevice, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, splitDevice } from '../../src/vfs/union/abi.ts';
import type { UnionEntry, UnionStat } from '../../src/vfs/union/scratch.ts';
import type { Union } from '../../src/vfs/union/union.ts';
import type { CaseAnswer, CaseEntry, CaseObject, CaseOp, CaseTree, UnionCase } from './cases.ts';

const TODAY = 1_700_000_000;
const ENOENT = -2;
const ELOOP = -40;
const TYPES = { directory: S_IFDIR, file: S_IFREG, symlink: S_IFLNK, whiteout: S_IFCHR, char: S_IFCHR, fifo: S_IFIFO } as const;
const encode = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));
const decode = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

export function runOnUnion(union: Union, { layers, userXattr = false, ops }: UnionCase, flavour: 'overlay' | 'aufs' = 'overlay'): CaseAnswer {
  const handles = layers.map((entries) => buildLayer(union, entries));
  const mount = union.mount({ flavour, userXattr, branches: handles.map((layer, index) => ({ layer, writable: index === 0, whiteouts: true })) });
  if (mount < 0) throw new Error(`mount: ${errnoName(mount)}`);
  union.setTime({ seconds: TODAY, nanoseconds: 0 });
  const runner = new Runner(union, union.root(mount));
  const before = runner.tree();
  const results = ops.map((op) => runner.perform(op));
  const answer = { results, before, merged: runner.tree(), upper: layerTree(union, handles[0] ?? 0) };
  runner.close();
  const unmounted = union.unmount(mount);
  for (const layer of handles) if (unmounted < 0 || union.layers.destroy(layer) < 0) throw new Error('a layer is still in use');
  return answer;
}

export function buildLayer(union: Union, entries: readonly CaseEntry[]): number {
  const { layers } = union;
  const time = { seconds: 1000, nanoseconds: 0 };
  union.setTime(time);
  const layer = layers.create();
  const root = layers.root(layer);
  layers.setAttributes(root, { mode: 0o755, uid: 0, gid: 0, atime: time, mtime: time });
  for (const { path, kind, data = '', target = '', mode, uid = 0, gid = 0, xattrs = {} } of entries) {
    const parts = path.split('/');
    const name = parts.pop() ?? '';
    const find = (names: readonly string[]): number => names.reduce((dir, part) => layers.find(dir, part), root);
    if (kind === 'link') {
      layers.link(find(parts), name, find(target.split('/')));
      continue;
    }
    const inode = path === '' ? root : layers.add(find(parts), name, TYPES[kind], kind === 'char' ? makeDevice(1, 3) : 0, target);
    const usual = kind === 'directory' ? 0o755 : kind === 'whiteout' ? 0 : kind === 'symlink' ? 0o777 : 0o644;
    layers.setAttributes(inode, { mode: kind === 'symlink' ? 0o777 : (mode ?? usual), uid, gid, atime: time, mtime: time });
    if (kind === 'file') layers.setData(inode, encode(data), data.length);
    for (const [key, value] of Object.entries(xattrs)) layers.setXattr(inode, key, encode(value));
  }
  return layer;
}

function describe({ mode, uid, gid, nlink, ino, mtime, size, rdev }: UnionStat, data: () => string, target: () => string | number, xattrs: ReadonlyMap<string, Uint8Array>): CaseObject {
  const type = mode & S_IFMT;
  const { major, minor } = splitDevice(rdev);
  return {
    mode, uid, gid, nlink, ino,
    ...(mtime.seconds < 2_000_000 ? { mtime: mtime.seconds } : {}),
    ...(type === S_IFREG ? { size, data: data() } : {}),
    ...(type === S_IFLNK ? { target: String(target()) } : {}),
    ...(type === S_IFCHR ? { rdev: [major, minor] as const } : {}),
    ...(xattrs.size > 0 ? { xattrs: Object.fromEntries([...xattrs].map(([name, value]) => [name, decode(value)])) } : {}),
  };
}

function layerTree(union: Union, layer: number): CaseTree {
  const { layers } = union;
  const found: Record<string, CaseObject> = {};
  const visit = (inode: number, path: string): void => {
    const stat = layers.stat(inode);
    found[path] = describe(stat, () => decode(layers.readFile(inode)), () => layers.readlink(inode), layers.xattrs(inode));
    if ((stat.mode & S_IFMT) === S_IFDIR) for (const entry of layers.list(inode)) visit(entry.inode, path === '' ? entry.name : `${path}/${entry.name}`);
  };
  visit(layers.root(layer), '');
  return found;
}

class Runner {
  readonly #union: Union;
  readonly #root: number;
  readonly #open = new Map<number, number>();

  constructor(union: Union, root: number) {
    this.#union = union;
    this.#root = root;
  }

  tree(): CaseTree {
    const union = this.#union;
    const found: Record<string, CaseObject> = {};
    const visit = (node: number, path: string): void => {
      if (node < 0) {
        found[path] = errnoName(node);
        return;
      }
      const stat = union.stat(node);
      const xattrs = new Map(union.listXattrs(node).map((name) => [name, union.getXattr(node, name) as Uint8Array]));
      found[path] = describe(stat, () => this.#read(node, stat.size), () => union.readlink(node), xattrs);
      if ((stat.mode & S_IFMT) !== S_IFDIR) return;
      const entries = union.readdir(node);
      if (typeof entries !== 'number') for (const entry of entries) visit(this.#checked(node, entry), path === '' ? entry.name : `${path}/${entry.name}`);
    };
    visit(this.#root, '');
    return found;
  }

  /** D3: a listed number is the one that stat(2) tells. */
  #checked(dir: number, { name, ino, mode }: UnionEntry): number {
    const node = this.#union.lookup(dir, name);
    if (node < 0) return node;
    const stat = this.#union.stat(node);
    if (stat.ino !== ino || (stat.mode & S_IFMT) !== (mode & S_IFMT)) throw new Error(`"${name}" is listed as ${String(ino)}, and is ${String(stat.ino)}`);
    return node;
  }

  #read(node: number, size: number): string {
    const bytes = new Uint8Array(size);
    return decode(bytes.subarray(0, this.#union.read(node, bytes, 0)));
  }

  perform(op: CaseOp): unknown {
    const result = this.#perform(op);
    if (typeof result !== 'number') return result;
    return result < 0 ? errnoName(result) : op[0] === 'stat' ? result : 0;
  }

  /** A symbolic link on the way leads nowhere in these cases. */
  #walk(path: string): number {
    const { node, used, error } = this.#union.walk(this.#root, path);
    if (error !== 0) return error;
    if (used >= path.length) return node;
    return (this.#union.mode(node) & S_IFMT) === S_IFLNK ? ENOENT : -20;
  }

  #parent(path: string): readonly [number, string] {
    const cut = path.lastIndexOf('/');
    return [cut < 0 ? this.#root : this.#directory(path.slice(0, cut)), path.slice(cut + 1)];
  }

  #directory(path: string): number {
    const node = this.#walk(path);
    if (node < 0) return node;
    const type = this.#union.mode(node) & S_IFMT;
    return type === S_IFDIR ? node : type === S_IFLNK ? ENOENT : -20;
  }

  #make(path: string, mode: number, rest: { readonly rdev?: number; readonly target?: string } = {}): number {
    const [dir, name] = this.#parent(path);
    return dir < 0 ? dir : this.#union.create(dir, name, { mode, uid: 0, gid: 0, ...rest });
  }

  #perform(op: CaseOp): unknown {
    const union = this.#union;
    switch (op[0]) {
      case 'create': return this.#make(op[1], S_IFREG | op[2]);
      case 'mkdir': return this.#make(op[1], S_IFDIR | (op[2] & 0o1777));
      case 'symlink': return this.#make(op[2], S_IFLNK | 0o777, { target: op[1] });
      case 'mknod': return this.#make(op[1], S_IFCHR | 0o600, { rdev: makeDevice(op[2], op[3]) });
      case 'fifo': return this.#make(op[1], S_IFIFO | 0o644);
      case 'link': {
        const source = this.#walk(op[1]);
        const [dir, name] = this.#parent(op[2]);
        return source < 0 ? source : dir < 0 ? dir : union.link(source, dir, name);
      }
      case 'unlink': case 'rmdir': {
        const [dir, name] = this.#parent(op[1]);
        return dir < 0 ? dir : op[0] === 'unlink' ? union.unlink(dir, name) : union.rmdir(dir, name);
      }
      case 'rename': {
        const [from, name] = this.#parent(op[1]);
        const [to, newName] = this.#parent(op[2]);
        return from < 0 ? from : to < 0 ? to : union.rename(from, name, to, newName, op[3]);
      }
      case 'open': case 'fstat': case 'fread': case 'fchmod': return this.#performOnOpen(op);
      default: {
        const node = this.#walk(op[1]);
        return node < 0 ? node : this.#performOnNode(op, node);
      }
    }
  }

  #performOnNode(op: Exclude<CaseOp, { readonly 0: 'open' | 'fstat' | 'fread' | 'fchmod' }>, node: number): unknown {
    const union = this.#union;
    const type = union.mode(node) & S_IFMT;
    const special = type === S_IFIFO || type === S_IFCHR;
    const opens = op[0] === 'write' || op[0] === 'openw' || op[0] === 'truncate';
    if (opens && special) return 0;
    if (opens && type === S_IFLNK) return ELOOP;
    switch (op[0]) {
      case 'stat': return type;
      case 'write': return union.write(node, encode(op[3]), op[2]);
      case 'openw': return union.openForWriting(node, op[2]);
      case 'truncate': {
        const opened = union.openForWriting(node);
        return opened < 0 ? opened : union.truncate(node, op[2]);
      }
      case 'chmod': return type === S_IFLNK ? 0 : union.setAttributes(node, { mode: op[2] });
      case 'chown': return union.setAttributes(node, { uid: op[2], gid: op[3] });
      case 'utimes': return union.setAttributes(node, { atime: { seconds: op[2], nanoseconds: 0 }, mtime: { seconds: op[2], nanoseconds: 0 } });
      case 'setx': return union.setXattr(node, op[2], encode(op[3]), op[4]);
      case 'rmx': return union.removeXattr(node, op[2]);
      case 'getx': {
        const value = union.getXattr(node, op[2]);
        return typeof value === 'number' ? value : decode(value);
      }
      default: throw new Error(`no such operation: ${op[0]}`);
    }
  }

  #performOnOpen(op: Extract<CaseOp, { readonly 0: 'open' | 'fstat' | 'fread' | 'fchmod' }>): unknown {
    const union = this.#union;
    if (op[0] === 'open') return this.#openSlot(op[1], op[2], op[3]);
    const node = this.#open.get(op[1]);
    if (node === undefined) return 'skip';
    const { mode, nlink, size } = union.stat(node);
    if (op[0] === 'fstat') return [mode, nlink, (mode & S_IFMT) === S_IFDIR ? 0 : size];
    if (op[0] === 'fchmod') return union.setAttributes(node, { mode: op[2] });
    return (mode & S_IFMT) === S_IFDIR ? -21 : this.#read(node, Math.min(size, 100));
  }

  #openSlot(slot: number, path: string, write: boolean): unknown {
    const union = this.#union;
    const node = this.#walk(path);
    if (node < 0) return node;
    const type = union.mode(node) & S_IFMT;
    if (type === S_IFLNK) return ELOOP;
    if (type === S_IFIFO || type === S_IFCHR) return 'skip';
    const opened = write ? union.openForWriting(node) : 0;
    if (opened < 0) return opened;
    union.hold(node);
    const old = this.#open.get(slot);
    if (old !== undefined) union.letGo(old);
    this.#open.set(slot, node);
    return 0;
  }

  close(): void {
    for (const node of this.#open.values()) this.#union.letGo(node);
    this.#open.clear();
  }
}
