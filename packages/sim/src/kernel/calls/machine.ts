/** Calls on time and the machine: clock_gettime(2), nanosleep(2), uname(2), sysinfo(2), sethostname(2), and what a program uses up. */
import type { CallName } from '../../abi/calls.ts';
import { CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, RLIMIT_AS, SIGKILL } from '../../abi/constants.ts';
import { EINVAL, ENOMEM, EPERM } from '../../abi/errno.ts';
import { SECOND, setWallTime, wallTime } from '../../det/clock.ts';
import { chargeMemory } from '../cgroup/memory.ts';
import { unchargeMemory } from '../cgroup/tree.ts';
import { CAP_SYS_ADMIN, CAP_SYS_TIME, capable } from '../cred.ts';
import { sendSignal } from '../signal.ts';
import { BLOCKED, type Blocked, type Task } from '../types.ts';
import { sleepFor } from '../wait.ts';
import type { Handlers } from './table.ts';

export type MachineCall = Extract<CallName, 'nanosleep' | 'clock_gettime' | 'clock_settime' | 'uname' | 'sysinfo' | 'sethostname' | 'setdomainname' | 'cpu' | 'memory'>;

const split = (ns: number): { readonly seconds: number; readonly nanoseconds: number } => ({ seconds: Math.floor(ns / SECOND), nanoseconds: ns % SECOND });

function nameOf(task: Task, key: 'nodename' | 'domainname', name: string): number {
  const { uts } = task.ns;
  if (!capable(task.cred, CAP_SYS_ADMIN, uts.owner)) return -EPERM;
  if (name.length > 64) return -EINVAL;
  uts[key] = name;
  return 0;
}

/** The scheduler counts `progress` down. */
function compute(task: Task, duration: number): number | Blocked {
  const { computing } = task.kernel;
  if (task.progress === undefined && duration > 0) task.progress = duration;
  if ((task.progress ?? 0) > 0) {
    computing.add(task);
    return BLOCKED;
  }
  computing.delete(task);
  return 0;
}

function useMemory(task: Task, bytes: number): number {
  if (bytes <= 0) {
    const given = Math.min(-bytes, task.memory);
    unchargeMemory(task, given);
    task.memory -= given;
    return 0;
  }
  if (task.memory + bytes > (task.rlimits[RLIMIT_AS]?.soft ?? Infinity)) return -ENOMEM;
  const charged = chargeMemory(task, bytes);
  // The machine itself is full: whoever asks last.
  const used = [...task.kernel.tasks].reduce((sum, { memory }) => sum + memory, 0);
  if (charged === 0 && used > task.kernel.machine.memory) sendSignal(task, SIGKILL, undefined);
  return charged;
}

export const MACHINE_CALLS: Handlers<MachineCall> = {
  nanosleep: (task, { duration }) => (duration < 0 ? -EINVAL : sleepFor(task, duration) === 'over' ? 0 : BLOCKED),
  clock_gettime(task, { clock }) {
    const { kernel, ns } = task;
    switch (clock) {
      case CLOCK_REALTIME: return wallTime(kernel.clock);
      case CLOCK_MONOTONIC: return split(kernel.clock.now + ns.time.monotonic);
      case CLOCK_BOOTTIME: return split(kernel.clock.now + ns.time.boottime);
      case CLOCK_PROCESS_CPUTIME_ID: return split(task.cpuTime);
      default: return -EINVAL;
    }
  },
  clock_settime(task, { clock, time }) {
    if (clock !== CLOCK_REALTIME || time.nanoseconds < 0 || time.nanoseconds >= SECOND || time.seconds < 0) return -EINVAL;
    // No namespace covers it: it is the clock of all containers.
    if (!capable(task.cred, CAP_SYS_TIME, task.kernel.initialUser)) return -EPERM;
    setWallTime(task.kernel.clock, time.seconds, time.nanoseconds);
    return 0;
  },
  uname: ({ ns, kernel }) => ({ sysname: 'Linux', nodename: ns.uts.nodename, release: kernel.machine.release, version: '#1 SMP tsc-box simulated kernel', machine: kernel.machine.architecture === 'x64' ? 'x86_64' : 'aarch64', domainname: ns.uts.domainname }),
  sysinfo({ kernel }) {
    const used = [...kernel.tasks].reduce((sum, { memory }) => sum + memory, 0);
    return { uptime: Math.floor(kernel.clock.now / SECOND), loads: [0, 0, 0], totalRam: kernel.machine.memory, freeRam: kernel.machine.memory - used, procs: kernel.tasks.size };
  },
  sethostname: (task, { name }) => nameOf(task, 'nodename', name),
  setdomainname: (task, { name }) => nameOf(task, 'domainname', name),
  cpu: (task, { duration }) => (duration < 0 ? -EINVAL : compute(task, duration)),
  memory: (task, { bytes }) => useMemory(task, bytes),
};
