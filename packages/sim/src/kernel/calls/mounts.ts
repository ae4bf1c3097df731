/** Calls on namespaces and mounts: unshare(2), setns(2), mount(2), umount(2), pivot_root(2), open_tree(2), move_mount(2), fsopen(2), mount_setattr(2). */
import type { CallName } from '../../abi/calls.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, AT_SYMLINK_NOFOLLOW, FSCONFIG_CMD_CREATE, FSCONFIG_SET_FLAG, FSCONFIG_SET_STRING, MNT_DETACH, MNT_EXPIRE, MNT_FORCE, MOUNT_ATTR__ATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, MOUNT_ATTR_NODIRATIME, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, MOUNT_ATTR_STRICTATIME, MS_BIND, MS_MOVE, MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC, MS_REMOUNT, MS_SHARED, MS_SLAVE, MS_STRICTATIME, MS_UNBINDABLE, O_CLOEXEC, OPEN_TREE_CLONE, S_IFDIR, S_IFMT, UMOUNT_NOFOLLOW } from '../../abi/constants.ts';
import { EBADF, EBUSY, EINVAL, ELOOP, ENOTDIR, EPERM } from '../../abi/errno.ts';
import { createSuper, openContext, setOption } from '../../vfs/fscontext.ts';
import { attach, copyTree, createMount, descend, detach, dropTree, lift, move, moveCwd, place, setPropagation, subtree, type Mount, type Position, type Propagation } from '../../vfs/mount.ts';
import { objectAt, statOf } from '../../vfs/open.ts';
import { find } from '../../vfs/path.ts';
import { CAP_SYS_ADMIN, capable } from '../cred.ts';
import { createFile, fileOf, install } from '../fd.ts';
import { setns, unshare } from '../nsproxy.ts';
import type { Task } from '../types.ts';
import type { Handlers } from './table.ts';

export type MountCall = Extract<CallName, 'unshare' | 'setns' | 'mount' | 'umount2' | 'pivot_root' | 'open_tree' | 'move_mount' | 'fsopen' | 'fsconfig' | 'fsmount' | 'mount_setattr'>;

const MS_TYPES = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;

function mayMount(task: Task): boolean {
  return capable(task.cred, CAP_SYS_ADMIN, task.ns.mnt.owner);
}

/** A place is the root of its mount, so that the mount itself is meant. */
function mountAt(position: Position): Mount | undefined {
  return position.node === position.mount.root ? position.mount : undefined;
}

function attributesOf(flags: number): number {
  let attributes = 0;
  for (const [flag, attribute] of [[MS_RDONLY, MOUNT_ATTR_RDONLY], [MS_NOSUID, MOUNT_ATTR_NOSUID], [MS_NODEV, MOUNT_ATTR_NODEV], [MS_NOEXEC, MOUNT_ATTR_NOEXEC], [MS_NODIRATIME, MOUNT_ATTR_NODIRATIME]] as const) if ((flags & flag) !== 0) attributes |= attribute;
  if ((flags & MS_NOATIME) !== 0) attributes |= MOUNT_ATTR_NOATIME;
  if ((flags & MS_STRICTATIME) !== 0) attributes |= MOUNT_ATTR_STRICTATIME;
  return attributes;
}

function propagationOf(flag: number): Propagation | undefined {
  switch (flag) {
    case MS_SHARED: return 'shared';
    case MS_SLAVE: return 'slave';
    case MS_PRIVATE: return 'private';
    case MS_UNBINDABLE: return 'unbindable';
    default: return undefined;
  }
}

function changePropagation(task: Task, position: Position, flags: number): number {
  const to = propagationOf(flags & MS_TYPES);
  const mount = mountAt(position);
  if (to === undefined || mount === undefined) return -EINVAL;
  for (const one of (flags & MS_REC) === 0 ? [mount] : subtree(mount)) setPropagation(task.kernel, one, to);
  return 0;
}

const isDirectory = (task: Task, position: Position): boolean => (statOf(task, position).mode & S_IFMT) === S_IFDIR;

