/** What the controllers keep for each cgroup. */

export interface CpuState {
  /** 1 to 10000. */
  weight: number;
  /** cpu.shares of v1, 2 to 262144. */
  shares: number;
  idle: number;
  /** Microseconds a period; Infinity: none. */
  quota: number;
  period: number;
  burst: number;
  /** Nanoseconds of quota used in the period that ends at `periodEnd`. */
  used: number;
  periodEnd: number;
  /** cpu.stat: nanoseconds of its tasks and those below. */
  usage: number;
  periods: number;
  throttledPeriods: number;
  throttledTime: number;
  throttledSince: number | undefined;
}

export function createCpu(): CpuState {
  return { weight: 100, shares: 1024, idle: 0, quota: Infinity, period: 100_000, burst: 0, used: 0, periodEnd: 0, usage: 0, periods: 0, throttledPeriods: 0, throttledTime: 0, throttledSince: undefined };
}

export interface MemoryState {
  usage: number;
  peak: number;
  max: number;
  high: number;
  low: number;
  min: number;
  swapMax: number;
  swappiness: number;
  /** memory.oom.group; v1 has oom_control's oom_kill_disable. */
  oomGroup: boolean;
  oomDisabled: boolean;
  readonly events: { max: number; high: number; oom: number; oomKill: number; groupKill: number };
}

export function createMemory(): MemoryState {
  return { usage: 0, peak: 0, max: Infinity, high: Infinity, low: 0, min: 0, swapMax: Infinity, swappiness: 60, oomGroup: false, oomDisabled: false, events: { max: 0, high: 0, oom: 0, oomKill: 0, groupKill: 0 } };
}

export interface PidsState {
  current: number;
  peak: number;
  max: number;
  /** pids.events: forks that were refused here. */
  failures: number;
}

export function createPids(): PidsState {
  return { current: 0, peak: 0, max: Infinity, failures: 0 };
}

/** DIFFERS: files lie in memory, so no device is ever asked and nothing is throttled: limits are kept as they were written. */
export interface IoState {
  /** `major:minor` to `rbps=… wbps=…`, as io.max shows it. */
  readonly max: Map<string, string>;
  weight: number;
}

export function createIo(): IoState {
  return { max: new Map(), weight: 100 };
}
