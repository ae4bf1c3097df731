/** `diff` of a container: what its upper layer changed. The walk is the model's; here are the views of it. Rules K1, K2. */
import { changesOfUpper, type DiffLowerView, type LayerChange, type UpperEntry, type UpperView } from '@tsc-box/model';
import { S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT } from './abi.ts';
import type { UnionStat, UnionTime } from './scratch.ts';
import type { Union } from './union.ts';

const Y = 0x79;

/** `lowers` are the layers below, top first; one at least. */
export function changesOfLayer(union: Union, upper: number, lowers: readonly number[], userXattr = false): LayerChange[] {
  const mount = union.mount({ branches: lowers.map((layer) => ({ layer })), userXattr });
  try {
    return changesOfUpper(upperView(union, upper, userXattr), lowerView(union, upper, mount));
  } finally {
    union.unmount(mount);
  }
}

function inodeAt(union: Union, layer: number, path: string): number {
  const root = union.layers.root(layer);
  return path === '' ? root : path.split('/').reduce((dir, name) => (dir < 0 ? dir : union.layers.find(dir, name)), root);
}

function upperView(union: Union, layer: number, userXattr: boolean): UpperView {
  const opaqueName = `${userXattr ? 'user' : 'trusted'}.overlay.opaque`;
  const describe = (name: string, inode: number): UpperEntry => {
    const { mode, rdev } = union.layers.stat(inode);
    const type = mode & S_IFMT;
    if (type !== S_IFDIR) return { name, kind: type === S_IFCHR && rdev === 0 ? 'whiteout' : 'other', opaque: false };
    return { name, kind: 'directory', opaque: union.layers.xattrs(inode).get(opaqueName)?.[0] === Y };
  };
  return { list: (path) => union.layers.list(inodeAt(union, layer, path)).map(({ name, inode }) => describe(name, inode)) };
}

function lowerView(union: Union, upper: number, mount: number): DiffLowerView {
  const nodeAt = (path: string): number | undefined => {
    const { node, used, error } = union.walk(union.root(mount), path);
    return error === 0 && used >= path.length ? node : undefined;
  };
  return {
    lookup(path) {
      const node = nodeAt(path);
      if (node === undefined) return undefined;
      const type = union.mode(node) & S_IFMT;
      return { kind: type === S_IFDIR ? 'directory' : type === S_IFLNK ? 'symlink' : 'other' };
    },
    children(path) {
      const node = nodeAt(path);
      const entries = node === undefined ? -1 : union.readdir(node);
      return typeof entries === 'number' ? [] : entries.map(({ name }) => name);
    },
    sameAsUpper(path) {
      const node = nodeAt(path);
      const inode = inodeAt(union, upper, path);
      if (node === undefined || inode < 0) return false;
      const capability = union.getXattr(node, 'security.capability');
      const own = union.layers.xattrs(inode).get('security.capability');
      return sameStat(union.layers.stat(inode), union.stat(node)) && String(own) === String(typeof capability === 'number' ? undefined : capability);
    },
  };
}

function sameStat(one: UnionStat, other: UnionStat): boolean {
  if (one.mode !== other.mode || one.uid !== other.uid || one.gid !== other.gid || one.rdev !== other.rdev) return false;
  return (one.mode & S_IFMT) === S_IFDIR || (one.size === other.size && sameTime(one.mtime, other.mtime));
}

/** A time that an archive has cut to seconds equals one that has nanoseconds. */
function sameTime(one: UnionTime, other: UnionTime): boolean {
  return one.seconds === other.seconds && (one.nanoseconds === other.nanoseconds || one.nanoseconds === 0 || other.nanoseconds === 0);
}