/** Attaches a new or detached tree; ENOTDIR when a directory would cover a file, or the other way round. */
function attachAt(task: Task, mount: Mount, target: Position): number {
  if (target.mount.ns !== task.ns.mnt) return -EINVAL;
  if (isDirectory(task, target) !== isDirectory(task, { mount, node: mount.root })) return -ENOTDIR;
  attach(task.kernel, mount, target, task.kernel.mountNamespaces);
  return 0;
}

function bind(task: Task, source: string, target: Position, recursive: boolean): number {
  const from = find(task, AT_FDCWD, source, { follow: true });
  if (typeof from === 'number') return from;
  if (from.mount.unbindable || (from.mount.ns !== task.ns.mnt && from.mount.fs.type !== 'nsfs')) return -EINVAL;
  const tree = copyTree(task.kernel, from, recursive);
  const refused = attachAt(task, tree, target);
  if (refused < 0) dropTree(tree);
  return refused;
}

function moveTo(task: Task, source: Position, target: Position): number {
  const mount = mountAt(source);
  if (mount?.parent === undefined || mount.ns !== task.ns.mnt) return -EINVAL;
  if (mount.parent.group !== 0 || mount.lockedTree) return -EINVAL;
  if (isDirectory(task, target) !== isDirectory(task, source)) return -ENOTDIR;
  for (let at: Mount | undefined = target.mount; at !== undefined; at = at.parent) if (at === mount) return -ELOOP;
  move(task.kernel, mount, target, task.kernel.mountNamespaces);
  return 0;
}

function setAttributes(mount: Mount, set: number, clear: number): number {
  // Flags of a more privileged namespace are locked: mount_namespaces(7), "Restrictions".
  if ((mount.locked & clear & ~set) !== 0) return -EPERM;
  mount.attributes = (mount.attributes & ~clear) | set;
  return 0;
}

function mountCall(task: Task, { source, target, fstype, flags, data }: { readonly source: string; readonly target: string; readonly fstype: string; readonly flags: number; readonly data: string }): number {
  const position = find(task, AT_FDCWD, target, { follow: true });
  if (typeof position === 'number') return position;
  if (!mayMount(task)) return -EPERM;
  if ((flags & MS_REMOUNT) !== 0) {
    const mount = mountAt(position);
    if (mount === undefined) return -EINVAL;
    const all = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODIRATIME;
    const refused = setAttributes(mount, attributesOf(flags), all);
    if (refused === 0 && (flags & MS_BIND) === 0 && capable(task.cred, CAP_SYS_ADMIN, mount.fs.owner)) mount.fs.readOnly = (flags & MS_RDONLY) !== 0;
    return refused;
  }
  if ((flags & MS_BIND) !== 0) return bind(task, source, position, (flags & MS_REC) !== 0);
  if ((flags & MS_TYPES) !== 0) return changePropagation(task, position, flags);
  if ((flags & MS_MOVE) !== 0) {
    const from = find(task, AT_FDCWD, source, { follow: true });
    return typeof from === 'number' ? from : moveTo(task, from, position);
  }
  return mountNew(task, position, source, fstype, flags, data);
}

function mountNew(task: Task, position: Position, source: string, fstype: string, flags: number, data: string): number {
  const context = openContext(task, fstype);
  if (typeof context === 'number') return context;
  setOption(context, 'source', source);
  for (const option of data.split(/(?<!\\),/).filter((word) => word !== '')) {
    const cut = option.indexOf('=');
    const refused = setOption(context, cut < 0 ? option : option.slice(0, cut), cut < 0 ? '' : option.slice(cut + 1).replace(/\\,/g, ','));
    if (refused < 0) return refused;
  }
  const created = createSuper(task, context);
  if (created < 0 || context.made === undefined) return created;
  const mount = createMount(task.kernel, context.made, context.made.root, attributesOf(flags));
  const refused = attachAt(task, mount, position);
  if (refused < 0) dropTree(mount);
  return refused;
}

function isBusy(task: Task, mount: Mount): boolean {
  if (mount.covers.size > 0 || mount.users > 0) return true;
  for (const { fs } of task.kernel.tasks) if (fs.cwd.mount === mount || fs.root.mount === mount) return true;
  return false;
}

