/** The spec's mounts, in order: config.md, "Mounts". All by descriptor: fsopen(2), open_tree(2), move_mount(2). */
import { parseMountOptions, type ParsedMountOptions } from '../../spec/mount-options.ts';
import type { SpecMount } from '../../spec/spec.ts';
import { IGNORE, slot } from './builder.ts';
import type { CgroupHierarchy } from '../facts.ts';
import { cgroupPath } from './cgroup-path.ts';
import type { Context } from './context.ts';
import { addTarget } from './targets.ts';

/** Slot of the container's own proc, for sysctls. */
export const PROC_SLOT = 'proc';

export function addMounts(context: Context): void {
  (context.spec.mounts ?? []).forEach((mount, index) => addMount(context, mount, `mount.${index}`));
}

function addMount(context: Context, mount: SpecMount, name: string): void {
  const { b, options } = context;
  const parsed = parseMountOptions(mount.options ?? []);
  if (mount.type === 'cgroup' || mount.type === 'cgroup2') return addCgroupMount(context, mount, parsed, name);
  if (parsed.bind || mount.type === 'bind') {
    const kind = options.sources?.[mount.source ?? ''] ?? 'directory';
    addTarget(b, name, mount.destination, kind);
    return addBind(context, mount.source ?? '', parsed, name, mount.destination);
  }
  addTarget(b, name, mount.destination, 'directory');
  addFilesystem(context, mount, parsed, name);
}

/** Attributes are set on the detached clone, so the mount is never seen without them. */
export function addBind(context: Context, source: string, parsed: ParsedMountOptions, name: string, destination: string): void {
  const { b } = context;
  if (!isPeer(context, parsed)) cloneSource(context, source, parsed, name);
  b.add(`${name}.private`, 'mount_setattr', { dirfd: slot(`${name}.tree`), path: '', recursive: parsed.recursiveBind, set: [], clear: [], propagation: parsed.propagation?.flag ?? 'MS_PRIVATE' }, 'its propagation');
  addAttributes(context, name, 'attributes', false, parsed.set, parsed.clear);
  addAttributes(context, name, 'recursive', true, parsed.recursiveSet, parsed.recursiveClear);
  b.add(`${name}.attach`, 'move_mount', { from: slot(`${name}.tree`), to: slot(name), toPath: '' }, `attach it at ${destination}`);
}

function cloneSource({ b }: Context, source: string, parsed: ParsedMountOptions, name: string): void {
  const recursive = parsed.recursiveBind ? ['AT_RECURSIVE'] : [];
  b.add(`${name}.clone`, 'open_tree', { dirfd: 'AT_FDCWD', path: source, flags: ['OPEN_TREE_CLONE', 'OPEN_TREE_CLOEXEC', ...recursive] }, `${source} of the host`, { result: `${name}.tree` });
}

/** In a user namespace the kernel makes every mount a slave: mount_namespaces(7), "Restrictions". */
const isPeer = ({ userns }: Context, parsed: ParsedMountOptions): boolean => !userns && parsed.propagation?.flag === 'MS_SHARED';

/**
 * Sources of `shared` binds, before this namespace's mounts become slaves of the host's: only a clone of a shared mount is its peer, so that
 * what the container mounts in it appears on the host too.
 */
export function addSharedSources(context: Context): void {
  (context.spec.mounts ?? []).forEach((mount, index) => {
    const parsed = parseMountOptions(mount.options ?? []);
    if ((parsed.bind || mount.type === 'bind') && isPeer(context, parsed)) cloneSource(context, mount.source ?? '', parsed, `mount.${index}`);
  });
}

/** In a user namespace flags of the host's mounts are locked: clearing one is refused (mount_namespaces(7)), so none is but the access time's. */
function addAttributes({ b, userns }: Context, name: string, id: string, recursive: boolean, set: readonly string[], clearAll: readonly string[]): void {
  const clear = userns ? clearAll.filter((flag) => flag === 'MOUNT_ATTR__ATIME' && set.some((other) => other.endsWith('ATIME'))) : clearAll;
  if (set.length === 0 && clear.length === 0) return;
  b.add(`${name}.${id}`, 'mount_setattr', { dirfd: slot(`${name}.tree`), path: '', recursive, set, clear }, recursive ? 'attributes of everything below' : 'its attributes');
}

