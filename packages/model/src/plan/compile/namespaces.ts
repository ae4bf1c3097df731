/** Namespaces and cgroups: namespaces(7), user_namespaces(7), cgroup_namespaces(7), pid_namespaces(7). */
import { SYSTEM_SLOTS, type ClonePlan, type Fd, type PrepareStep } from '../plan.ts';
import { slot, type PlanBuilder } from './builder.ts';
import type { Context } from './context.ts';

const CLONE_FLAG: Readonly<Record<string, string>> = {
  mount: 'CLONE_NEWNS', uts: 'CLONE_NEWUTS', ipc: 'CLONE_NEWIPC', pid: 'CLONE_NEWPID',
  network: 'CLONE_NEWNET', cgroup: 'CLONE_NEWCGROUP', user: 'CLONE_NEWUSER', time: 'CLONE_NEWTIME',
};
/** Joined in this order: the user namespace first, as it gives the rights over the others. */
export const JOIN_ORDER: readonly string[] = ['user', 'ipc', 'uts', 'network', 'pid', 'cgroup', 'time', 'mount'];

/** Flags of the first clone, and id maps. ORDER: a cgroup namespace is made later, when the process stands in its cgroup. */
export function planClone({ spec, facts, fresh, joined }: Context): ClonePlan {
  const deferred = joined.has('user') || joined.has('pid');
  const flags = deferred ? [] : [...fresh].filter((type) => type !== 'cgroup' && type !== 'time').map((type) => CLONE_FLAG[type] ?? type);
  if (!fresh.has('user')) return { flags };
  const uid = spec.linux?.uidMappings ?? [];
  const gid = spec.linux?.gidMappings ?? [];
  const single = uid.length === 1 && gid.length === 1 && uid[0]?.size === 1 && gid[0]?.size === 1;
  const writer = facts.privileged || single ? 'direct' : 'newuidmap';
  return { flags, idMaps: { uid, gid, setgroups: single && !facts.privileged ? 'deny' : 'allow', writer } };
}

/** The descriptors of namespaces to join, opened by the launching process. */
export function planNamespaceFiles({ joined }: Context): PrepareStep[] {
  return JOIN_ORDER.filter((type) => joined.has(type)).map((type) => ({
    id: `ns.${type}.open`, call: 'open', args: { path: joined.get(type) ?? '', flags: ['O_RDONLY', 'O_CLOEXEC'] },
    why: `the ${type} namespace to join`, result: `ns.${type}`,
  }));
}

/** First steps of the child: wait for id maps, join, unshare, clone again where a pid namespace is joined. */
export function addNamespaceSteps(context: Context): void {
  const { b, fresh, joined, spec } = context;
  addParentDeath(context, 'first');
  if (fresh.has('user')) {
    b.add('userns.close-write', 'close', { fd: slot(SYSTEM_SLOTS.idMapsWrite) }, "so that the parent's death is seen");
    b.add('userns.wait', 'read', { fd: slot(SYSTEM_SLOTS.idMapsReady), count: 1 }, 'wait until the id maps are written');
  }
  b.add('cgroup.join', 'write', { fd: slot(SYSTEM_SLOTS.cgroups), data: '0' }, "join the container's cgroup in each v1 hierarchy");
  for (const type of JOIN_ORDER) {
    if (!joined.has(type) || type === 'mount') continue;
    addJoin(b, type, slot(`ns.${type}`));
  }
  if (fresh.has('user') || joined.has('user')) {
    b.add('userns.gid', 'setresgid', { gid: 0 }, 'be root of the user namespace');
    b.add('userns.uid', 'setresuid', { uid: 0 }, 'be root of the user namespace');
    addParentDeath(context, 'userns');
  }
  addDeferredUnshare(context);
  if (joined.has('user') || joined.has('pid')) addParentDeath(context, 'nested');
  if (joined.has('mount')) addJoin(b, 'mount', slot('ns.mount'));
  if (fresh.has('cgroup')) b.add('ns.cgroup.unshare', 'unshare', { flags: ['CLONE_NEWCGROUP'] }, 'a cgroup namespace whose root is our cgroup');
  if (fresh.has('time')) addTimeNamespace(context);
  b.add('session', 'setsid', {}, 'leave the terminal and session of the launcher', { onError: { action: 'ignore', errno: 'EPERM' } });
  if (spec.hostname !== undefined && (fresh.has('uts') || joined.has('uts'))) b.add('uts.hostname', 'sethostname', { name: spec.hostname }, 'the host name');
  if (spec.domainname !== undefined) b.add('uts.domainname', 'setdomainname', { name: spec.domainname }, 'the NIS domain name');
  if (fresh.has('network')) {
    b.add('net.socket', 'socket', { domain: 'AF_INET', type: 'SOCK_DGRAM' }, 'to reach the loopback interface', { result: 'net.socket' });
    b.add('net.loopback', 'ioctl', { fd: slot('net.socket'), request: 'SIOCSIFFLAGS', value: { interface: 'lo' } }, 'bring the loopback interface up');
  }
}

