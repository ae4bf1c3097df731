/** Calls on users, groups and capabilities: credentials(7), setresuid(2), setgroups(2), capset(2). */
import type { CallName } from '../../abi/calls.ts';
import { EINVAL, EPERM, ESRCH } from '../../abi/errno.ts';
import { afterUidChange, CAP_SETGID, CAP_SETPCAP, CAP_SETUID, capable, makeId, shownId } from '../cred.ts';
import { findTask } from '../pidns.ts';
import type { Task } from '../types.ts';
import type { Handlers } from './table.ts';

export type IdentityCall = Extract<CallName, 'getuid' | 'geteuid' | 'getgid' | 'getegid' | 'setresuid' | 'setresgid' | 'getgroups' | 'setgroups' | 'capget' | 'capset'>;

/** Three ids, of which -1 keeps: each must be one of the three there are, unless the capability is held. */
function chooseIds(wanted: readonly [number, number, number], have: readonly [number, number, number], map: Task['cred']['user']['uidMap'], any: boolean): readonly [number, number, number] | number {
  const result: [number, number, number] = [...have];
  for (const [index, id] of wanted.entries()) {
    if (id === -1) continue;
    const outside = makeId(map, id);
    if (outside < 0) return -EINVAL;
    if (!any && !have.includes(outside)) return -EPERM;
    result[index] = outside;
  }
  return result;
}

function setresuid(task: Task, wanted: readonly [number, number, number]): number {
  const { cred } = task;
  const { user } = cred;
  const ids = chooseIds(wanted, [cred.ruid, cred.euid, cred.suid], user.uidMap, capable(cred, CAP_SETUID, user));
  if (typeof ids === 'number') return ids;
  const [ruid, euid, suid] = ids;
  task.cred = afterUidChange(cred, { ...cred, ruid, euid, suid }, makeId(user.uidMap, 0));
  // PR_SET_PDEATHSIG(2const): a change of credentials takes it back.
  if (euid !== cred.euid) task.parentDeathSignal = 0;
  return 0;
}

function setresgid(task: Task, wanted: readonly [number, number, number]): number {
  const { cred } = task;
  const ids = chooseIds(wanted, [cred.rgid, cred.egid, cred.sgid], cred.user.gidMap, capable(cred, CAP_SETGID, cred.user));
  if (typeof ids === 'number') return ids;
  const [rgid, egid, sgid] = ids;
  task.cred = { ...cred, rgid, egid, sgid };
  return 0;
}

export const IDENTITY_CALLS: Handlers<IdentityCall> = {
  getuid: ({ cred }) => shownId(cred.user.uidMap, cred.ruid),
  geteuid: ({ cred }) => shownId(cred.user.uidMap, cred.euid),
  getgid: ({ cred }) => shownId(cred.user.gidMap, cred.rgid),
  getegid: ({ cred }) => shownId(cred.user.gidMap, cred.egid),
  setresuid: (task, { ruid, euid, suid }) => setresuid(task, [ruid, euid, suid]),
  setresgid: (task, { rgid, egid, sgid }) => setresgid(task, [rgid, egid, sgid]),
  getgroups: ({ cred }) => cred.groups.map((gid) => shownId(cred.user.gidMap, gid)),
  setgroups(task, { groups }) {
    const { cred } = task;
    // user_namespaces(7), "/proc/PID/setgroups": not before the map is written, and not when denied.
    if (!capable(cred, CAP_SETGID, cred.user) || cred.user.setgroups === 'deny' || cred.user.gidMap.length === 0) return -EPERM;
    if (groups.length > 65536) return -EINVAL;
    const outside = groups.map((gid) => makeId(cred.user.gidMap, gid));
    if (outside.some((gid) => gid < 0)) return -EINVAL;
    task.cred = { ...cred, groups: outside };
    return 0;
  },
  capget(task, { pid }) {
    const target = pid === 0 ? task : findTask(task.ns.pid, pid);
    if (target === undefined) return -ESRCH;
    const { effective, permitted, inheritable } = target.cred;
    return { effective, permitted, inheritable };
  },
  capset(task, { effective, permitted, inheritable }) {
    const { cred } = task;
    // capset(2) and capabilities(7), "Programmatically adjusting capability sets".
    if ((permitted & ~cred.permitted) !== 0n || (effective & ~permitted) !== 0n) return -EPERM;
    const allowed = cred.inheritable | (capable(cred, CAP_SETPCAP, cred.user) ? cred.bounding : cred.permitted);
    if ((inheritable & ~(allowed | cred.permitted)) !== 0n || (inheritable & ~(cred.inheritable | cred.bounding)) !== 0n) return -EPERM;
    task.cred = { ...cred, effective, permitted, inheritable, ambient: cred.ambient & permitted & inheritable };
    return 0;
  },
};