function addFilesystem(context: Context, mount: SpecMount, parsed: ParsedMountOptions, name: string): void {
  const { b } = context;
  const type = mount.type ?? 'none';
  const fallback = type === 'sysfs' || (type === 'proc' && !context.fresh.has('pid'));
  const jump = fallback ? { onError: { action: 'jump', to: `${name}.clone` } as const } : {};
  const made = type === 'proc' ? PROC_SLOT : `${name}.mount`;
  b.add(`${name}.fsopen`, 'fsopen', { fsname: type }, `a ${type} of its own`, { result: `${name}.fs`, ...jump });
  b.add(`${name}.source`, 'fsconfig', { fd: slot(`${name}.fs`), cmd: 'FSCONFIG_SET_STRING', key: 'source', value: mount.source ?? type }, 'its name in mountinfo', { onError: IGNORE });
  mappedOptions(context, type, parsed.data).forEach((option, index) => {
    const at = option.indexOf('=');
    const key = at < 0 ? option : option.slice(0, at);
    if (at < 0) b.add(`${name}.option.${index}`, 'fsconfig', { fd: slot(`${name}.fs`), cmd: 'FSCONFIG_SET_FLAG', key }, option);
    else b.add(`${name}.option.${index}`, 'fsconfig', { fd: slot(`${name}.fs`), cmd: 'FSCONFIG_SET_STRING', key, value: option.slice(at + 1) }, option);
  });
  b.add(`${name}.create`, 'fsconfig', { fd: slot(`${name}.fs`), cmd: 'FSCONFIG_CMD_CREATE' }, `make the ${type}`, jump);
  const attributes = [...parsed.set, ...parsed.recursiveSet];
  const now = isReadonlyTmpfs(mount, parsed) ? attributes.filter((flag) => flag !== 'MOUNT_ATTR_RDONLY') : attributes;
  b.add(`${name}.fsmount`, 'fsmount', { fd: slot(`${name}.fs`), attributes: now }, `the ${type} as a mount`, { result: made, ...jump });
  b.add(`${name}.attach`, 'move_mount', { from: slot(made), to: slot(name), toPath: '' }, `attach it at ${mount.destination}`, fallback ? { onSuccess: `${name}.end` } : {});
  if (!fallback) return;
  // A fresh sysfs needs the owner of the network namespace: the host's is shown instead, as read-only as was asked (runc#3672, crun 1.29.1).
  b.add(`${name}.clone`, 'open_tree', { dirfd: 'AT_FDCWD', path: type === 'proc' ? '/proc' : '/sys', flags: ['OPEN_TREE_CLONE', 'OPEN_TREE_CLOEXEC', 'AT_RECURSIVE'] }, `the host's ${type} where a fresh one is refused`, { result: made });
  b.add(`${name}.clone-private`, 'mount_setattr', { dirfd: slot(made), path: '', recursive: true, set: parsed.set, clear: [], propagation: 'MS_PRIVATE' }, 'with the same attributes');
  b.add(`${name}.clone-attach`, 'move_mount', { from: slot(made), to: slot(name), toPath: '' }, `attach it at ${mount.destination}`);
  b.land(`${name}.end`);
}

const isReadonlyTmpfs = (mount: SpecMount, parsed: ParsedMountOptions): boolean => mount.type === 'tmpfs' && [...parsed.set, ...parsed.recursiveSet].includes('MOUNT_ATTR_RDONLY');

/** A new tmpfs is empty: what has its place in it (nodes of /dev, targets of other mounts) is made before it becomes read-only (runc#3276). */
export function addReadonlyTmpfs({ b, spec }: Context): void {
  (spec.mounts ?? []).forEach((mount, index) => {
    const parsed = parseMountOptions(mount.options ?? []);
    if (parsed.bind || !isReadonlyTmpfs(mount, parsed)) return;
    b.add(`mount.${index}.readonly`, 'mount_setattr', { dirfd: slot(`mount.${index}.mount`), path: '', recursive: false, set: ['MOUNT_ATTR_RDONLY'], clear: [] }, `${mount.destination} is complete: read-only`);
  });
}

