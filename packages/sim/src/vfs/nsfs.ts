/** nsfs: where the links of /proc/PID/ns lead, and what stands for open files that have no name. namespaces(7). */
import { EINVAL, ENOENT, EPERM } from '../abi/errno.ts';
import { S_IFDIR, S_IFREG } from '../abi/constants.ts';
import type { UserNamespace } from '../kernel/cred.ts';
import type { OpenFile } from '../kernel/fd.ts';
import type { Namespace } from '../kernel/nsproxy.ts';
import type { Kernel, Nsfs } from '../kernel/types.ts';
import type { FileSystem } from './filesystem.ts';
import { createMount, type Position } from './mount.ts';

const EPOCH = { seconds: 0, nanoseconds: 0 };

export function createNsfs(kernel: Pick<Kernel, 'nextId' | 'nextDevice'>, owner: UserNamespace): Nsfs {
  const namespaces = new Map<string, Namespace>();
  const numbers = new Map<string, number>();
  const names = new Map<number, string>();
  const files = new Map<number, OpenFile>();
  let last = 1;
  const number = (name: string): number => {
    const known = numbers.get(name);
    if (known !== undefined) return known;
    last += 1;
    numbers.set(name, last);
    names.set(last, name);
    return last;
  };
  const refuse = (): number => -EPERM;
  const fs: FileSystem = {
    type: 'nsfs', magic: 0x6e736673, dev: kernel.nextDevice(), root: 1, source: 'nsfs', options: '', readOnly: false, owner, mounts: 0,
    lookup: (_dir, name) => (namespaces.has(name) ? number(name) : -ENOENT),
    parent: () => 0,
    name: (node) => names.get(node) ?? '',
    stat: (node) => ({ ino: namespaces.get(names.get(node) ?? '')?.id ?? node, mode: node === 1 ? S_IFDIR | 0o555 : S_IFREG | 0o444, nlink: 1, uid: 0, gid: 0, rdev: 0, size: 0, atime: EPOCH, mtime: EPOCH, ctime: EPOCH }),
    readlink: () => -EINVAL, readdir: () => [], create: refuse, unlink: refuse, rmdir: refuse, link: refuse, rename: refuse, setAttributes: refuse, truncate: () => -EINVAL, read: () => -EINVAL, write: () => -EINVAL,
    openForWriting: refuse, getXattr: () => -61, setXattr: refuse, listXattrs: () => [], removeXattr: refuse, hold: () => undefined, letGo: () => undefined,
  };
  // A mount that is attached nowhere, as the kernel's own.
  const mount = createMount(kernel as Kernel, fs, 1, 0);
  return {
    mount, namespaces,
    standIn(file): Position {
      last += 1;
      files.clear();
      files.set(last, file);
      return { mount, node: last };
    },
    fileAt: (position) => (position.mount === mount ? files.get(position.node) : undefined),
  };
}
