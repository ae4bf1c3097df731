/** Calls on processes and signals: fork(2), execve(2), wait(2), kill(2), setpgid(2), setsid(2), prctl(2), getrlimit(2), sched_setaffinity(2). */
import type { CallName } from '../../abi/calls.ts';
import { PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, PR_CAP_AMBIENT_IS_SET, PR_CAP_AMBIENT_LOWER, PR_CAP_AMBIENT_RAISE, PR_CAPBSET_DROP, PR_CAPBSET_READ, PR_GET_CHILD_SUBREAPER, PR_GET_DUMPABLE, PR_GET_KEEPCAPS, PR_GET_NAME, PR_GET_NO_NEW_PRIVS, PR_GET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_NAME, PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG, SIGALRM, SIGKILL, SIGMAX, SIGSTOP } from '../../abi/constants.ts';
import { EACCES, EINVAL, EPERM, ESRCH } from '../../abi/errno.ts';
import { NAMESPACE_FLAGS } from '../nsproxy.ts';
import { CAP_SETPCAP, CAP_SYS_NICE, CAP_SYS_RESOURCE, capable, LAST_CAPABILITY } from '../cred.ts';
import { execve } from '../exec.ts';
import { findTask, numberIn } from '../pidns.ts';
import { kill, sendSignal } from '../signal.ts';
import { cloneTask, exitTask } from '../task.ts';
import type { Task } from '../types.ts';
import { createQueue, wait4, waitOn } from '../wait.ts';
import type { Handlers } from './table.ts';

export type ProcessCall = Extract<CallName, 'clone' | 'execve' | 'exit_group' | 'wait4' | 'kill' | 'rt_sigaction' | 'rt_sigprocmask' | 'pause' | 'getpid' | 'getppid' | 'getpgid' | 'setpgid' | 'getsid' | 'setsid' | 'prctl' | 'prlimit64' | 'sched_setaffinity' | 'sched_getaffinity' | 'setpriority' | 'getpriority' | 'sched_yield' | 'alarm'>;

/** The task of a pid argument: 0 is the caller. */
function taskOf(task: Task, pid: number): Task | undefined {
  return pid === 0 ? task : findTask(task.ns.pid, pid);
}

function ambient(task: Task, option: number, capability: number): number {
  const { cred } = task;
  if (option === PR_CAP_AMBIENT_CLEAR_ALL) {
    task.cred = { ...cred, ambient: 0n };
    return 0;
  }
  if (capability < 0 || capability > LAST_CAPABILITY) return -EINVAL;
  const bit = 1n << BigInt(capability);
  if (option === PR_CAP_AMBIENT_IS_SET) return (cred.ambient & bit) === 0n ? 0 : 1;
  if (option === PR_CAP_AMBIENT_RAISE) {
    if ((cred.permitted & cred.inheritable & bit) === 0n) return -EPERM;
    task.cred = { ...cred, ambient: cred.ambient | bit };
    return 0;
  }
  if (option !== PR_CAP_AMBIENT_LOWER) return -EINVAL;
  task.cred = { ...cred, ambient: cred.ambient & ~bit };
  return 0;
}

function prctl(task: Task, option: number, arg: number | string, arg2: number): number | string {
  const value = Number(arg);
  const { cred } = task;
  switch (option) {
    case PR_SET_PDEATHSIG:
      if (value < 0 || value > SIGMAX) return -EINVAL;
      task.parentDeathSignal = value;
      return 0;
    case PR_GET_PDEATHSIG: return task.parentDeathSignal;
    case PR_SET_DUMPABLE:
      if (value !== 0 && value !== 1) return -EINVAL;
      task.dumpable = value;
      return 0;
    case PR_GET_DUMPABLE: return task.dumpable;
    case PR_SET_KEEPCAPS:
      if (value !== 0 && value !== 1) return -EINVAL;
      task.cred = { ...cred, keepCaps: value === 1 };
      return 0;
    case PR_GET_KEEPCAPS: return cred.keepCaps ? 1 : 0;
    case PR_SET_NAME:
      task.comm = String(arg).slice(0, 15);
      return 0;
    case PR_GET_NAME: return task.comm;
    case PR_CAPBSET_READ: return value < 0 || value > LAST_CAPABILITY ? -EINVAL : (cred.bounding >> BigInt(value)) & 1n ? 1 : 0;
    case PR_CAPBSET_DROP:
      if (!capable(cred, CAP_SETPCAP, cred.user)) return -EPERM;
      if (value < 0 || value > LAST_CAPABILITY) return -EINVAL;
      task.cred = { ...cred, bounding: cred.bounding & ~(1n << BigInt(value)) };
      return 0;
    case PR_SET_CHILD_SUBREAPER:
      task.subreaper = value !== 0;
      return 0;
    case PR_GET_CHILD_SUBREAPER: return task.subreaper ? 1 : 0;
    case PR_SET_NO_NEW_PRIVS:
      if (value !== 1) return -EINVAL;
      task.cred = { ...cred, noNewPrivs: true };
      return 0;
    case PR_GET_NO_NEW_PRIVS: return cred.noNewPrivs ? 1 : 0;
    case PR_CAP_AMBIENT: return ambient(task, value, arg2);
    default: return -EINVAL;
  }
}

function setpgid(task: Task, pid: number, pgid: number): number {
  const target = taskOf(task, pid);
  if (pgid < 0) return -EINVAL;
  if (target === undefined || (target !== task && target.parent !== task)) return -ESRCH;
  if (target !== task && target.executed && target.argv !== task.argv) return -EACCES;
  if (target.session !== task.session || target.session === target.pid) return -EPERM;
  const number = pgid === 0 ? numberIn(target.pid, task.ns.pid) : pgid;
  if (number === numberIn(target.pid, task.ns.pid)) {
    target.group = target.pid;
    return 0;
  }
  for (const other of task.kernel.tasks) {
    if (other.session !== task.session || numberIn(other.group, task.ns.pid) !== number) continue;
    target.group = other.group;
    return 0;
  }
  return -EPERM;
}