/** `fd`: a namespace, or a process that stands in it (pidfd, Linux 5.8). */
export function addJoin(b: PlanBuilder, type: string, fd: Fd): void {
  b.add(`ns.${type}.join`, 'setns', { fd, nstype: CLONE_FLAG[type] ?? '' }, `join the ${type} namespace`);
}

/**
 * Die with the launcher, from here on. A change of credentials and a new process take the wish back (PR_SET_PDEATHSIG(2const)), so it
 * is said again after each. The last one is followed by a look at whether the launcher still lives: addParentAlive.
 */
export function addParentDeath({ b, options }: Context, when: string): void {
  if (options.dieWithParent === true) b.add(`parent-death.${when}`, 'prctl', { option: 'PR_SET_PDEATHSIG', args: ['SIGKILL'] }, 'die with the launcher');
}

/** Signals are blocked: a write to a pipe that nobody can read is EPIPE. */
export function addParentAlive({ b, options }: Context): void {
  if (options.dieWithParent !== true) return;
  b.add('parent-alive', 'write', { fd: slot(SYSTEM_SLOTS.parentAliveWrite), data: '.' }, 'the launcher had not died before it was asked about');
}

/** Hooks that see the namespaces of the container and the root of the host: config.md, "POSIX-platform Hooks". */
export function addHookStop({ b }: Context): void {
  b.add('hooks.close-write', 'close', { fd: slot(SYSTEM_SLOTS.goOnWrite) }, "so that the launcher's death is seen");
  b.add('hooks.reached', 'write', { fd: slot(SYSTEM_SLOTS.setUpWrite), data: '.' }, 'namespaces and mounts are made');
  b.add('hooks.wait', 'read', { fd: slot(SYSTEM_SLOTS.goOnRead), count: 1 }, 'wait for the hooks');
}

function addDeferredUnshare({ b, fresh, joined }: Context): void {
  if (!joined.has('user') && !joined.has('pid')) return;
  const flags = [...fresh].filter((type) => !['user', 'cgroup', 'time', 'pid'].includes(type)).map((type) => CLONE_FLAG[type] ?? type);
  if (flags.length > 0) b.add('ns.unshare', 'unshare', { flags }, 'namespaces owned by the joined user namespace');
  b.add('ns.clone', 'clone3', { flags: fresh.has('pid') ? ['CLONE_NEWPID'] : [] }, 'a process that stands in the pid namespace');
}

/** Entered at exec: a process that shares memory can't be in another. */
export function addTimeNamespace({ b, spec }: Context): void {
  b.add('ns.time.unshare', 'unshare', { flags: ['CLONE_NEWTIME'] }, 'a time namespace, entered at exec');
  for (const [clock, offset] of Object.entries(spec.linux?.timeOffsets ?? {})) {
    b.add(`ns.time.${clock}.open`, 'openat2', { dirfd: 'AT_FDCWD', path: '/proc/self/timens_offsets', flags: ['O_WRONLY', 'O_CLOEXEC'], resolve: [] }, `offset of the ${clock} clock`, { result: `ns.time.${clock}` });
    b.add(`ns.time.${clock}.write`, 'write', { fd: slot(`ns.time.${clock}`), data: `${clock} ${offset.secs ?? 0} ${offset.nanosecs ?? 0}\n` }, `offset of the ${clock} clock`);
  }
}