/** A terminal's group (`gid=5` of devpts) that the user namespace lacks is left out, as every runtime does: the terminal then has the user's own group. */
function mappedOptions({ spec, fresh }: Context, type: string, options: readonly string[]): readonly string[] {
  if (type !== 'devpts' || !fresh.has('user')) return options;
  const maps = spec.linux?.gidMappings ?? [];
  const mapped = (gid: number): boolean => maps.some((map) => gid >= map.containerID && gid < map.containerID + map.size);
  return options.filter((option) => !option.startsWith('gid=') || mapped(Number(option.slice(4))));
}

/** /sys/fs/cgroup: the container's own cgroups, seen through its cgroup namespace. */
function addCgroupMount(context: Context, mount: SpecMount, parsed: ParsedMountOptions, name: string): void {
  const { b, facts, fresh } = context;
  const hierarchies = facts.cgroup.hierarchies;
  if (hierarchies.length === 0) {
    b.warnings.push(`${mount.destination} is not mounted: this host has no cgroup file system`);
    return;
  }
  addTarget(b, name, mount.destination, 'directory');
  const attributes = ['MOUNT_ATTR_NOSUID', 'MOUNT_ATTR_NODEV', 'MOUNT_ATTR_NOEXEC', ...parsed.set.filter((flag) => flag === 'MOUNT_ATTR_RDONLY')];
  const own = context.spec.linux?.cgroupsPath;
  if (!fresh.has('cgroup') && own !== undefined && facts.cgroup.layout !== 'v2') return addOwnCgroups(context, name, own, attributes, mount.destination);
  if (!fresh.has('cgroup') || context.joined.has('user')) {
    return addBind(context, '/sys/fs/cgroup', { ...parsed, bind: true, recursiveBind: true, set: [], clear: [], recursiveSet: attributes, recursiveClear: [] }, name, mount.destination);
  }
  if (facts.cgroup.layout === 'v2') return addCgroup2(context, name, name, attributes, mount.destination);
  addHierarchies(context, name, attributes, mount.destination, (hierarchy, at, destination) => {
    if (hierarchy.version === 2) addCgroup2(context, at, at, attributes, destination);
    else addCgroup1(context, at, hierarchy.controllers, attributes, destination);
  });
}

/** A tmpfs with a directory for each hierarchy, which `add` mounts. */
function addHierarchies({ b, facts }: Context, name: string, attributes: readonly string[], destination: string, add: (hierarchy: CgroupHierarchy, at: string, destination: string) => void): void {
  b.add(`${name}.fsopen`, 'fsopen', { fsname: 'tmpfs' }, 'a directory for the hierarchies', { result: `${name}.fs` });
  b.add(`${name}.mode`, 'fsconfig', { fd: slot(`${name}.fs`), cmd: 'FSCONFIG_SET_STRING', key: 'mode', value: '755' }, 'mode=755');
  b.add(`${name}.create`, 'fsconfig', { fd: slot(`${name}.fs`), cmd: 'FSCONFIG_CMD_CREATE' }, 'a directory for the hierarchies');
  b.add(`${name}.fsmount`, 'fsmount', { fd: slot(`${name}.fs`), attributes: attributes.filter((flag) => flag !== 'MOUNT_ATTR_RDONLY') }, 'a directory for the hierarchies', { result: `${name}.mount` });
  b.add(`${name}.attach`, 'move_mount', { from: slot(`${name}.mount`), to: slot(name), toPath: '' }, `attach it at ${destination}`);
  facts.cgroup.hierarchies.forEach((hierarchy, index) => {
    const dir = hierarchy.mountpoint.split('/').pop() ?? String(index);
    const at = `${name}.${index}`;
    b.add(`${at}.mkdir`, 'mkdirat', { dirfd: slot(`${name}.mount`), path: dir, mode: 0o755 }, `a place for ${dir}`);
    b.add(`${at}.target`, 'openat2', { dirfd: slot(`${name}.mount`), path: dir, flags: ['O_PATH', 'O_DIRECTORY', 'O_CLOEXEC'], resolve: ['RESOLVE_BENEATH'] }, `a place for ${dir}`, { result: at });
    add(hierarchy, at, `${destination}/${dir}`);
  });
  if (attributes.includes('MOUNT_ATTR_RDONLY')) b.add(`${name}.readonly`, 'mount_setattr', { dirfd: slot(`${name}.mount`), path: '', recursive: false, set: ['MOUNT_ATTR_RDONLY'], clear: [] }, 'read-only');
}

