/** The cgroups that a process stands in now, opened to join them: proc(5), /proc/PID/cgroup; cgroups(7). */
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { SyscallError, type CgroupHierarchy, type Facts } from '@tsc-box/model';
import { parseOwnCgroups } from '../facts/parse.ts';
import { errnoOf } from './files.ts';

export interface JoinableCgroups {
  /** v1: descriptors of cgroup.procs, into which the child writes "0". Close-on-exec. */
  readonly procsFds: readonly number[];
  /** v2: descriptor of the directory, for CLONE_INTO_CGROUP. */
  readonly directoryFd: number | undefined;
  closeFds(): void;
}

/** Hierarchies in which the process stands where we do are passed over. @throws SyscallError where this user may not join. */
export function openCgroupsOf(facts: Facts, pid: number): JoinableCgroups {
  const procsFds: number[] = [];
  let directoryFd: number | undefined;
  const closeFds = (): void => {
    for (const fd of [...procsFds.splice(0), ...(directoryFd === undefined ? [] : [directoryFd])]) closeSync(fd);
    directoryFd = undefined;
  };
  try {
    const [ours, theirs] = ['self', String(pid)].map((name) => parseOwnCgroups(readFileSync(`/proc/${name}/cgroup`, 'latin1')));
    for (const hierarchy of facts.cgroup.hierarchies) {
      const key = hierarchy.version === 2 ? '' : (hierarchy.controllers[0] ?? '');
      const [own, path] = [ours?.get(key), theirs?.get(key)];
      if (own === undefined || path === undefined || path === own) continue;
      const directory = `${hierarchy.mountpoint}${belowMount(path, own, hierarchy.own)}`;
      if (hierarchy.version === 2) directoryFd = open(directory, constants.O_RDONLY | constants.O_DIRECTORY, hierarchy);
      else procsFds.push(open(`${directory}/cgroup.procs`, constants.O_WRONLY, hierarchy));
    }
    return { procsFds, directoryFd, closeFds };
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

function open(path: string, flags: number, { controllers }: CgroupHierarchy): number {
  try {
    return openSync(path, flags);
  } catch (error) {
    throw new SyscallError({ attempted: `join the container's cgroup (${controllers.join(', ') || 'version 2'})`, step: 'cgroup', syscall: 'open', errno: errnoOf(error), path, cause: error });
  }
}
