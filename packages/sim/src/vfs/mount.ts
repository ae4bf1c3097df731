/** Mounts: the tree of a mount namespace, propagation, attaching, detaching. mount_namespaces(7); sharedsubtree.rst. */
import { MOUNT_ATTR__ATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, MOUNT_ATTR_NODIRATIME, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, MOUNT_ATTR_STRICTATIME } from '../abi/constants.ts';
import type { UserNamespace } from '../kernel/cred.ts';
import type { FsContext, Kernel } from '../kernel/types.ts';
import type { FileSystem } from './filesystem.ts';

/** A node as it is seen through a mount. */
export interface Position {
  readonly mount: Mount;
  readonly node: number;
}

export interface Mount {
  readonly id: number;
  readonly fs: FileSystem;
  readonly root: number;
  /** Undefined: a tree that is attached nowhere, or the root of the namespace. */
  parent: Mount | undefined;
  /** Node of the parent that it covers. */
  at: number;
  /** What covers nodes of this one. */
  readonly covers: Map<number, Mount>;
  /** MOUNT_ATTR_* */
  attributes: number;
  /** Those that a user namespace may not clear. */
  locked: number;
  ns: MountNamespace | undefined;
  /** Peer group: 0 when private. */
  group: number;
  /** The peer group that it receives from. */
  master: number;
  unbindable: boolean;
  /** May not be taken off alone: it came from a more privileged mount namespace. */
  lockedTree: boolean;
  /** Open files and working directories on it. */
  users: number;
}

export interface MountNamespace {
  readonly kind: 'mnt';
  readonly id: number;
  readonly owner: UserNamespace;
  root: Mount;
}

export function createMount(kernel: Kernel, fs: FileSystem, root: number, attributes: number): Mount {
  fs.mounts += 1;
  fs.hold(root);
  return { id: kernel.nextId(), fs, root, parent: undefined, at: 0, covers: new Map(), attributes, locked: 0, ns: undefined, group: 0, master: 0, unbindable: false, lockedTree: false, users: 0 };
}

/** The topmost mount at a place, and its root. */
export function descend(position: Position): Position {
  let { mount, node } = position;
  for (let over = mount.covers.get(node); over !== undefined; over = mount.covers.get(node)) {
    mount = over;
    node = over.root;
  }
  return mount === position.mount && node === position.node ? position : { mount, node };
}

/** A mount and all below, parents first, in the order of attaching. */
export function* subtree(mount: Mount): Generator<Mount> {
  yield mount;
  for (const child of mount.covers.values()) yield* subtree(child);
}

function isBelow(fs: FileSystem, node: number, top: number): boolean {
  for (let at = node; at > 0; at = fs.parent(at)) {
    if (at === top) return true;
    if (at === fs.root) return false;
  }
  return false;
}

/** A copy of a mount, or of the tree below it, attached nowhere. Unbindable ones are left out. */
export function copyTree(kernel: Kernel, position: Position, recursive: boolean): Mount {
  const { mount, node } = position;
  const copy = cloneMount(kernel, mount, node);
  if (recursive) {
    for (const [at, child] of mount.covers) if (!child.unbindable && isBelow(mount.fs, at, node)) link(copyTree(kernel, { mount: child, node: child.root }, true), copy, at);
  }
  return copy;
}

function cloneMount(kernel: Kernel, mount: Mount, root: number): Mount {
  const copy = createMount(kernel, mount.fs, root, mount.attributes);
  copy.group = mount.group;
  copy.master = mount.master;
  copy.locked = mount.locked;
  return copy;
}

/** Puts a tree at a place; not propagated. */
function link(mount: Mount, parent: Mount, at: number): void {
  mount.parent = parent;
  mount.at = at;
  parent.fs.hold(at);
  parent.covers.set(at, mount);
  for (const one of subtree(mount)) one.ns = parent.ns;
}

function unlink(mount: Mount): void {
  const { parent } = mount;
  if (parent === undefined) return;
  parent.covers.delete(mount.at);
  parent.fs.letGo(mount.at);
  mount.parent = undefined;
}

/** Attaches at the topmost mount of `target`, and at its peers and slaves: sharedsubtree.rst, section 5. */
export function attach(kernel: Kernel, mount: Mount, target: Position, all: Iterable<MountNamespace>): void {
  const top = descend(target);
  const group = top.mount.group;
  if (group !== 0) for (const one of subtree(mount)) if (one.group === 0) one.group = kernel.nextId();
  link(mount, top.mount, top.node);
  if (group === 0) return;
  for (const receiver of receivers(top.mount, group, all)) {
    if (!isBelow(receiver.fs, top.node, receiver.root)) continue;
    const copy = copyTree(kernel, { mount, node: mount.root }, true);
    if (receiver.group !== group) {
      for (const one of subtree(copy)) {
        one.master = one.group;
        one.group = receiver.group === 0 ? 0 : kernel.nextId();
      }
    }
    const spot = descend({ mount: receiver, node: top.node });
    link(copy, spot.mount, spot.node);
  }
}

/** Peers of a mount, and slaves of its group, wherever they are. */
function receivers(mount: Mount, group: number, all: Iterable<MountNamespace>): Mount[] {
  const found: Mount[] = [];
  const groups = new Set([group]);
  // Slaves of slaves: until no group is added.
  for (let size = 0; size !== groups.size;) {
    size = groups.size;
    found.length = 0;
    for (const ns of all) {
      for (const one of subtree(ns.root)) {
        if (one === mount || !(groups.has(one.group) || groups.has(one.master))) continue;
        found.push(one);
        if (one.group !== 0) groups.add(one.group);
      }
    }
  }
  return found;
}

