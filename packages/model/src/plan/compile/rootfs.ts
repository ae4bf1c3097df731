/** The root: overlay or directory, and the switch to it. overlayfs.rst; fsopen(2); pivot_root(2). */
import type { OverlayRoot } from '../root.ts';
import { slot } from './builder.ts';
import type { Context } from './context.ts';
import { addTarget, ROOT_SLOT } from './targets.ts';

/**
 * Always passed, since distribution kernels differ in their defaults: without them opaque marks, EXDEV and hard links
 * change from host to host (layers rules, section 0).
 */
const OVERLAY_OPTIONS: readonly (readonly [string, string])[] = [['index', 'off'], ['metacopy', 'off'], ['redirect_dir', 'nofollow'], ['xino', 'off']];

export function addRoot(context: Context): void {
  const { b, options, spec } = context;
  const flag = /private|unbindable/.test(spec.linux?.rootfsPropagation ?? '') ? 'MS_PRIVATE' : 'MS_SLAVE';
  b.add('root.propagation', 'mount', { source: '', target: '/', fstype: '', flags: [flag, 'MS_REC'], data: '' }, 'mounts made here stay here');
  if (options.root.kind === 'directory') addDirectoryRoot(context, options.root.path);
  else {
    options.root.overlays.forEach((overlay, index) => addOverlay(context, overlay, index, options.root.kind === 'overlay' ? options.root.mountpoint : ''));
  }
}

function addDirectoryRoot({ b }: Context, path: string): void {
  b.add('root.clone', 'open_tree', { dirfd: 'AT_FDCWD', path, flags: ['OPEN_TREE_CLONE', 'OPEN_TREE_CLOEXEC', 'AT_RECURSIVE'] }, 'the rootfs as a mount of its own', { result: ROOT_SLOT });
  b.add('root.private', 'mount_setattr', { dirfd: slot(ROOT_SLOT), path: '', recursive: true, set: [], clear: [], propagation: 'MS_PRIVATE' }, 'pivot_root wants a private mount');
  b.add('root.open', 'openat2', { dirfd: 'AT_FDCWD', path, flags: ['O_PATH', 'O_DIRECTORY', 'O_CLOEXEC'], resolve: [] }, 'where it is attached', { result: 'root.at' });
  b.add('root.attach', 'move_mount', { from: slot(ROOT_SLOT), to: slot('root.at'), toPath: '' }, 'attach the rootfs');
}

function addOverlay(context: Context, overlay: OverlayRoot, index: number, mountpoint: string): void {
  const { b, facts } = context;
  const name = index === 0 ? 'root' : `root.${index}`;
  const mountSlot = index === 0 ? ROOT_SLOT : `${name}.mount`;
  if (index > 0) addTarget(b, `${name}.at`, overlay.at, 'directory');
  else b.add('root.open', 'openat2', { dirfd: 'AT_FDCWD', path: mountpoint, flags: ['O_PATH', 'O_DIRECTORY', 'O_CLOEXEC'], resolve: [] }, 'where the root is attached', { result: 'root.at' });
  if (facts.overlay.api === 'lowerdir+') {
    addOverlayConfig(context, overlay, name);
    b.add(`${name}.mount`, 'fsmount', { fd: slot(`${name}.fs`), attributes: [] }, 'the union as a mount', { result: mountSlot });
    b.add(`${name}.attach`, 'move_mount', { from: slot(mountSlot), to: slot(`${name}.at`), toPath: '' }, `attach it at ${index === 0 ? mountpoint : overlay.at}`);
    return;
  }
  const data = [`lowerdir=${overlay.lowerdirs.map(escapeLowerdir).join(':')}`, `upperdir=${escapeOption(overlay.upperdir)}`, `workdir=${escapeOption(overlay.workdir)}`, ...OVERLAY_OPTIONS.map(([key, value]) => `${key}=${value}`), ...(context.userns ? ['userxattr'] : [])].join(',');
  const target = index === 0 ? mountpoint : `${mountpoint}${overlay.at}`;
  b.add(`${name}.overlay`, 'mount', { source: 'overlay', target, fstype: 'overlay', flags: [], data }, 'the union of the layers (this kernel lacks lowerdir+)');
  if (index === 0) b.add('root.reopen', 'openat2', { dirfd: 'AT_FDCWD', path: mountpoint, flags: ['O_PATH', 'O_DIRECTORY', 'O_CLOEXEC'], resolve: [] }, 'the mounted root', { result: ROOT_SLOT });
}

