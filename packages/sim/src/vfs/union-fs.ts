/** tmpfs and overlay: file systems whose objects the union keeps. */
import type { Kernel } from '../kernel/types.ts';
import type { UserNamespace } from '../kernel/cred.ts';
import { wallTime } from '../det/clock.ts';
import type { FileSystem } from './filesystem.ts';
import type { MountBranch, Union } from './union/union.ts';

const TMPFS_MAGIC = 0x01021994;
const OVERLAYFS_MAGIC = 0x794c7630;

interface Made {
  readonly type: 'tmpfs' | 'overlay' | 'layer';
  readonly source: string;
  readonly options: string;
  readonly readOnly: boolean;
  readonly owner: UserNamespace;
  /** Layers that end with the file system. */
  readonly ownLayers: readonly number[];
}

function wrap(kernel: Kernel, mount: number, { type, source, options, readOnly, owner, ownLayers }: Made): FileSystem {
  const { union, clock } = kernel;
  const stamp = (): void => { union.setTime(wallTime(clock)); };
  const root = union.root(mount);
  return {
    type: type === 'layer' ? 'tmpfs' : type, magic: type === 'overlay' ? OVERLAYFS_MAGIC : TMPFS_MAGIC, dev: kernel.nextDevice(), root, source, options, readOnly, owner, mounts: 0,
    lookup: (dir, name) => union.lookup(dir, name),
    parent: (node) => union.nameOf(node).parent,
    name: (node) => union.nameOf(node).name,
    stat: (node) => union.stat(node),
    readlink: (node) => union.readlink(node),
    readdir: (node) => union.readdir(node),
    create(dir, name, object) { stamp(); return union.create(dir, name, object); },
    unlink(dir, name) { stamp(); return union.unlink(dir, name); },
    rmdir(dir, name) { stamp(); return union.rmdir(dir, name); },
    link(node, dir, name) { stamp(); return union.link(node, dir, name); },
    rename(oldDir, oldName, newDir, newName, flags) { stamp(); return union.rename(oldDir, oldName, newDir, newName, flags); },
    setAttributes(node, changes) { stamp(); return union.setAttributes(node, changes); },
    truncate(node, size) { stamp(); return union.truncate(node, size); },
    read: (node, target, position) => union.read(node, target, position),
    write(node, bytes, position) { stamp(); return union.write(node, bytes, position); },
    openForWriting(node, truncate) { stamp(); return union.openForWriting(node, truncate); },
    getXattr: (node, name) => union.getXattr(node, name),
    setXattr(node, name, value, flags) { stamp(); return union.setXattr(node, name, value, flags); },
    listXattrs: (node) => union.listXattrs(node),
    removeXattr(node, name) { stamp(); return union.removeXattr(node, name); },
    hold: (node) => { union.hold(node); },
    letGo: (node) => { union.letGo(node); },
    destroy() {
      union.unmount(mount);
      for (const layer of ownLayers) union.layers.destroy(layer);
    },
  };
}

export interface TmpfsOptions {
  readonly source: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes; Infinity: half of the memory, as Linux has it. */
  readonly size: number;
  readonly options: string;
  readonly owner: UserNamespace;
}

export function createTmpfs(kernel: Kernel, options: TmpfsOptions): FileSystem {
  const { union } = kernel;
  const layer = union.layers.create(options.mode, options.uid, options.gid);
  union.layers.setLimit(layer, options.size === Infinity ? kernel.machine.memory / 2 : options.size);
  const mount = union.mount({ flavour: 'plain', branches: [{ layer, writable: true }] });
  return wrap(kernel, mount, { type: 'tmpfs', source: options.source, options: options.options, readOnly: false, owner: options.owner, ownLayers: [layer] });
}

export interface OverlayOptions {
  /** Layer handles, top first. */
  readonly lowers: readonly number[];
  /** Absent: read-only. */
  readonly upper: number | undefined;
  readonly userXattr: boolean;
  readonly source: string;
  readonly options: string;
  readonly owner: UserNamespace;
}

/** A negative number: EINVAL, ELOOP. */
export function createOverlay(kernel: Kernel, { lowers, upper, userXattr, source, options, owner }: OverlayOptions): FileSystem | number {
  const branches: MountBranch[] = [...(upper === undefined ? [] : [{ layer: upper, writable: true }]), ...lowers.map((layer) => ({ layer }))];
  const mount = kernel.union.mount({ branches, userXattr });
  if (mount < 0) return mount;
  return wrap(kernel, mount, { type: 'overlay', source, options, readOnly: upper === undefined, owner, ownLayers: [] });
}

/** All of a directory, as a layer of its own. Union inodes are copied with their attributes; what is on other file systems is not entered. */
export function copyToLayer(union: Union, directory: number): number {
  const { mode, uid, gid } = union.stat(directory);
  const layer = union.layers.create(mode & 0o7777, uid, gid);
  const copy = (from: number, to: number): void => {
    const entries = union.readdir(from);
    if (typeof entries === 'number') return;
    for (const { name } of entries) {
      const node = union.lookup(from, name);
      if (node < 0) continue;
      const stat = union.stat(node);
      const target = union.readlink(node);
      const inode = union.layers.add(to, name, stat.mode, stat.rdev, typeof target === 'string' ? target : '');
      if (inode < 0) continue;
      if ((stat.mode & 0o170000) === 0o100000) {
        const bytes = new Uint8Array(stat.size);
        union.read(node, bytes, 0);
        union.layers.setData(inode, bytes, stat.size);
      }
      if ((stat.mode & 0o170000) === 0o040000) copy(node, inode);
      union.layers.setAttributes(inode, { mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, atime: stat.atime, mtime: stat.mtime });
    }
  };
  copy(directory, union.layers.root(layer));
  return layer;
}
