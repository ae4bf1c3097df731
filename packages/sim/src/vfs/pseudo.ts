/** File systems that are made up as they are looked at: proc, sysfs, cgroup. A tree of nodes with functions behind them. */
import { O_ACCMODE, O_RDONLY, POLLIN, POLLOUT, POLLPRI, S_IFDIR, S_IFLNK, S_IFREG } from '../abi/constants.ts';
import { EACCES, EINVAL, ENOENT, ENOTDIR, EPERM, EROFS } from '../abi/errno.ts';
import { latin1, toBytes } from '../det/trace.ts';
import type { UserNamespace } from '../kernel/cred.ts';
import type { FileOps } from '../kernel/fd.ts';
import type { Kernel, Task } from '../kernel/types.ts';
import { wallTime } from '../det/clock.ts';
import type { FileSystem, NodeStat } from './filesystem.ts';
import type { Position } from './mount.ts';

interface Owned {
  readonly uid?: number;
  readonly gid?: number;
}

export type PseudoNode =
  | (Owned & {
      readonly kind: 'directory';
      readonly mode?: number;
      readonly list: (task: Task) => readonly string[];
      readonly child: (name: string, task: Task) => PseudoNode | undefined;
      readonly make?: (name: string, task: Task) => number;
      readonly remove?: (name: string, task: Task) => number;
    })
  | (Owned & {
      readonly kind: 'file';
      readonly mode: number;
      /** The text, as of the read at position 0. */
      readonly read?: (task: Task) => string | number;
      readonly write?: (text: string, task: Task) => number;
      readonly open?: (flags: number, task: Task) => FileOps | number;
      /** A device node. */
      readonly device?: { readonly type: number; readonly rdev: number };
    })
  | (Owned & { readonly kind: 'link'; readonly target: (task: Task) => string | number; readonly follow?: (task: Task) => Position | number | undefined });

interface Entry {
  readonly parent: number;
  readonly name: string;
  value: PseudoNode;
  readonly children: Map<string, number>;
}

const TYPES = { directory: S_IFDIR, file: S_IFREG, link: S_IFLNK } as const;

export interface PseudoOptions {
  readonly type: string;
  readonly magic: number;
  readonly source: string;
  readonly options: string;
  readonly owner: UserNamespace;
  readonly root: PseudoNode;
}

export function createPseudo(kernel: Kernel, { type, magic, source, options, owner, root }: PseudoOptions): FileSystem {
  const entries = new Map<number, Entry>();
  // Numbers of nodes are of this file system only.
  let last = 1;
  entries.set(1, { parent: 0, name: '', value: root, children: new Map() });
  const at = (node: number): Entry => {
    const entry = entries.get(node);
    if (entry === undefined) throw new Error(`${type} has no node ${String(node)}`);
    return entry;
  };
  const made = wallTime(kernel.clock);
  const enter = (parent: number, name: string, value: PseudoNode): number => {
    const entry = at(parent);
    const known = entry.children.get(name);
    if (known !== undefined && at(known).value.kind === value.kind) {
      at(known).value = value;
      return known;
    }
    last += 1;
    entries.set(last, { parent, name, value, children: new Map() });
    entry.children.set(name, last);
    return last;
  };
  const stat = (node: number): NodeStat => {
    const { value } = at(node);
    const device = value.kind === 'file' ? value.device : undefined;
    const mode = (device?.type ?? TYPES[value.kind]) | (value.kind === 'link' ? 0o777 : (value.mode ?? 0o555));
    return { ino: node, mode, nlink: value.kind === 'directory' ? 2 : 1, uid: value.uid ?? 0, gid: value.gid ?? 0, rdev: device?.rdev ?? 0, size: 0, atime: made, mtime: made, ctime: made };
  };
  const refuse = (): number => -EPERM;
  return {
    type, magic, dev: kernel.nextDevice(), root: 1, source, options, readOnly: false, owner, mounts: 0,
    lookup(dir, name, task) {
      const { value } = at(dir);
      if (value.kind !== 'directory') return -ENOTDIR;
      const child = value.child(name, task);
      return child === undefined ? -ENOENT : enter(dir, name, child);
    },
    parent: (node) => at(node).parent,
    name: (node) => at(node).name,
    stat,
    readlink(node, task) {
      const { value } = at(node);
      return value.kind === 'link' ? value.target(task) : -EINVAL;
    },
    follow(node, task) {
      const { value } = at(node);
      return value.kind === 'link' ? value.follow?.(task) : undefined;
    },
    readdir(node, task) {
      const { value } = at(node);
      if (value.kind !== 'directory') return -ENOTDIR;
      return value.list(task).flatMap((name) => {
        const child = value.child(name, task);
        if (child === undefined) return [];
        const number = enter(node, name, child);
        return [{ name, ino: number, mode: stat(number).mode }];
      });
    },
    create(dir, name, { mode }, task) {
      const { value } = at(dir);
      if (value.kind !== 'directory' || value.make === undefined || (mode & 0o170000) !== S_IFDIR) return type === 'proc' || type === 'sysfs' ? -ENOENT : -EPERM;
      const refused = value.make(name, task);
      if (refused < 0) return refused;
      const child = value.child(name, task);
      return child === undefined ? -ENOENT : enter(dir, name, child);
    },
    unlink: refuse,
    rmdir(dir, name, task) {
      const { value } = at(dir);
      return value.kind === 'directory' && value.remove !== undefined ? value.remove(name, task) : -EPERM;
    },
    link: refuse, rename: refuse, truncate: () => 0, setXattr: refuse, removeXattr: refuse, getXattr: () => -61, listXattrs: () => [],
    setAttributes: () => 0, read: () => -EINVAL, write: () => -EINVAL, openForWriting: () => 0,
    open(node, flags, task) {
      const { value } = at(node);
      if (value.kind !== 'file' || value.device !== undefined) return undefined;
      return value.open === undefined ? openText(value, flags) : value.open(flags, task);
    },
    hold: () => undefined, letGo: () => undefined,
  };
}

function openText(value: PseudoNode & { readonly kind: 'file' }, flags: number): FileOps | number {
  const writes = (flags & O_ACCMODE) !== O_RDONLY;
  if (writes && value.write === undefined) return value.mode & 0o222 ? -EROFS : -EACCES;
  let text: Uint8Array | undefined;
  let position = 0;
  return {
    read(task, count, offset) {
      if (value.read === undefined) return -EINVAL;
      const from = offset ?? position;
      if (text === undefined || from === 0) {
        const now = value.read(task);
        if (typeof now === 'number') return now;
        text = toBytes(now);
      }
      const part = text.subarray(from, from + count);
      if (offset === undefined) position += part.length;
      return part;
    },
    write(task, data) {
      const refused = value.write?.(latin1(data), task) ?? -EINVAL;
      return refused < 0 ? refused : data.length;
    },
    poll: () => POLLIN | POLLOUT | POLLPRI,
    rewind: () => { position = 0; },
  };
}

/** A directory of fixed entries. */
export function fixed(children: Readonly<Record<string, PseudoNode>>, mode = 0o555): PseudoNode {
  const names = Object.keys(children);
  return { kind: 'directory', mode, list: () => names, child: (name) => (Object.hasOwn(children, name) ? children[name] : undefined) };
}

export function textFile(read: (task: Task) => string | number, write?: (text: string, task: Task) => number): PseudoNode {
  return { kind: 'file', mode: write === undefined ? 0o444 : 0o644, read, ...(write === undefined ? {} : { write }) };
}
