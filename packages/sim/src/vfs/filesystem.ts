/** What each kind of file system does for the calls. Nodes are numbers of its own. Negative results are error numbers. */
import type { TimeSpec } from '../abi/calls.ts';
import type { FileOps } from '../kernel/fd.ts';
import type { UserNamespace } from '../kernel/cred.ts';
import type { Task } from '../kernel/types.ts';
import type { Position } from './mount.ts';
import type { AttributeChanges, NewObject } from './union/union.ts';

export interface NodeStat {
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  /** Ids of the initial user namespace. */
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  readonly atime: TimeSpec;
  readonly mtime: TimeSpec;
  readonly ctime: TimeSpec;
  readonly removed?: boolean;
}

export interface NodeEntry {
  readonly name: string;
  readonly ino: number;
  readonly mode: number;
}

export interface FileSystem {
  readonly type: string;
  /** f_type of statfs(2). */
  readonly magic: number;
  /** `major << 20 | minor`. */
  readonly dev: number;
  readonly root: number;
  /** Of mountinfo. */
  source: string;
  /** Super block options, as mountinfo shows them. */
  options: string;
  readOnly: boolean;
  /** Who may mount it again, and whose capabilities count. */
  readonly owner: UserNamespace;
  /** Mounts of it: 0 ends it. */
  mounts: number;
  lookup(dir: number, name: string, task: Task): number;
  /** 0 above the root. */
  parent(node: number): number;
  name(node: number): string;
  stat(node: number, task: Task): NodeStat;
  readlink(node: number, task: Task): string | number;
  /** Of a magic link, such as /proc/PID/fd/3: where it leads, whatever its text says. */
  follow?(node: number, task: Task): Position | number | undefined;
  readdir(node: number, task: Task): readonly NodeEntry[] | number;
  create(dir: number, name: string, object: NewObject, task: Task): number;
  unlink(dir: number, name: string, task: Task): number;
  rmdir(dir: number, name: string, task: Task): number;
  link(source: number, dir: number, name: string): number;
  rename(oldDir: number, oldName: string, newDir: number, newName: string, flags: number): number;
  setAttributes(node: number, changes: AttributeChanges): number;
  truncate(node: number, size: number): number;
  read(node: number, target: Uint8Array, position: number): number;
  write(node: number, bytes: Uint8Array, position: number): number;
  /** Called by open(2) for writing, before anything else is done. */
  openForWriting(node: number, truncate: boolean): number;
  getXattr(node: number, name: string): Uint8Array | number;
  setXattr(node: number, name: string, value: Uint8Array, flags: number): number;
  listXattrs(node: number): readonly string[];
  removeXattr(node: number, name: string): number;
  /** Files with an open of their own. Undefined: the usual one. */
  open?(node: number, flags: number, task: Task): FileOps | number | undefined;
  hold(node: number): void;
  letGo(node: number): void;
  /** The last mount is gone. */
  destroy?(): void;
}
