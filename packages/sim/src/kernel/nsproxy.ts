/** Namespaces of a task: namespaces(7), clone(2), unshare(2), setns(2). */
import { CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER, CLONE_NEWUTS } from '../abi/constants.ts';
import { EINVAL, ENOSPC, EPERM } from '../abi/errno.ts';
import { copyMountNamespace, descend, moveCwd, type MountNamespace } from '../vfs/mount.ts';
import type { Cgroup } from './cgroup/tree.ts';
import { ALL_CAPABILITIES, CAP_SYS_ADMIN, CAP_SYS_CHROOT, capable, createUserNamespace, idIn, type UserNamespace } from './cred.ts';
import { createPidNamespace, isInside, LEVEL_MAX, type PidNamespace } from './pidns.ts';
import type { Kernel, Task } from './types.ts';

export interface UtsNamespace { readonly kind: 'uts'; readonly id: number; readonly owner: UserNamespace; nodename: string; domainname: string }
export interface IpcNamespace { readonly kind: 'ipc'; readonly id: number; readonly owner: UserNamespace }
export interface NetNamespace { readonly kind: 'net'; readonly id: number; readonly owner: UserNamespace; loopbackUp: boolean; readonly sysctls: Map<string, string> }
export interface CgroupNamespace { readonly kind: 'cgroup'; readonly id: number; readonly owner: UserNamespace; readonly roots: readonly Cgroup[] }
/** Offsets in nanoseconds, added to the machine's clock: time_namespaces(7). */
export interface TimeNamespace { readonly kind: 'time'; readonly id: number; readonly owner: UserNamespace; monotonic: number; boottime: number; entered: boolean }

export type Namespace = UtsNamespace | IpcNamespace | NetNamespace | CgroupNamespace | TimeNamespace | PidNamespace | MountNamespace | UserNamespace;

export interface Namespaces {
  readonly uts: UtsNamespace;
  readonly ipc: IpcNamespace;
  readonly net: NetNamespace;
  readonly cgroup: CgroupNamespace;
  readonly mnt: MountNamespace;
  /** The task's own, which never changes. */
  readonly pid: PidNamespace;
  readonly pidForChildren: PidNamespace;
  readonly time: TimeNamespace;
  readonly timeForChildren: TimeNamespace;
}

export const NAMESPACE_FLAGS: number = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWCGROUP | CLONE_NEWTIME;
const FLAG_OF: Readonly<Record<Namespace['kind'], number>> = { mnt: CLONE_NEWNS, uts: CLONE_NEWUTS, ipc: CLONE_NEWIPC, net: CLONE_NEWNET, pid: CLONE_NEWPID, user: CLONE_NEWUSER, cgroup: CLONE_NEWCGROUP, time: CLONE_NEWTIME };

/** What a new user namespace makes of its maker: user_namespaces(7). */
function enterNewUser(task: Task): number {
  const { cred, kernel } = task;
  if (cred.user.level >= LEVEL_MAX) return -ENOSPC;
  // A creator without a mapping, or in a chroot, is refused: user_namespaces(7), clone(2) EPERM.
  if (idIn(cred.user.uidMap, cred.euid) < 0 || idIn(cred.user.gidMap, cred.egid) < 0) return -EPERM;
  if (task.fs.root.mount !== task.ns.mnt.root || task.fs.root.node !== task.ns.mnt.root.root) return -EPERM;
  const user = createUserNamespace(kernel, kernel.nextId(), cred.user, cred.euid, cred.egid);
  task.cred = { ...cred, user, effective: ALL_CAPABILITIES, permitted: ALL_CAPABILITIES, inheritable: 0n, ambient: 0n, bounding: ALL_CAPABILITIES, keepCaps: false };
  return 0;
}

