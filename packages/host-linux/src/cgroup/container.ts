/** A running container's cgroup, seen from outside: `System.cgroup`. */
import type { ContainerCgroup, Facts } from '@tsc-box/model';
import { openCgroup } from './manage.ts';
import { readProcess } from './processes.ts';
import { readStats } from './stats.ts';

export function containerCgroup(facts: Facts, path: string): ContainerCgroup {
  const cgroup = openCgroup(facts, path);
  return {
    exists: cgroup.directories.length > 0,
    stats: () => readStats((controller) => cgroup.directoryOf(controller)),
    processes: () => cgroup.pids().map(readProcess).filter((process) => process !== undefined),
    freeze: () => cgroup.freeze(),
    thaw: () => cgroup.thaw(),
    frozen: () => cgroup.frozen(),
    update: (resources) => cgroup.update(resources),
  };
}
