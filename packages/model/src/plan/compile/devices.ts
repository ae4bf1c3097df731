/** /dev: config-linux.md, "Default Devices"; the terminal: pts(4), ioctl_tty(2). */
import type { SpecDevice } from '../../spec/spec.ts';
import { SYSTEM_SLOTS, type Fd } from '../plan.ts';
import { slot } from './builder.ts';
import type { Context } from './context.ts';
import { addTarget, ROOT_SLOT, pathParts } from './targets.ts';

const NODES: readonly SpecDevice[] = (
  [['null', 1, 3], ['zero', 1, 5], ['full', 1, 7], ['random', 1, 8], ['urandom', 1, 9], ['tty', 5, 0]] as const
).map(([name, major, minor]) => ({ type: 'c', path: `/dev/${name}`, major, minor, fileMode: 0o666 }));

const LINKS: readonly (readonly [string, string])[] = [
  ['/proc/self/fd', 'fd'], ['/proc/self/fd/0', 'stdin'], ['/proc/self/fd/1', 'stdout'], ['/proc/self/fd/2', 'stderr'], ['/proc/kcore', 'core'], ['pts/ptmx', 'ptmx'],
];

/** Nodes are made only in a fresh /dev (a tmpfs of the spec): a bind-mounted one belongs to the host (runc#3674). */
export function addDevices(context: Context): void {
  const { b, spec } = context;
  const dev = spec.mounts?.find((mount) => mount.destination.replace(/\/+$/, '') === '/dev');
  if (dev !== undefined && dev.type !== 'tmpfs') return;
  addTarget(b, 'dev', '/dev', 'directory');
  const given = new Set((spec.linux?.devices ?? []).map((device) => device.path));
  for (const node of NODES) if (!given.has(node.path)) addDevice(context, node);
  for (const device of spec.linux?.devices ?? []) addDevice(context, device);
  for (const [target, path] of LINKS) {
    b.add(`dev.link.${path}`, 'symlinkat', { target, dirfd: slot('dev'), path }, `/dev/${path}`, { onError: { action: 'ignore', errno: 'EEXIST' } });
  }
}

function addDevice(context: Context, device: SpecDevice): void {
  const { b, userns } = context;
  const parts = pathParts(device.path);
  const name = `dev.node.${(parts[0] === 'dev' ? parts.slice(1) : parts).join('/')}`;
  if (userns) {
    // mknod of a device needs CAP_MKNOD in the initial user namespace: the host's node is shown instead.
    addTarget(b, name, device.path, 'file');
    b.add(`${name}.clone`, 'open_tree', { dirfd: 'AT_FDCWD', path: device.path, flags: ['OPEN_TREE_CLONE', 'OPEN_TREE_CLOEXEC'] }, "the host's node", { result: `${name}.tree` });
    b.add(`${name}.attach`, 'move_mount', { from: slot(`${name}.tree`), to: slot(name), toPath: '' }, `at ${device.path}`);
    return;
  }
  const dirfd = parts.length === 2 && parts[0] === 'dev' ? slot('dev') : slot(`${name}.parent`);
  if (parts.length !== 2 || parts[0] !== 'dev') addTarget(b, `${name}.parent`, `/${parts.slice(0, -1).join('/')}`, 'directory');
  const path = parts[parts.length - 1] ?? '';
  const type = device.type === 'u' ? 'c' : device.type;
  b.add(name, 'mknodat', { dirfd, path, type, mode: device.fileMode ?? 0o666, major: device.major ?? 0, minor: device.minor ?? 0 }, device.path, { onError: { action: 'ignore', errno: 'EEXIST' } });
  if (device.uid !== undefined || device.gid !== undefined) b.add(`${name}.owner`, 'fchownat', { dirfd, path, uid: device.uid ?? 0, gid: device.gid ?? 0 }, 'its owner');
}

/** A terminal of the container's own devpts, which is its /dev/console too. */
export function addTerminal(context: Context): void {
  const { b, spec } = context;
  if (spec.process?.terminal !== true) return;
  addTerminalOf(context, { dirfd: slot(ROOT_SLOT), path: 'dev/pts/ptmx' });
  addTarget(b, 'tty.console', '/dev/console', 'file');
  b.add('tty.console.clone', 'open_tree', { dirfd: slot('tty.slave'), path: '', flags: ['OPEN_TREE_CLONE', 'OPEN_TREE_CLOEXEC', 'AT_EMPTY_PATH'] }, 'the terminal', { result: 'tty.tree' });
  b.add('tty.console.attach', 'move_mount', { from: slot('tty.tree'), to: slot('tty.console'), toPath: '' }, 'is the console too');
}

/** Its size is set before exec (podman#10560), its master side goes to the launcher. What the path leads to is the container's: it is looked at. */
export function addTerminalOf({ b, spec }: Context, { dirfd, path }: { readonly dirfd: Fd; readonly path: string }): void {
  const size = spec.process?.consoleSize;
  const resolve = dirfd === 'AT_FDCWD' ? ['RESOLVE_NO_SYMLINKS'] : ['RESOLVE_IN_ROOT', 'RESOLVE_NO_SYMLINKS'];
  b.add('tty.open', 'openat2', { dirfd, path, flags: ['O_RDWR', 'O_NOCTTY', 'O_CLOEXEC'], resolve }, 'a new terminal', { result: 'tty.master' });
  b.add('tty.verify', 'statx', { dirfd: slot('tty.master'), path: '', expect: { type: 'chardev', major: 5, minor: 2 } }, 'it is the device that makes terminals');
  b.add('tty.unlock', 'ioctl', { fd: slot('tty.master'), request: 'TIOCSPTLCK', value: 0 }, 'unlock it');
  if (size !== undefined) b.add('tty.size', 'ioctl', { fd: slot('tty.master'), request: 'TIOCSWINSZ', value: { height: size.height, width: size.width } }, 'its size, before anything can read it');
  b.add('tty.slave', 'ioctl', { fd: slot('tty.master'), request: 'TIOCGPTPEER', value: 0o402 }, 'its other side', { result: 'tty.slave' });
  b.add('tty.send', 'sendmsg', { fd: slot(SYSTEM_SLOTS.consoleSocket), passFd: slot('tty.master') }, 'hand the master side to the launcher');
}
