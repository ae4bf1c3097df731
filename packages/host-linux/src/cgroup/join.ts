/** The cgroups that a process stands in now, opened to join them: proc(5), /proc/PID/cgroup; cgroups(7). */
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { SyscallError, type CgroupHierarchy, type Facts } from '@tsc-box/model';
import { parseOwnCgroups } from '../facts/parse.ts';
import { errnoOf } from './files.ts';

export interface JoinableCgroups {
  /**
   * Descriptors of cgroup.procs, and on version 1 of `tasks` (see CgroupHandle), into which the child writes "0". Close-on-exec.
   * CLONE_INTO_CGROUP would count against pids.max, moving does not (runc#4413).
   */
  readonly taskFds: readonly number[];
  closeFds(): void;
}

/** Passed over: hierarchies in which the process stands where we do, and those that a container of ours has no cgroup in. @throws SyscallError where this user may not join. */
export function openCgroupsOf(facts: Facts, pid: number): JoinableCgroups {
  const taskFds: number[] = [];
  const closeFds = (): void => taskFds.splice(0).forEach((fd) => closeSync(fd));
  try {
    const [ours, theirs] = ['self', String(pid)].map((name) => parseOwnCgroups(readFileSync(`/proc/${name}/cgroup`, 'latin1')));
    for (const hierarchy of facts.cgroup.hierarchies) {
      if (hierarchy.parent === undefined) continue;
      const key = hierarchy.version === 2 ? '' : (hierarchy.controllers[0] ?? '');
      const [own, path] = [ours?.get(key), theirs?.get(key)];
      if (own === undefined || path === undefined || path === own) continue;
      taskFds.push(open(`${hierarchy.mountpoint}${belowMount(path, own, hierarchy.own)}/${hierarchy.version === 2 ? 'cgroup.procs' : 'tasks'}`, hierarchy));
    }
    return { taskFds, closeFds };
  } catch (error) {
    closeFds();
    throw error;
  }
}

/** A mount of cgroups may show a part of the tree only: of our own path the part below it is known, and so the part above. */
function belowMount(path: string, own: string, ownBelow: string): string {
  const above = own.endsWith(ownBelow) ? own.slice(0, own.length - ownBelow.length) : ownBelow === '/' && own !== '/' ? own : '';
  const below = above !== '' && path.startsWith(`${above}/`) ? path.slice(above.length) : path;
  return below === '/' ? '' : below;
}

function open(path: string, { controllers }: CgroupHierarchy): number {
  try {
    return openSync(path, constants.O_WRONLY);
  } catch (error) {
    throw new SyscallError({ attempted: `join the container's cgroup (${controllers.join(', ') || 'version 2'})`, step: 'cgroup', syscall: 'open', errno: errnoOf(error), path, cause: error });
  }
}
