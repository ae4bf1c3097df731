/** `compileExec`: one more process in a running container. setns(2), pid_namespaces(7). The same input always gives the same plan. */
import { UnsupportedError } from '../../errors/box-error.ts';
import type { Spec, SpecProcess } from '../../spec/spec.ts';
import type { Facts } from '../facts.ts';
import { SYSTEM_SLOTS, type LaunchPlan, type PrepareStep } from '../plan.ts';
import { createBuilder, slot } from './builder.ts';
import type { Context } from './context.ts';
import { addTerminalOf } from './devices.ts';
import { addJoin, addParentDeath, addTimeNamespace, JOIN_ORDER } from './namespaces.ts';
import { addEarlyProcess, addProcess } from './process.ts';

/** The container that a process is started in. */
export interface ExecTarget {
  /** A process of the container, in our pid namespace, with the start time that says it still is that process. */
  readonly pid: number;
  readonly startTime: number;
  /** The container's own spec: its namespaces, id maps, umask and seccomp profile hold for the new process too. */
  readonly spec: Spec;
  /** Name of the plan, for messages: the container's id. */
  readonly id: string;
  /** Kill the process when the thread that launched it dies (prctl(2), PR_SET_PDEATHSIG). */
  readonly dieWithParent?: boolean;
  /** So many descriptors from 3 on are the process's too. */
  readonly preserveFds?: number;
}

const TARGET_SLOT = 'target';

/**
 * The process joins the namespaces and cgroups that the target stands in now. Whether the container is paused is for the caller to see.
 * @throws UnsupportedError, SpecError
 */
export function compileExec(process: SpecProcess, target: ExecTarget, facts: Facts): LaunchPlan {
  const types = new Set<string>(target.spec.linux?.namespaces?.map(({ type }) => type) ?? []);
  const { umask } = target.spec.process?.user ?? {};
  const user = umask === undefined || process.user.umask !== undefined ? process.user : { ...process.user, umask };
  const context: Context = {
    spec: { ...target.spec, process: { ...process, user } }, facts, b: createBuilder(), userns: types.has('user'),
    options: { id: target.id, root: { kind: 'directory', path: '/' }, ...(target.dieWithParent === true ? { dieWithParent: true } : {}), ...(target.preserveFds === undefined ? {} : { preserveFds: target.preserveFds }) },
    // A time namespace can't be joined (see compile): one with the same offsets is made.
    fresh: new Set(types.has('time') ? ['time'] : []),
    joined: new Map([...types].filter((type) => type !== 'time').map((type) => [type, `/proc/${target.pid}/ns/${type}`])),
  };
  if (!facts.privileged && !types.has('user')) {
    throw new UnsupportedError({ attempted: `run a process in ${target.id}`, detail: `it has no user namespace of its own, and uid ${facts.uid} has no CAP_SYS_ADMIN`, hint: 'run as root' });
  }
  addEntry(context);
  if (process.terminal === true) addTerminalOf(context, { dirfd: 'AT_FDCWD', path: '/dev/pts/ptmx' });
  addProcess(context);
  const identity = { pid: target.pid, startTime: target.startTime };
  const prepare: PrepareStep[] = [{ id: 'target', call: 'pidfd_open', args: identity, why: 'the container', result: TARGET_SLOT }];
  // Where it has no cgroup of its own, it stands in that of whoever launched it.
  if (target.spec.linux?.cgroupsPath !== undefined) prepare.push({ id: 'cgroup', call: 'cgroup_of', args: identity, why: 'the cgroup that the container stands in now' });
  return {
    version: 1, id: target.id, terminal: process.terminal === true, prepare, clone: { flags: [] }, child: context.b.finish(),
    ...(target.spec.linux?.seccomp === undefined ? {} : { seccomp: target.spec.linux.seccomp }), warnings: context.b.warnings,
  };
}

/** ORDER: the user namespace first, as it gives the rights over the others; the cgroup by the last process, as moving there is not limited by pids.max. */
function addEntry(context: Context): void {
  const { b, joined, fresh } = context;
  const nested = joined.has('user') || joined.has('pid');
  const mine = slot(TARGET_SLOT);
  addParentDeath(context, 'first');
  addEarlyProcess(context);
  if (fresh.has('time')) addTimeNamespace(context);
  b.add('undumpable', 'prctl', { option: 'PR_SET_DUMPABLE', args: [0, 0, 0, 0] }, 'no process of the container may trace this one');
  for (const type of JOIN_ORDER) if (joined.has(type) && type !== 'mount' && type !== 'cgroup') addJoin(b, type, mine);
  if (joined.has('user')) {
    b.add('userns.gid', 'setresgid', { gid: 0 }, 'be root of the user namespace');
    b.add('userns.uid', 'setresuid', { uid: 0 }, 'be root of the user namespace');
    addParentDeath(context, 'userns');
  }
  if (nested) {
    b.add('ns.clone', 'clone3', { flags: [] }, 'a process that stands in the pid namespace');
    addParentDeath(context, 'nested');
  }
  b.add('cgroup.join', 'write', { fd: slot(SYSTEM_SLOTS.cgroups), data: '0' }, "join the container's cgroup in each hierarchy");
  for (const type of ['cgroup', 'mount']) if (joined.has(type)) addJoin(b, type, mine);
  b.add('session', 'setsid', {}, 'leave the terminal and session of the launcher', { onError: { action: 'ignore', errno: 'EPERM' } });
}