function unmount(task: Task, target: string, flags: number): number {
  if ((flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) !== 0) return -EINVAL;
  const position = find(task, AT_FDCWD, target, { follow: (flags & UMOUNT_NOFOLLOW) === 0 });
  if (typeof position === 'number') return position;
  if (!mayMount(task)) return -EPERM;
  // What lies on top, also for ".": pivot_root(2), "pivot_root(".", ".")".
  const mount = mountAt(descend(position));
  if (mount === undefined || mount.ns !== task.ns.mnt || mount.lockedTree) return -EINVAL;
  // The root of the namespace has nothing below it to go back to.
  if (mount.parent === undefined) return -EINVAL;
  if ((flags & MNT_DETACH) === 0 && isBusy(task, mount)) return -EBUSY;
  detach(mount, task.kernel.mountNamespaces);
  return 0;
}

/** pivot_root(2), ERRORS and NOTES. */
function pivotRoot(task: Task, newRoot: string, putOld: string): number {
  const fresh = find(task, AT_FDCWD, newRoot, { follow: true });
  if (typeof fresh === 'number') return fresh;
  const old = find(task, AT_FDCWD, putOld, { follow: true });
  if (typeof old === 'number') return old;
  if (!mayMount(task)) return -EPERM;
  if (!isDirectory(task, fresh) || !isDirectory(task, old)) return -ENOTDIR;
  const { root } = task.fs;
  const mount = fresh.mount;
  const rootMount = root.mount;
  if (mount.ns !== task.ns.mnt || rootMount.ns !== task.ns.mnt) return -EINVAL;
  if (mount === rootMount || old.mount === rootMount) return -EBUSY;
  // Both must be the roots of their mounts, the current root's one may not be the bottom, and none of the parents may be shared.
  if (mountAt(fresh) === undefined || mountAt(root) === undefined || mount.parent === undefined) return -EINVAL;
  if (mount.lockedTree) return -EINVAL;
  if (mount.group !== 0 || mount.parent.group !== 0 || rootMount.parent?.group) return -EINVAL;
  let at: Position | undefined = old;
  while (at !== undefined && at.mount !== mount) at = at.mount.parent === undefined ? undefined : { mount: at.mount.parent, node: at.mount.at };
  if (at === undefined) return -EINVAL;
  // The new root takes the old one's place, which goes to putOld.
  const above = rootMount.parent === undefined ? undefined : { mount: rootMount.parent, node: rootMount.at };
  lift(mount);
  lift(rootMount);
  if (above !== undefined) place(mount, above);
  else task.ns.mnt.root = mount;
  place(rootMount, descend(old));
  for (const other of task.kernel.tasks) {
    if (other.ns.mnt !== task.ns.mnt) continue;
    const isOld = ({ mount: one, node }: Position): boolean => one === rootMount && node === root.node;
    if (isOld(other.fs.root)) other.fs.root = fresh;
    if (isOld(other.fs.cwd)) moveCwd(other.fs, fresh);
  }
  return 0;
}

function openTree(task: Task, dirfd: number, path: string, flags: number): number {
  const follow = (flags & AT_SYMLINK_NOFOLLOW) === 0;
  const position = objectAt(task, dirfd, path, { follow, empty: (flags & AT_EMPTY_PATH) !== 0 });
  if (typeof position === 'number') return position;
  const cloexec = (flags & O_CLOEXEC) !== 0;
  if ((flags & OPEN_TREE_CLONE) === 0) return install(task, createFile({}, 0o10000000, '', { at: position }), cloexec);
  if (!mayMount(task)) return -EPERM;
  if (position.mount.unbindable) return -EINVAL;
  return install(task, treeFile(copyTree(task.kernel, position, (flags & AT_RECURSIVE) !== 0)), cloexec);
}

/** A detached tree ends with its last descriptor, unless it was attached. */
function treeFile(mount: Mount): ReturnType<typeof createFile> {
  const tree = { mount, attached: false };
  return createFile({ release: () => { if (!tree.attached) dropTree(mount); } }, 0o10000000, '', { tree });
}