/** unshare(2), and the part of clone(2) that is done in the child. */
export function unshare(task: Task, flags: number, forClone: boolean): number {
  if ((flags & ~NAMESPACE_FLAGS) !== 0) return -EINVAL;
  if ((flags & CLONE_NEWUSER) !== 0) {
    const refused = enterNewUser(task);
    if (refused < 0) return refused;
  }
  const rest = flags & ~CLONE_NEWUSER;
  if (rest === 0) return 0;
  const { kernel, ns, cred } = task;
  const owner = cred.user;
  if (!capable(cred, CAP_SYS_ADMIN, owner)) return -EPERM;
  if ((rest & CLONE_NEWPID) !== 0 && ns.pidForChildren.level >= LEVEL_MAX) return -ENOSPC;
  if ((rest & CLONE_NEWPID) !== 0 && !forClone && ns.pidForChildren !== ns.pid) return -EINVAL;
  const id = (): number => kernel.nextId();
  const time: TimeNamespace = (rest & CLONE_NEWTIME) === 0 ? ns.timeForChildren : { kind: 'time', id: id(), owner, monotonic: ns.time.monotonic, boottime: ns.time.boottime, entered: false };
  task.ns = {
    ...ns,
    uts: (rest & CLONE_NEWUTS) === 0 ? ns.uts : { kind: 'uts', id: id(), owner, nodename: ns.uts.nodename, domainname: ns.uts.domainname },
    ipc: (rest & CLONE_NEWIPC) === 0 ? ns.ipc : { kind: 'ipc', id: id(), owner },
    net: (rest & CLONE_NEWNET) === 0 ? ns.net : { kind: 'net', id: id(), owner, loopbackUp: false, sysctls: new Map() },
    cgroup: (rest & CLONE_NEWCGROUP) === 0 ? ns.cgroup : { kind: 'cgroup', id: id(), owner, roots: [...task.cgroups] },
    mnt: (rest & CLONE_NEWNS) === 0 ? ns.mnt : copyMountNamespace(kernel, ns.mnt, owner, task.fs),
    pidForChildren: (rest & CLONE_NEWPID) === 0 ? ns.pidForChildren : createPidNamespace(kernel, ns.pidForChildren, owner),
    timeForChildren: time,
  };
  return 0;
}

/** setns(2) with the descriptor of one namespace. */
export function setns(task: Task, target: Namespace, nstype: number): number {
  if (nstype !== 0 && nstype !== FLAG_OF[target.kind]) return -EINVAL;
  const { cred, ns } = task;
  const may = (owner: UserNamespace): boolean => capable(cred, CAP_SYS_ADMIN, owner) && (cred.effective & CAP_SYS_ADMIN) !== 0n;
  switch (target.kind) {
    case 'user':
      if (target === cred.user) return -EINVAL;
      if (!capable(cred, CAP_SYS_ADMIN, target)) return -EPERM;
      task.cred = { ...cred, user: target, effective: ALL_CAPABILITIES, permitted: ALL_CAPABILITIES, inheritable: 0n, ambient: 0n, bounding: ALL_CAPABILITIES, keepCaps: false };
      return 0;
    case 'mnt':
      if (!may(target.owner) || (cred.effective & CAP_SYS_CHROOT) === 0n) return -EPERM;
      task.ns = { ...ns, mnt: target };
      task.fs.root = descend({ mount: target.root, node: target.root.root });
      moveCwd(task.fs, task.fs.root);
      return 0;
    case 'pid':
      if (!may(target.owner)) return -EPERM;
      if (!isInside(target, ns.pid)) return -EINVAL;
      task.ns = { ...ns, pidForChildren: target };
      return 0;
    case 'time':
      if (!may(target.owner)) return -EPERM;
      task.ns = { ...ns, time: target, timeForChildren: target };
      return 0;
    case 'uts': case 'ipc': case 'net': case 'cgroup':
      if (!may(target.owner)) return -EPERM;
      task.ns = { ...ns, [target.kind]: target };
      return 0;
  }
}

/** The namespaces of the machine itself. */
export function initialNamespaces(kernel: Kernel, mnt: MountNamespace, owner: UserNamespace, hostname: string): Namespaces {
  const pid = createPidNamespace(kernel, undefined, owner);
  const time: TimeNamespace = { kind: 'time', id: kernel.nextId(), owner, monotonic: 0, boottime: 0, entered: true };
  return {
    uts: { kind: 'uts', id: kernel.nextId(), owner, nodename: hostname, domainname: '(none)' }, ipc: { kind: 'ipc', id: kernel.nextId(), owner },
    net: { kind: 'net', id: kernel.nextId(), owner, loopbackUp: true, sysctls: new Map() }, cgroup: { kind: 'cgroup', id: kernel.nextId(), owner, roots: kernel.hierarchies.map(({ root }) => root) },
    mnt, pid, pidForChildren: pid, time, timeForChildren: time,
  };
}
