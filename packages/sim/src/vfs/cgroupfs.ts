/** cgroup and cgroup2: a directory a cgroup, made and removed by mkdir(2) and rmdir(2). */
import { EACCES, EBUSY, ENODEV, ENOENT } from '../abi/errno.ts';
import { POLLIN, POLLPRI, O_ACCMODE, O_RDONLY } from '../abi/constants.ts';
import { latin1, toBytes } from '../det/trace.ts';
import { fileNamed, filesOf, type CgroupFile } from '../kernel/cgroup/files.ts';
import { makeCgroup, removeCgroup, type Cgroup } from '../kernel/cgroup/tree.ts';
import type { UserNamespace } from '../kernel/cred.ts';
import type { FileOps } from '../kernel/fd.ts';
import type { Kernel } from '../kernel/types.ts';
import type { FileSystem } from './filesystem.ts';
import { createPseudo, type PseudoNode } from './pseudo.ts';

function openFile(cgroup: Cgroup, file: CgroupFile, flags: number): FileOps | number {
  if ((flags & O_ACCMODE) !== O_RDONLY && file.write === undefined) return -EACCES;
  let text = new Uint8Array(0);
  let position = 0;
  return {
    read(task, count, offset) {
      if (cgroup.removed) return -ENODEV;
      const from = offset ?? position;
      if (from === 0) text = toBytes(file.read?.(cgroup, task) ?? '') as Uint8Array<ArrayBuffer>;
      const part = text.subarray(from, from + count);
      if (offset === undefined) position += part.length;
      return part;
    },
    write(task, data) {
      if (cgroup.removed) return -ENODEV;
      const refused = file.write?.(cgroup, latin1(data), task) ?? -EACCES;
      return refused < 0 ? refused : data.length;
    },
    poll: () => POLLIN | POLLPRI,
    queues: [cgroup.events],
    rewind: () => { position = 0; },
  };
}

function directory(kernel: Kernel, cgroup: Cgroup): PseudoNode {
  return {
    kind: 'directory', mode: 0o755, uid: cgroup.uid, gid: cgroup.gid,
    list: () => [...filesOf(cgroup).map(([name]) => name), ...cgroup.children.keys()],
    child(name) {
      const below = cgroup.children.get(name);
      if (below !== undefined) return directory(kernel, below);
      const file = fileNamed(cgroup, name);
      if (file === undefined) return undefined;
      return { kind: 'file', mode: (file.read === undefined ? 0 : 0o444) | (file.write === undefined ? 0 : 0o200), uid: cgroup.uid, gid: cgroup.gid, open: (flags) => openFile(cgroup, file, flags) };
    },
    make(name, task) {
      const made = makeCgroup(kernel, cgroup, name, task.cred.euid, task.cred.egid);
      return typeof made === 'number' ? made : 0;
    },
    remove(name) {
      const below = cgroup.children.get(name);
      return below === undefined ? (fileNamed(cgroup, name) === undefined ? -ENOENT : -EBUSY) : removeCgroup(below);
    },
  };
}

export function createCgroupfs(kernel: Kernel, root: Cgroup, owner: UserNamespace, source: string): FileSystem {
  const { version, controllers } = root.hierarchy;
  return createPseudo(kernel, {
    type: version === 2 ? 'cgroup2' : 'cgroup', magic: version === 2 ? 0x63677270 : 0x27e0eb, source, options: version === 2 ? '' : controllers.join(','), owner, root: directory(kernel, root),
  });
}