function escapeOption(path: string): string {
  return path.replace(/[\\,]/g, (char) => `\\${char}`);
}

/** In an option string a colon separates layers and a comma options: both are escaped (overlayfs.rst, "Multiple lower layers"). */
function escapeLowerdir(path: string): string {
  return path.replace(/[\\:,]/g, (char) => `\\${char}`);
}

function addOverlayConfig({ b, userns }: Context, overlay: OverlayRoot, name: string): void {
  const fd = slot(`${name}.fs`);
  const set = (id: string, key: string, value: string, why: string): void => b.add(`${name}.${id}`, 'fsconfig', { fd, cmd: 'FSCONFIG_SET_STRING', key, value }, why);
  b.add(`${name}.fsopen`, 'fsopen', { fsname: 'overlay' }, 'a union file system', { result: `${name}.fs` });
  set('source', 'source', 'overlay', 'its name in mountinfo');
  overlay.lowerdirs.forEach((path, layer) => set(`lower.${layer}`, 'lowerdir+', path, 'a read-only layer, top first'));
  set('upper', 'upperdir', overlay.upperdir, 'the writable layer');
  set('work', 'workdir', overlay.workdir, 'where copies are prepared');
  for (const [key, value] of OVERLAY_OPTIONS) set(key, key, value, 'the same semantics on every kernel');
  if (userns) b.add(`${name}.userxattr`, 'fsconfig', { fd, cmd: 'FSCONFIG_SET_FLAG', key: 'userxattr' }, 'marks that an ordinary user may write');
  b.add(`${name}.create`, 'fsconfig', { fd, cmd: 'FSCONFIG_CMD_CREATE' }, 'make the union');
}

/** pivot_root(2) with both arguments ".": no directory for the old root is needed in the image. */
export function addSwitchRoot(context: Context): void {
  const { b, facts, options, spec } = context;
  b.add('switch.enter', 'fchdir', { fd: slot(ROOT_SLOT) }, 'stand in the new root');
  const pivot = facts.pivotRoot && options.noPivot !== true;
  if (pivot) {
    b.add('switch.pivot', 'pivot_root', { newRoot: '.', putOld: '.' }, 'make it the root', { onError: { action: 'jump', to: 'switch.move', errno: 'EINVAL' } });
    b.add('switch.detach', 'umount2', { target: '.', flags: ['MNT_DETACH'] }, 'let go of the old root', { onSuccess: 'switch.chdir' });
  }
  b.add('switch.move', 'mount', { source: '.', target: '/', fstype: '', flags: ['MS_MOVE'], data: '' }, 'move the root where pivot_root is not possible');
  b.add('switch.chroot', 'chroot', { path: '.' }, 'and make it the root');
  b.add('switch.chdir', 'chdir', { path: '/' }, 'stand at the top');
  const propagation = spec.linux?.rootfsPropagation;
  if (propagation === 'shared' || propagation === 'rshared') b.add('root.shared', 'mount', { source: '', target: '/', fstype: '', flags: ['MS_SHARED', ...(propagation === 'rshared' ? ['MS_REC'] : [])], data: '' }, 'rootfsPropagation');
  if (propagation === 'unbindable' || propagation === 'runbindable') b.add('root.unbindable', 'mount', { source: '', target: '/', fstype: '', flags: ['MS_UNBINDABLE'], data: '' }, 'rootfsPropagation');
  // What is made later would meet a read-only root.
  if (spec.root?.readonly === true && options.createCwd === true) addTarget(b, 'cwd.early', spec.process?.cwd ?? '/', 'directory');
  if (spec.root?.readonly === true) b.add('root.readonly', 'mount_setattr', { dirfd: 'AT_FDCWD', path: '/', recursive: false, set: ['MOUNT_ATTR_RDONLY'], clear: [] }, 'root.readonly');
}

