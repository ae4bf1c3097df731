/** New file systems: fsopen(2), fsconfig(2), fsmount(2), and mount(2) with a type. */
import { EBUSY, EINVAL, ENODEV, ENOENT, ENOTDIR, EPERM } from '../abi/errno.ts';
import { AT_FDCWD, S_IFDIR, S_IFMT } from '../abi/constants.ts';
import { CAP_SYS_ADMIN, capable, makeId } from '../kernel/cred.ts';
import type { Task } from '../kernel/types.ts';
import { createCgroupfs } from './cgroupfs.ts';
import { createDevpts } from './dev.ts';
import type { FileSystem } from './filesystem.ts';
import { find } from './path.ts';
import { createProc } from './proc.ts';
import { createPseudo, fixed } from './pseudo.ts';
import { createSysfs } from './sysfs.ts';
import { copyToLayer, createOverlay, createTmpfs } from './union-fs.ts';

/** What an fsopen(2) descriptor gathers. */
export interface FsContextFile {
  readonly type: string;
  readonly options: Map<string, string>;
  readonly lowers: string[];
  made: FileSystem | undefined;
}

export function openContext(task: Task, type: string): FsContextFile | number {
  if (!Object.hasOwn(MAKERS, type)) return -ENODEV;
  if (!capable(task.cred, CAP_SYS_ADMIN, task.ns.mnt.owner)) return -EPERM;
  return { type, options: new Map(), lowers: [], made: undefined };
}

const KNOWN: Readonly<Record<string, readonly string[]>> = {
  tmpfs: ['size', 'mode', 'uid', 'gid', 'nr_inodes', 'huge'], proc: ['hidepid', 'gid', 'subset'], sysfs: [], devpts: ['newinstance', 'ptmxmode', 'mode', 'gid', 'uid', 'max'], mqueue: [], cgroup2: ['nsdelegate', 'memory_recursiveprot', 'favordynmods'],
  overlay: ['upperdir', 'workdir', 'index', 'metacopy', 'redirect_dir', 'xino', 'userxattr', 'lowerdir+', 'lowerdir', 'volatile'],
};

/** fsconfig(2): EINVAL for an option that the type does not have. */
export function setOption(context: FsContextFile, key: string, value: string): number {
  if (context.made !== undefined) return -EBUSY;
  if (key === 'source') {
    context.options.set(key, value);
    return 0;
  }
  if (context.type !== 'cgroup' && KNOWN[context.type]?.includes(key) !== true) return -EINVAL;
  if (key === 'lowerdir+') context.lowers.push(value);
  else if (key === 'lowerdir') context.lowers.push(...value.split(/(?<!\\):/).map((path) => path.replace(/\\(.)/g, '$1')));
  else context.options.set(key, value);
  return 0;
}

/** FSCONFIG_CMD_CREATE. */
export function createSuper(task: Task, context: FsContextFile): number {
  const made = MAKERS[context.type]?.(task, context) ?? -ENODEV;
  if (typeof made === 'number') return made;
  context.made = made;
  return 0;
}

type Maker = (task: Task, context: FsContextFile) => FileSystem | number;

const source = ({ options, type }: FsContextFile): string => options.get('source') ?? type;

const MAKERS: Readonly<Record<string, Maker>> = {
  tmpfs: makeTmpfs,
  overlay: makeOverlay,
  proc(task, context) {
    const pids = task.ns.pid;
    if (!capable(task.cred, CAP_SYS_ADMIN, pids.owner)) return -EPERM;
    const shown = [...context.options].filter(([key]) => key !== 'source').map(([key, value]) => `${key}=${value}`).join(',');
    return createProc(task.kernel, pids, task.cred.user, source(context), shown);
  },
  sysfs: (task, context) => (capable(task.cred, CAP_SYS_ADMIN, task.ns.net.owner) ? createSysfs(task.kernel, task.cred.user, source(context)) : -EPERM),
  devpts: (task, context) => createDevpts(task.kernel, task.cred.user, source(context), new Map([...context.options].filter(([key]) => key !== 'source' && key !== 'newinstance'))),
  // DIFFERS: message queues have no calls in the simulator, so the directory stays empty.
  mqueue: (task, context) => (capable(task.cred, CAP_SYS_ADMIN, task.ns.ipc.owner) ? createPseudo(task.kernel, { type: 'mqueue', magic: 0x19800202, source: source(context), options: '', owner: task.cred.user, root: fixed({}, 0o1777) }) : -EPERM),
  cgroup2: (task, context) => makeCgroup(task, context, ({ version }) => version === 2),
  cgroup(task, context) {
    const asked = [...context.options.keys()].filter((key) => key !== 'source' && key !== 'none').map((key) => (key === 'name' ? `name=${context.options.get('name') ?? ''}` : key));
    return makeCgroup(task, context, ({ version, controllers }) => version === 1 && controllers.length === asked.length && asked.every((name) => controllers.includes(name)));
  },
};

