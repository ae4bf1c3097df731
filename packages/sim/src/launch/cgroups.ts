/** The container's cgroup: made, limited and removed through the simulated cgroup files, as a launcher does on Linux. */
import { cgroupWrites, SyscallError, UnsupportedError, type SpecResources } from '@tsc-box/model';
import { ENOENT, errnoName } from '../abi/errno.ts';
import { toBytes } from '../det/trace.ts';
import { controllersOf, removeCgroup, tasksBelow, type Cgroup, type Hierarchy } from '../kernel/cgroup/tree.ts';
import { makeDirectories, writeFile } from './host.ts';
import type { Task } from '../kernel/types.ts';

function descendTo(root: Cgroup, path: string): Cgroup | undefined {
  let at: Cgroup | undefined = root;
  for (const part of path.split('/').filter((word) => word !== '')) at = at?.children.get(part);
  return at;
}

/** v2: each cgroup above gives its controllers to its children. */
function makeAt(init: Task, { mountpoint, version, controllers }: Hierarchy, path: string): void {
  const parts = path.split('/').filter((part) => part !== '');
  for (let count = 0; count < parts.length; count += 1) {
    const above = `${mountpoint}${count === 0 ? '' : `/${parts.slice(0, count).join('/')}`}`;
    if (version === 2 && controllers.length > 0) writeFile(init, `${above}/cgroup.subtree_control`, toBytes(controllers.map((name) => `+${name}`).join(' ')), false);
    makeDirectories(init, `${mountpoint}/${parts.slice(0, count + 1).join('/')}`);
  }
}

/**
 * The container's cgroup in each hierarchy. Rules for devices need no controller: the simulated machine has no devices but memory's and
 * terminals.
 * @throws UnsupportedError for a limit that no hierarchy has a controller for, SyscallError for a refused write.
 */
export function makeCgroups(init: Task, path: string, resources: SpecResources): Cgroup[] {
  const { hierarchies } = init.kernel;
  const done = new Set<string>();
  const found: Cgroup[] = [];
  try {
    for (const hierarchy of hierarchies) {
      makeAt(init, hierarchy, path);
      const cgroup = descendTo(hierarchy.root, path);
      if (cgroup === undefined) throw new SyscallError({ attempted: `make the cgroup "${path}" in the simulated machine`, syscall: 'mkdir', errno: errnoName(-ENOENT), path });
      found.push(cgroup);
      if (hierarchy.version === 2 && hierarchy.controllers.length === 0) continue;
      for (const { controller, file, data, why, ignoreMissing, orElse } of cgroupWrites({ ...resources, ...(hierarchy.version === 1 ? { unified: {} } : {}) }, hierarchy.version, { swap: false })) {
        if (!controllersOf(cgroup).includes(controller)) continue;
        done.add(controller);
        const write = (name: string, text: string): number => writeFile(init, `${hierarchy.mountpoint}${path}/${name}`, toBytes(text), false);
        let result = write(file, data);
        if (result === -ENOENT && orElse !== undefined) result = write(orElse.file, orElse.data);
        if (result < 0 && !(result === -ENOENT && ignoreMissing === true)) throw new SyscallError({ attempted: `${why}: write "${data}" to ${file}`, syscall: 'write', errno: errnoName(result), path: `${hierarchy.mountpoint}${path}/${file}` });
      }
    }
    const lacking = cgroupWrites({ ...resources, unified: {} }, 2, { swap: false }).find(({ controller, ignoreMissing }) => ignoreMissing !== true && !done.has(controller) && !(controller === 'io' && done.has('blkio')));
    if (lacking !== undefined) throw new UnsupportedError({ attempted: lacking.why, detail: `the simulated machine has no ${lacking.controller} controller` });
    return found;
  } catch (error) {
    removeCgroups(found);
    throw error;
  }
}

/** With those below it. Tasks in it must have ended. */
export function removeCgroups(cgroups: readonly Cgroup[]): void {
  for (const cgroup of cgroups) {
    if (tasksBelow(cgroup).length > 0) continue;
    removeCgroups([...cgroup.children.values()]);
    removeCgroup(cgroup);
  }
}
