/** The pids controller: cgroup-v1/pids.rst, cgroup-v2.rst "PID". */
import type { Cgroup } from './tree.ts';

export function chargePids(cgroup: Cgroup, count: number): void {
  for (let at: Cgroup | undefined = cgroup; at !== undefined; at = at.parent) {
    at.pids.current += count;
    if (at.pids.current > at.pids.peak) at.pids.peak = at.pids.current;
  }
}