function makeCgroup(task: Task, context: FsContextFile, matches: (hierarchy: Task['kernel']['hierarchies'][number]) => boolean): FileSystem | number {
  const hierarchy = task.kernel.hierarchies.find(matches);
  const root = hierarchy === undefined ? undefined : task.ns.cgroup.roots[hierarchy.index];
  if (root === undefined) return context.type === 'cgroup2' ? -ENODEV : -EBUSY;
  if (!capable(task.cred, CAP_SYS_ADMIN, task.ns.cgroup.owner)) return -EPERM;
  return createCgroupfs(task.kernel, root, task.cred.user, source(context));
}

/** `64m`, `50%`; undefined for what is no size. */
function parseSize(text: string, memory: number): number | undefined {
  const match = /^(\d+)([kmgKMG%]?)$/.exec(text);
  if (match === null) return undefined;
  const unit = (match[2] ?? '').toLowerCase();
  return unit === '%' ? (memory * Number(match[1])) / 100 : Number(match[1]) * 1024 ** ['', 'k', 'm', 'g'].indexOf(unit);
}

function makeTmpfs(task: Task, context: FsContextFile): FileSystem | number {
  const { options } = context;
  const { user, euid, egid } = task.cred;
  const size = options.has('size') ? parseSize(options.get('size') ?? '', task.kernel.machine.memory) : Infinity;
  const mode = Number.parseInt(options.get('mode') ?? '1777', 8);
  const uid = options.has('uid') ? makeId(user.uidMap, Number(options.get('uid'))) : euid;
  const gid = options.has('gid') ? makeId(user.gidMap, Number(options.get('gid'))) : egid;
  if (size === undefined || Number.isNaN(mode) || uid < 0 || gid < 0) return -EINVAL;
  const shown = [...options].filter(([key]) => key !== 'source').map(([key, value]) => (key === 'size' && size !== Infinity ? `size=${String(Math.ceil(size / 1024))}k` : `${key}=${value}`)).join(',');
  return createTmpfs(task.kernel, { source: source(context), mode, uid, gid, size: size === 0 ? Infinity : size, options: shown, owner: user });
}

/**
 * The layer that a directory stands for. DIFFERS: the union joins whole layers. An upper directory that is none yet becomes one while it
 * is empty; of a lower one a copy is taken, as the kernel leaves it undefined what a change below a mounted overlay does.
 */
function layerOf(task: Task, path: string, upper: boolean): number {
  const position = find(task, AT_FDCWD, path, { follow: true });
  if (typeof position === 'number') return position;
  const { kernel } = task;
  const { fs } = position.mount;
  const stat = fs.stat(position.node, task);
  if ((stat.mode & S_IFMT) !== S_IFDIR) return -ENOTDIR;
  const key = `${String(fs.dev)}:${String(position.node)}`;
  const known = kernel.layersAt.get(key);
  if (known !== undefined) return known;
  if (fs.type !== 'tmpfs') return -EINVAL;
  if (!upper) return copyToLayer(kernel.union, position.node);
  const entries = fs.readdir(position.node, task);
  if (typeof entries === 'number' || entries.length > 0) return -EINVAL;
  const layer = kernel.union.layers.create(stat.mode & 0o7777, stat.uid, stat.gid);
  kernel.layersAt.set(key, layer);
  fs.hold(position.node);
  return layer;
}

function makeOverlay(task: Task, context: FsContextFile): FileSystem | number {
  const { options, lowers } = context;
  if (lowers.length === 0) return -EINVAL;
  const handles: number[] = [];
  for (const path of lowers) {
    const layer = layerOf(task, path, false);
    if (layer < 0) return layer;
    handles.push(layer);
  }
  const upperdir = options.get('upperdir');
  const workdir = options.get('workdir');
  if ((upperdir === undefined) !== (workdir === undefined)) return -EINVAL;
  const work = workdir === undefined ? 0 : find(task, AT_FDCWD, workdir, { follow: true });
  if (typeof work === 'number' && work < 0) return -ENOENT;
  const upper = upperdir === undefined ? undefined : layerOf(task, upperdir, true);
  if (upper !== undefined && upper < 0) return upper;
  const shown = [`lowerdir=${lowers.join(':')}`, ...(upperdir === undefined ? [] : [`upperdir=${upperdir}`, `workdir=${workdir ?? ''}`])].join(',');
  return createOverlay(task.kernel, { lowers: handles, upper, userXattr: options.has('userxattr'), source: source(context), options: shown, owner: task.cred.user });
}
