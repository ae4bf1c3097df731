/** Signals: signal(7), kill(2), sigaction(2). */
import { SA_NOCLDWAIT, SIGCHLD, SIGCONT, SIGKILL, SIGMAX, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH } from '../abi/constants.ts';
import { EINVAL, EPERM, ESRCH } from '../abi/errno.ts';
import { CAP_KILL, capable } from './cred.ts';
import { isInside, numberIn, type Pid } from './pidns.ts';
import type { Task } from './types.ts';
import { wake, wakeTask } from './wait.ts';

/** Default actions: signal(7), "Standard signals". */
export const IGNORED: ReadonlySet<number> = new Set([SIGCHLD, SIGURG, SIGWINCH, SIGCONT]);
export const STOPS: ReadonlySet<number> = new Set([SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU]);
export const UNBLOCKABLE: ReadonlySet<number> = new Set([SIGKILL, SIGSTOP]);

function isIgnored(task: Task, signal: number): boolean {
  const handler = task.actions.get(signal)?.handler ?? 'SIG_DFL';
  return handler === 'SIG_IGN' || (handler === 'SIG_DFL' && IGNORED.has(signal));
}

/**
 * Process 1 of a namespace gets only what it handles; SIGKILL and SIGSTOP only from an ancestor's namespace: pid_namespaces(7),
 * "The namespace init process".
 */
function initIgnores(task: Task, signal: number, sender: Task | undefined): boolean {
  if (task.pid.ns.init !== task) return false;
  if (UNBLOCKABLE.has(signal)) return sender !== undefined && isInside(sender.pid.ns, task.pid.ns);
  return (task.actions.get(signal)?.handler ?? 'SIG_DFL') === 'SIG_DFL';
}

/** Makes a signal pending, or drops it. `sender` undefined: the kernel itself. */
export function sendSignal(task: Task, signal: number, sender: Task | undefined): void {
  if (signal === 0 || task.state === 'zombie' || task.state === 'dead') return;
  if (initIgnores(task, signal, sender)) return;
  if (signal === SIGCONT) for (const stop of STOPS) task.pending.delete(stop);
  if (STOPS.has(signal)) task.pending.delete(SIGCONT);
  if ((signal === SIGCONT || signal === SIGKILL) && task.state === 'stopped') resume(task, signal === SIGCONT);
  if (isIgnored(task, signal) && !task.blocked.has(signal)) return;
  task.pending.add(signal);
  if (!task.blocked.has(signal) || UNBLOCKABLE.has(signal)) interrupt(task);
}

/** Wakes a sleeper, so that it sees its signals. */
function interrupt(task: Task): void {
  if (task.state === 'sleeping') wakeTask(task);
}

function resume(task: Task, report: boolean): void {
  task.state = 'sleeping';
  wakeTask(task);
  if (!report) return;
  task.report = 'continued';
  notifyParent(task, task.parent);
}

export function notifyParent(task: Task, parent: Task | undefined): void {
  if (parent === undefined) return;
  sendSignal(parent, SIGCHLD, task);
  wake(parent.childQueue);
}

export function clearCall(task: Task): void {
  task.call = undefined;
  task.progress = undefined;
  if (task.timer !== undefined) task.kernel.clock.cancel(task.timer);
  task.timer = undefined;
}

/** kill(2), "an unprivileged process may…". */
function maySignal(sender: Task, target: Task, signal: number): boolean {
  const from = sender.cred;
  const to = target.cred;
  if (from.euid === to.suid || from.euid === to.ruid || from.ruid === to.suid || from.ruid === to.ruid) return true;
  if (signal === SIGCONT && sender.session === target.session) return true;
  return capable(from, CAP_KILL, to.user);
}

/** kill(2). */
export function kill(task: Task, pid: number, signal: number): number {
  if (signal < 0 || signal > SIGMAX) return -EINVAL;
  const ns = task.ns.pid;
  const targets = [...task.kernel.tasks].filter((other) => {
    if (other.state === 'dead') return false;
    const number = numberIn(other.pid, ns);
    if (number === 0) return false;
    if (pid > 0) return number === pid;
    if (pid === 0) return other.group === task.group;
    // All but process 1 and itself.
    if (pid === -1) return number !== 1 && other !== task;
    return numberIn(other.group, ns) === -pid;
  });
  if (targets.length === 0) return -ESRCH;
  const allowed = targets.filter((target) => maySignal(task, target, signal));
  if (allowed.length === 0) return -EPERM;
  for (const target of allowed) sendSignal(target, signal, task);
  return 0;
}

/** Of a terminal or the kernel to a process group. */
export function signalGroup(group: Pid, signal: number): void {
  const any = group.task ?? [...(group.ns.init?.kernel.tasks ?? [])].find((task) => task.group === group);
  for (const task of any?.kernel.tasks ?? []) if (task.group === group) sendSignal(task, signal, undefined);
}

/** SIGCHLD to the parent of a zombie. True when nobody will ask for it: wait(2), NOTES. */
export function reportExit(task: Task): boolean {
  const { parent } = task;
  if (parent === undefined) return true;
  const action = parent.actions.get(SIGCHLD);
  notifyParent(task, parent);
  return action !== undefined && (action.handler === 'SIG_IGN' || ((action.flags ?? 0) & SA_NOCLDWAIT) !== 0);
}