/** Takes a tree off, at the peers and slaves of its parent too. Mounts that nobody uses end. */
export function detach(mount: Mount, all: Iterable<MountNamespace>): void {
  const { parent, at } = mount;
  if (parent !== undefined && parent.group !== 0) {
    for (const receiver of receivers(parent, parent.group, all)) {
      const twin = receiver.covers.get(at);
      if (twin !== undefined && twin.fs === mount.fs && twin.root === mount.root) end(twin);
    }
  }
  end(mount);
}

function end(mount: Mount): void {
  unlink(mount);
  for (const one of [...subtree(mount)].reverse()) {
    unlink(one);
    one.ns = undefined;
    finish(one);
  }
}

/** DIFFERS: a file system whose last mount goes while a file of it is open stays until the machine ends. */
function finish(mount: Mount): void {
  const { fs } = mount;
  fs.letGo(mount.root);
  fs.mounts -= 1;
  if (fs.mounts === 0 && mount.users === 0) fs.destroy?.();
}

/** Ends a tree that is attached nowhere. */
export function dropTree(mount: Mount): void {
  if (mount.parent === undefined && mount.ns === undefined) end(mount);
}

/** Moves a tree that is attached to another place. */
export function move(kernel: Kernel, mount: Mount, target: Position, all: Iterable<MountNamespace>): void {
  unlink(mount);
  attach(kernel, mount, target, all);
}

/** Takes a mount off its place without ending it: pivot_root(2). */
export function lift(mount: Mount): void {
  unlink(mount);
}

export function place(mount: Mount, target: Position): void {
  link(mount, target.mount, target.node);
}

/** CLONE_NEWNS: a copy of all mounts; the task's root and working directory are moved to it. */
export function copyMountNamespace(kernel: Kernel, from: MountNamespace, owner: UserNamespace, fs: FsContext): MountNamespace {
  const pairs = new Map<Mount, Mount>();
  const less = owner !== from.owner;
  const copy = (mount: Mount): Mount => {
    const twin = cloneMount(kernel, mount, mount.root);
    twin.unbindable = mount.unbindable;
    // A less privileged namespace receives, and does not send; flags and the tree are locked (mount_namespaces(7), "Restrictions").
    if (less) {
      if (twin.group !== 0) twin.master = twin.group;
      twin.group = 0;
      twin.locked = twin.attributes;
      // The tree as a whole may be let go, none of what covers a part of it.
      twin.lockedTree = mount !== from.root;
    }
    pairs.set(mount, twin);
    for (const [at, child] of mount.covers) link(copy(child), twin, at);
    return twin;
  };
  const root = copy(from.root);
  const ns: MountNamespace = { kind: 'mnt', id: kernel.nextId(), owner, root };
  for (const one of subtree(root)) one.ns = ns;
  const map = ({ mount, node }: Position): Position => ({ mount: pairs.get(mount) ?? mount, node });
  fs.root = map(fs.root);
  fs.cwd = map(fs.cwd);
  return ns;
}

/** Moves a working directory. It is held, so that its node stays when its name goes. */
export function moveCwd(fs: FsContext, position: Position): void {
  position.mount.fs.hold(position.node);
  const { cwd } = fs;
  fs.cwd = position;
  cwd.mount.fs.letGo(cwd.node);
}

/** The last process of a mount namespace has ended. */
export function endNamespace(ns: MountNamespace, all: Set<MountNamespace>): void {
  all.delete(ns);
  end(ns.root);
}

export type Propagation = 'shared' | 'slave' | 'private' | 'unbindable';

export function setPropagation(kernel: Kernel, mount: Mount, to: Propagation): void {
  mount.unbindable = to === 'unbindable';
  switch (to) {
    case 'shared':
      if (mount.group === 0) mount.group = kernel.nextId();
      break;
    case 'slave':
      if (mount.group !== 0) mount.master = mount.group;
      mount.group = 0;
      break;
    case 'private': case 'unbindable':
      mount.group = 0;
      mount.master = 0;
      break;
  }
}

/** The mount's own options, as /proc/PID/mountinfo writes them: proc_pid_mountinfo(5), field 6. */
export function attributeText({ attributes }: Mount): string {
  const words = [(attributes & MOUNT_ATTR_RDONLY) === 0 ? 'rw' : 'ro'];
  if ((attributes & MOUNT_ATTR_NOSUID) !== 0) words.push('nosuid');
  if ((attributes & MOUNT_ATTR_NODEV) !== 0) words.push('nodev');
  if ((attributes & MOUNT_ATTR_NOEXEC) !== 0) words.push('noexec');
  const atime = attributes & MOUNT_ATTR__ATIME;
  if (atime === MOUNT_ATTR_NOATIME) words.push('noatime');
  if ((attributes & MOUNT_ATTR_NODIRATIME) !== 0) words.push('nodiratime');
  if (atime !== MOUNT_ATTR_NOATIME && atime !== MOUNT_ATTR_STRICTATIME) words.push('relatime');
  return words.join(',');
}

export function isReadOnly({ attributes, fs }: Mount): boolean {
  return fs.readOnly || (attributes & MOUNT_ATTR_RDONLY) !== 0;
}