function moveMount(task: Task, from: { readonly dirfd: number; readonly path: string }, to: { readonly dirfd: number; readonly path: string }): number {
  if (!mayMount(task)) return -EPERM;
  const target = objectAt(task, to.dirfd, to.path, { follow: true, empty: true });
  if (typeof target === 'number') return target;
  const tree = from.path === '' ? fileOf(task, from.dirfd)?.tree : undefined;
  if (tree !== undefined && !tree.attached) {
    const refused = attachAt(task, tree.mount, target);
    if (refused === 0) tree.attached = true;
    return refused;
  }
  const source = objectAt(task, from.dirfd, from.path, { follow: true, empty: true });
  return typeof source === 'number' ? source : moveTo(task, source, target);
}

function changeMount(task: Task, { dirfd, path, flags, set, clear, propagation }: { readonly dirfd: number; readonly path: string; readonly flags: number; readonly set: number; readonly clear: number; readonly propagation: number }): number {
  const position = objectAt(task, dirfd, path, { follow: (flags & AT_SYMLINK_NOFOLLOW) === 0, empty: true });
  if (typeof position === 'number') return position;
  if (!mayMount(task)) return -EPERM;
  const mount = mountAt(position);
  if (mount === undefined) return -EINVAL;
  const kind = propagation === 0 ? undefined : propagationOf(propagation);
  if (propagation !== 0 && kind === undefined) return -EINVAL;
  if ((set & MOUNT_ATTR__ATIME) !== 0 && (clear & MOUNT_ATTR__ATIME) !== MOUNT_ATTR__ATIME) return -EINVAL;
  const all = (flags & AT_RECURSIVE) === 0 ? [mount] : [...subtree(mount)];
  if (all.some(({ locked }) => (locked & clear & ~set) !== 0)) return -EPERM;
  for (const one of all) {
    setAttributes(one, set, clear);
    if (kind !== undefined) setPropagation(task.kernel, one, kind);
  }
  return 0;
}

export const MOUNT_CALLS: Handlers<MountCall> = {
  unshare(task, { flags }) {
    const before = task.ns.mnt;
    const result = unshare(task, flags, false);
    if (task.ns.mnt !== before) task.kernel.mountNamespaces.add(task.ns.mnt);
    return result;
  },
  setns(task, { fd, nstype }) {
    const file = fileOf(task, fd);
    if (file === undefined) return -EBADF;
    return file.namespace === undefined ? -EINVAL : setns(task, file.namespace, nstype);
  },
  mount: (task, args) => mountCall(task, args),
  umount2: (task, { target, flags }) => unmount(task, target, flags),
  pivot_root: (task, { newRoot, putOld }) => pivotRoot(task, newRoot, putOld),
  open_tree: (task, { dirfd, path, flags }) => openTree(task, dirfd, path, flags),
  move_mount: (task, { fromDirfd, fromPath, toDirfd, toPath }) => moveMount(task, { dirfd: fromDirfd, path: fromPath }, { dirfd: toDirfd, path: toPath }),
  fsopen(task, { fsname }) {
    const context = openContext(task, fsname);
    return typeof context === 'number' ? context : install(task, createFile({}, 2, 'fscontext', { context }), true);
  },
  fsconfig(task, { fd, cmd, key, value }) {
    const context = fileOf(task, fd)?.context;
    if (context === undefined) return fileOf(task, fd) === undefined ? -EBADF : -EINVAL;
    if (cmd === FSCONFIG_CMD_CREATE) return context.made === undefined ? createSuper(task, context) : -EBUSY;
    return cmd === FSCONFIG_SET_STRING || cmd === FSCONFIG_SET_FLAG ? setOption(context, key, cmd === FSCONFIG_SET_FLAG ? '' : value) : -EINVAL;
  },
  fsmount(task, { fd, attributes }) {
    const context = fileOf(task, fd)?.context;
    if (context === undefined) return fileOf(task, fd) === undefined ? -EBADF : -EINVAL;
    if (context.made === undefined) return -EINVAL;
    return install(task, treeFile(createMount(task.kernel, context.made, context.made.root, attributes)), true);
  },
  mount_setattr: (task, args) => changeMount(task, args),
};