function setsid(task: Task): number {
  for (const other of task.kernel.tasks) if (other.group === task.pid) return -EPERM;
  task.group = task.pid;
  task.session = task.pid;
  task.terminal = undefined;
  return numberIn(task.pid, task.ns.pid);
}

/** Whether the caller may change another's scheduling: sched_setaffinity(2), setpriority(2). */
function mayReschedule(task: Task, target: Task): boolean {
  return task.cred.euid === target.cred.euid || task.cred.euid === target.cred.ruid || capable(task.cred, CAP_SYS_NICE, target.cred.user);
}

export const PROCESS_CALLS: Handlers<ProcessCall> = {
  clone: (task, { flags, child }) => ((flags & ~NAMESPACE_FLAGS) !== 0 ? -EINVAL : cloneTask(task, flags, child)),
  execve: (task, { path, argv, env }) => execve(task, path, argv, env),
  exit_group(task, { code }) {
    exitTask(task, (code & 0xff) << 8);
    return 0;
  },
  wait4: (task, args) => wait4(task, args),
  kill: (task, { pid, signal }) => kill(task, pid, signal),
  rt_sigaction(task, { signal, action }) {
    if (signal < 1 || signal > SIGMAX) return -EINVAL;
    const before = task.actions.get(signal) ?? { handler: 'SIG_DFL' as const };
    if (action === undefined) return before;
    if (signal === SIGKILL || signal === SIGSTOP) return -EINVAL;
    if (action.handler === 'SIG_DFL') task.actions.delete(signal);
    else task.actions.set(signal, action);
    if (action.handler === 'SIG_IGN') task.pending.delete(signal);
    return before;
  },
  rt_sigprocmask(task, { how, set }) {
    const before = [...task.blocked].sort((a, b) => a - b);
    const next = how === 'SIG_SETMASK' ? new Set(set) : new Set(task.blocked);
    if (how === 'SIG_BLOCK') for (const signal of set) next.add(signal);
    if (how === 'SIG_UNBLOCK') for (const signal of set) next.delete(signal);
    next.delete(SIGKILL);
    next.delete(SIGSTOP);
    task.blocked = next;
    return before;
  },
  pause: (task) => waitOn(task, createQueue('a signal')),
  getpid: (task) => numberIn(task.pid, task.pid.ns),
  getppid: (task) => (task.parent === undefined ? 0 : numberIn(task.parent.pid, task.pid.ns)),
  getpgid(task, { pid }) {
    const target = taskOf(task, pid);
    return target === undefined ? -ESRCH : numberIn(target.group, task.ns.pid);
  },
  setpgid: (task, { pid, pgid }) => setpgid(task, pid, pgid),
  getsid(task, { pid }) {
    const target = taskOf(task, pid);
    return target === undefined ? -ESRCH : numberIn(target.session, task.ns.pid);
  },
  setsid,
  prctl: (task, { option, arg, arg2 = 0 }) => prctl(task, option, arg, arg2),
  prlimit64(task, { pid, resource, limit }) {
    const target = taskOf(task, pid);
    const before = target?.rlimits[resource];
    if (target === undefined) return -ESRCH;
    if (before === undefined) return -EINVAL;
    if (target !== task && target.cred.ruid !== task.cred.ruid && !capable(task.cred, CAP_SYS_RESOURCE, target.cred.user)) return -EPERM;
    if (limit === undefined) return before;
    if (limit.soft > limit.hard) return -EINVAL;
    if (limit.hard > before.hard && !capable(task.cred, CAP_SYS_RESOURCE, task.kernel.initialUser)) return -EPERM;
    target.rlimits[resource] = limit;
    return before;
  },
  sched_setaffinity(task, { pid, cpus }) {
    const target = taskOf(task, pid);
    if (target === undefined) return -ESRCH;
    if (!mayReschedule(task, target)) return -EPERM;
    const able = cpus.filter((cpu) => cpu >= 0 && cpu < task.kernel.machine.cpus);
    if (able.length === 0) return -EINVAL;
    target.affinity = [...new Set(able)].sort((a, b) => a - b);
    return 0;
  },
  sched_getaffinity(task, { pid }) {
    const target = taskOf(task, pid);
    return target === undefined ? -ESRCH : target.affinity;
  },
  setpriority(task, { pid, nice }) {
    const target = taskOf(task, pid);
    if (target === undefined) return -ESRCH;
    if (!mayReschedule(task, target)) return -EPERM;
    const value = Math.max(-20, Math.min(19, nice));
    if (value < target.nice && !capable(task.cred, CAP_SYS_NICE, task.kernel.initialUser)) return -EACCES;
    target.nice = value;
    return 0;
  },
  getpriority(task, { pid }) {
    const target = taskOf(task, pid);
    return target === undefined ? -ESRCH : 20 - target.nice;
  },
  sched_yield: () => 0,
  alarm(task, { duration }) {
    const { clock } = task.kernel;
    const left = task.alarm === undefined ? 0 : task.alarm.at - clock.now;
    if (task.alarm !== undefined) clock.cancel(task.alarm);
    task.alarm = duration <= 0 ? undefined : clock.after(duration, () => {
      task.alarm = undefined;
      sendSignal(task, SIGALRM, undefined);
    });
    return left;
  },
};