/** Without a cgroup namespace the container sees its own cgroup of each hierarchy, where it has one: as runc on version 1. */
function addOwnCgroups(context: Context, name: string, path: string, attributes: readonly string[], destination: string): void {
  const { b } = context;
  addHierarchies(context, name, attributes, destination, ({ mountpoint, parent = '/' }, at, to) => {
    const flags = ['OPEN_TREE_CLONE', 'OPEN_TREE_CLOEXEC'];
    const own = `${mountpoint}${parent === '/' ? '' : parent}${cgroupPath(path)}`;
    b.add(`${at}.clone`, 'open_tree', { dirfd: 'AT_FDCWD', path: own, flags }, "the container's cgroup", { result: `${at}.tree`, onSuccess: `${at}.ready`, onError: { action: 'jump', to: `${at}.all`, errno: 'ENOENT' } });
    b.land(`${at}.all`);
    b.add(`${at}.clone-all`, 'open_tree', { dirfd: 'AT_FDCWD', path: mountpoint, flags }, 'a hierarchy in which it has none', { result: `${at}.tree` });
    b.land(`${at}.ready`);
    b.add(`${at}.attributes`, 'mount_setattr', { dirfd: slot(`${at}.tree`), path: '', recursive: false, set: attributes, clear: [], propagation: 'MS_PRIVATE' }, 'with its attributes');
    b.add(`${at}.attach`, 'move_mount', { from: slot(`${at}.tree`), to: slot(at), toPath: '' }, `attach it at ${to}`);
  });
}

function addCgroup2({ b }: Context, name: string, target: string, attributes: readonly string[], destination: string): void {
  b.add(`${name}.v2.fsopen`, 'fsopen', { fsname: 'cgroup2' }, "the container's cgroups", { result: `${name}.v2.fs` });
  b.add(`${name}.v2.create`, 'fsconfig', { fd: slot(`${name}.v2.fs`), cmd: 'FSCONFIG_CMD_CREATE' }, "the container's cgroups");
  b.add(`${name}.v2.fsmount`, 'fsmount', { fd: slot(`${name}.v2.fs`), attributes }, 'with their attributes', { result: `${name}.v2.mount` });
  b.add(`${name}.v2.attach`, 'move_mount', { from: slot(`${name}.v2.mount`), to: slot(target), toPath: '' }, `attach them at ${destination}`);
}

function addCgroup1({ b }: Context, name: string, controllers: readonly string[], attributes: readonly string[], destination: string): void {
  b.add(`${name}.fsopen`, 'fsopen', { fsname: 'cgroup' }, 'this hierarchy', { result: `${name}.fs` });
  for (const controller of controllers) {
    const named = controller.startsWith('name=');
    if (named) {
      b.add(`${name}.none`, 'fsconfig', { fd: slot(`${name}.fs`), cmd: 'FSCONFIG_SET_FLAG', key: 'none' }, 'no controllers');
      b.add(`${name}.name`, 'fsconfig', { fd: slot(`${name}.fs`), cmd: 'FSCONFIG_SET_STRING', key: 'name', value: controller.slice(5) }, controller);
    } else b.add(`${name}.${controller}`, 'fsconfig', { fd: slot(`${name}.fs`), cmd: 'FSCONFIG_SET_FLAG', key: controller }, controller);
  }
  b.add(`${name}.create`, 'fsconfig', { fd: slot(`${name}.fs`), cmd: 'FSCONFIG_CMD_CREATE' }, 'this hierarchy');
  b.add(`${name}.fsmount`, 'fsmount', { fd: slot(`${name}.fs`), attributes }, 'with its attributes', { result: `${name}.mount` });
  b.add(`${name}.attach`, 'move_mount', { from: slot(`${name}.mount`), to: slot(name), toPath: '' }, `attach it at ${destination}`);
}