/** Masked and read-only paths: config-linux.md, "Masked Paths" and "Readonly Paths". Paths that are not there are passed over. */
export function addPathGuards({ b, spec }: Context): void {
  const masked = spec.linux?.maskedPaths ?? [];
  if (masked.length > 0) {
    b.add('mask.null', 'openat2', { dirfd: 'AT_FDCWD', path: '/dev/null', flags: ['O_PATH', 'O_NOFOLLOW', 'O_CLOEXEC'], resolve: [] }, 'the file that hides files', { result: 'mask.null' });
    b.add('mask.verify', 'statx', { dirfd: slot('mask.null'), path: '', expect: { type: 'chardev', major: 1, minor: 3 } }, 'it is the null device');
  }
  masked.forEach((path, index) => addMask(b, `mask.${index}`, path));
  (spec.linux?.readonlyPaths ?? []).forEach((path, index) => addReadonly(b, index, path));

}

function relative(path: string): string {
  return path.replace(/^\/+/, '') || '.';
}

function addMask(b: Context['b'], name: string, path: string): void {
  const end = `${name}.end`;
  const resolve = ['RESOLVE_IN_ROOT', 'RESOLVE_NO_MAGICLINKS'];
  b.add(`${name}.open`, 'openat2', { dirfd: slot(ROOT_SLOT), path: relative(path), flags: ['O_PATH', 'O_CLOEXEC'], resolve }, `find ${path}`, { result: name, onError: { action: 'jump', to: end, errno: 'ENOENT' } });
  b.add(`${name}.is-dir`, 'openat2', { dirfd: slot(name), path: '.', flags: ['O_PATH', 'O_DIRECTORY', 'O_CLOEXEC'], resolve: [] }, 'a directory or a file', { onError: { action: 'jump', to: `${name}.clone`, errno: 'ENOTDIR' } });
  addEmptyDirectory(b, `${name}.dir`);
  b.add(`${name}.hide-dir`, 'move_mount', { from: slot(`${name}.dir`), to: slot(name), toPath: '' }, `hide ${path}`, { onSuccess: end });
  b.add(`${name}.clone`, 'open_tree', { dirfd: slot('mask.null'), path: '', flags: ['OPEN_TREE_CLONE', 'OPEN_TREE_CLOEXEC', 'AT_EMPTY_PATH'] }, 'the null device', { result: `${name}.null` });
  b.add(`${name}.hide`, 'move_mount', { from: slot(`${name}.null`), to: slot(name), toPath: '' }, `hide ${path}`);
  b.land(end);
}

function addEmptyDirectory(b: Context['b'], name: string): void {
  b.add(`${name}.fsopen`, 'fsopen', { fsname: 'tmpfs' }, 'an empty directory', { result: `${name}.fs` });
  b.add(`${name}.create`, 'fsconfig', { fd: slot(`${name}.fs`), cmd: 'FSCONFIG_CMD_CREATE' }, 'an empty directory');
  b.add(`${name}.fsmount`, 'fsmount', { fd: slot(`${name}.fs`), attributes: ['MOUNT_ATTR_RDONLY', 'MOUNT_ATTR_NOSUID', 'MOUNT_ATTR_NODEV', 'MOUNT_ATTR_NOEXEC'] }, 'read-only', { result: name });
}

function addReadonly(b: Context['b'], index: number, path: string): void {
  const name = `readonly.${index}`;
  const end = `${name}.end`;
  b.add(`${name}.open`, 'openat2', { dirfd: slot(ROOT_SLOT), path: relative(path), flags: ['O_PATH', 'O_CLOEXEC'], resolve: ['RESOLVE_IN_ROOT', 'RESOLVE_NO_MAGICLINKS'] }, `find ${path}`, { result: name, onError: { action: 'jump', to: end, errno: 'ENOENT' } });
  b.add(`${name}.clone`, 'open_tree', { dirfd: slot(name), path: '', flags: ['OPEN_TREE_CLONE', 'OPEN_TREE_CLOEXEC', 'AT_RECURSIVE', 'AT_EMPTY_PATH'] }, `${path} as a mount`, { result: `${name}.tree` });
  b.add(`${name}.set`, 'mount_setattr', { dirfd: slot(`${name}.tree`), path: '', recursive: true, set: ['MOUNT_ATTR_RDONLY'], clear: [] }, 'read-only');
  b.add(`${name}.attach`, 'move_mount', { from: slot(`${name}.tree`), to: slot(name), toPath: '' }, `over ${path}`);
  b.land(end);
}
