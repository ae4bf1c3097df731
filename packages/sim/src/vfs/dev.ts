/** Device nodes and devpts: null(4), full(4), random(4), tty(4), pts(4). */
import { O_ACCMODE, O_NOCTTY, O_WRONLY, POLLIN, POLLOUT, S_IFCHR } from '../abi/constants.ts';
import { EACCES, EIO, ENOSPC, ENXIO } from '../abi/errno.ts';
import type { UserNamespace } from '../kernel/cred.ts';
import type { FileOps, OpenFile } from '../kernel/fd.ts';
import { createTerminal, openMaster, openSlave, type Terminal } from '../kernel/tty.ts';
import type { Kernel, Task } from '../kernel/types.ts';
import type { FileSystem } from './filesystem.ts';
import { createPseudo, type PseudoNode } from './pseudo.ts';

const EMPTY = new Uint8Array(0);
/** A read gives no more at once. */
const CHUNK = 1 << 20;

export function device(major: number, minor: number): number {
  return ((major << 20) | minor) >>> 0;
}

const ready = (): number => POLLIN | POLLOUT;
const discard = (_task: Task, data: Uint8Array): number => data.length;

/** DIFFERS: random bytes are the seed's. */
const MEMORY: Readonly<Record<number, FileOps>> = {
  3: { read: () => EMPTY, write: discard, poll: ready },
  5: { read: (_task, count) => new Uint8Array(Math.min(count, CHUNK)), write: discard, poll: ready },
  7: { read: (_task, count) => new Uint8Array(Math.min(count, CHUNK)), write: () => -ENOSPC, poll: ready },
  8: { read: randomBytes, write: discard, poll: ready },
  9: { read: randomBytes, write: discard, poll: ready },
};

function randomBytes(task: Task, count: number): Uint8Array {
  return Uint8Array.from({ length: Math.min(count, CHUNK) }, () => task.kernel.random.programs.integer(256));
}

/** What open(2) of a device node gives: ENXIO where there is no such device. */
export function openDevice(task: Task, rdev: number, flags: number): FileOps | OpenFile | number {
  const major = rdev >>> 20;
  const minor = rdev & 0xfffff;
  if (major === 1) return MEMORY[minor] ?? -ENXIO;
  if (major === 5 && minor === 0) return task.terminal === undefined ? -ENXIO : openSlave(task.terminal, flags);
  return -ENXIO;
}

export interface Devpts {
  readonly fs: FileSystem;
  readonly terminals: Map<number, Terminal>;
}

/** A devpts of its own: each mount is one (Documentation/filesystems/devpts.rst). */
export function createDevpts(kernel: Kernel, owner: UserNamespace, source: string, options: ReadonlyMap<string, string>): FileSystem {
  const terminals = new Map<number, Terminal>();
  const mode = Number.parseInt(options.get('mode') ?? '600', 8);
  const ptmxMode = Number.parseInt(options.get('ptmxmode') ?? '0', 8);
  const gid = options.get('gid') === undefined ? undefined : Number(options.get('gid'));
  const owners = new Map<number, { readonly uid: number; readonly gid: number }>();
  const openNew = (task: Task): OpenFile => {
    let number = 0;
    while (terminals.has(number)) number += 1;
    const terminal = createTerminal(number);
    terminals.set(number, terminal);
    owners.set(number, { uid: task.cred.euid, gid: gid ?? task.cred.egid });
    const file = openMaster(terminal);
    kernel.masters.set(file, terminal);
    return file;
  };
  const slave = (terminal: Terminal): PseudoNode => ({
    kind: 'file', mode, ...owners.get(terminal.number), device: { type: S_IFCHR, rdev: device(136, terminal.number) },
  });
  const root: PseudoNode = {
    kind: 'directory', mode: 0o755,
    list: () => ['ptmx', ...[...terminals.values()].filter(({ masterOpen }) => masterOpen).map(({ number }) => String(number))],
    child(name) {
      if (name === 'ptmx') return { kind: 'file', mode: ptmxMode, device: { type: S_IFCHR, rdev: device(5, 2) } };
      const terminal = /^\d+$/.test(name) ? terminals.get(Number(name)) : undefined;
      return terminal === undefined || !terminal.masterOpen ? undefined : slave(terminal);
    },
  };
  const shown = [...options].map(([key, value]) => (value === '' ? key : `${key}=${value}`)).join(',');
  const fs = createPseudo(kernel, { type: 'devpts', magic: 0x1cd1, source, options: shown, owner, root });
  kernel.devpts.set(fs, { openNew, find: (number) => terminals.get(number) });
  return fs;
}

/** open(2) of a node of devpts. A session's leader without a terminal gets this one, unless O_NOCTTY. */
export function openPts(task: Task, fs: FileSystem, rdev: number, flags: number): OpenFile | number {
  const pts = task.kernel.devpts.get(fs);
  if (pts === undefined) return -EIO;
  if (rdev === device(5, 2)) return (flags & O_ACCMODE) === O_WRONLY ? -EACCES : pts.openNew(task);
  const terminal = pts.find(rdev & 0xfffff);
  if (terminal === undefined) return -ENXIO;
  const file = openSlave(terminal, flags);
  if (typeof file !== 'number' && (flags & O_NOCTTY) === 0 && task.pid === task.session && task.terminal === undefined && terminal.session === undefined) {
    task.terminal = terminal;
    terminal.session = task.session;
    terminal.foreground = task.group;
  }
  return file;
}
