/** Processor time and placement. Source: cgroup-v2.rst "CPU Interface Files"; scheduler/sched-bwc.rst; cgroup-v1/cpusets.rst. */
import type { SpecCpu } from '../spec/spec.ts';
import type { CgroupWrite, HierarchyVersion } from './write.ts';

/**
 * cpu.shares (2 to 262144, default 1024) as cpu.weight (1 to 10000, default 100). A curve through
 * (2,1), (1024,100) and (262144,10000), so that a default stays a default. 0 is "not set".
 */
export function sharesToWeight(shares: number): number | undefined {
  if (shares === 0) return undefined;
  if (shares <= 2) return 1;
  if (shares >= 262144) return 10000;
  const l = Math.log2(shares);
  return Math.ceil(10 ** ((l * l + 125 * l) / 612 - 7 / 34));
}

export function cpuWrites(cpu: SpecCpu, version: HierarchyVersion): readonly CgroupWrite[] {
  return [...(version === 1 ? cpuV1(cpu) : cpuV2(cpu)), ...cpusetWrites(cpu)];
}

function cpuV2(cpu: SpecCpu): CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  const add = (file: string, data: string, why: string): void => void writes.push({ controller: 'cpu', file, data, why });
  if (cpu.idle !== undefined) add('cpu.idle', String(cpu.idle), 'run only when nothing else wants the processor');
  const weight = sharesToWeight(cpu.shares ?? 0);
  // The kernel refuses a weight for an idle cgroup (EINVAL).
  if (weight !== undefined && cpu.idle !== 1) add('cpu.weight', String(weight), 'share of processor time');
  if (isSet(cpu.quota) || isSet(cpu.period)) {
    const quota = isSet(cpu.quota) && cpu.quota > 0 ? String(cpu.quota) : 'max';
    add('cpu.max', `${quota} ${String(isSet(cpu.period) ? cpu.period : 100000)}`, 'limit processor time: quota and period in microseconds');
  }
  if (cpu.burst !== undefined) add('cpu.max.burst', String(cpu.burst), 'unused quota that may be saved up');
  return writes;
}

function cpuV1(cpu: SpecCpu): CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  const add = (file: string, data: string, why: string): void => void writes.push({ controller: 'cpu', file, data, why });
  if (isSet(cpu.shares) && cpu.idle !== 1) add('cpu.shares', String(cpu.shares), 'share of processor time');
  if (isSet(cpu.period)) add('cpu.cfs_period_us', String(cpu.period), 'length of a period');
  if (isSet(cpu.quota)) add('cpu.cfs_quota_us', String(cpu.quota < 0 ? -1 : cpu.quota), 'limit processor time in each period');
  if (cpu.burst !== undefined) add('cpu.cfs_burst_us', String(cpu.burst), 'unused quota that may be saved up');
  if (isSet(cpu.realtimePeriod)) add('cpu.rt_period_us', String(cpu.realtimePeriod), 'length of a realtime period');
  if (isSet(cpu.realtimeRuntime)) add('cpu.rt_runtime_us', String(cpu.realtimeRuntime), 'limit realtime time in each period');
  if (cpu.idle !== undefined) add('cpu.idle', String(cpu.idle), 'run only when nothing else wants the processor');
  return writes;
}

/** Same file names in both versions. On v1 both must be non-empty before a process may enter: the System copies them down first. */
function cpusetWrites(cpu: SpecCpu): CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  if (cpu.cpus !== undefined && cpu.cpus !== '') writes.push({ controller: 'cpuset', file: 'cpuset.cpus', data: cpu.cpus, why: 'processors it may use' });
  if (cpu.mems !== undefined && cpu.mems !== '') writes.push({ controller: 'cpuset', file: 'cpuset.mems', data: cpu.mems, why: 'memory nodes it may use' });
  return writes;
}

function isSet(value: number | undefined): value is number {
  return value !== undefined && value !== 0;
}
