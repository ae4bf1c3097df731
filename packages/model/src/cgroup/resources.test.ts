import { describe, expect, it } from 'vitest';
import type { SpecResources } from '../spec/spec.ts';
import { sharesToWeight } from './cpu.ts';
import { cgroupWrites } from './resources.ts';

const M = 1024 * 1024;
const lines = (resources: SpecResources, version: 1 | 2, swap = true, currentMemoryLimit?: number): string[] =>
  cgroupWrites(resources, version, { swap, ...(currentMemoryLimit === undefined ? {} : { currentMemoryLimit }) }).map((w) => `${w.file}=${w.data}${w.ignoreMissing === true ? '?' : ''}`);

describe('cgroupWrites', () => {
  const rows: readonly [string, SpecResources, 1 | 2, string[]][] = [
    ['case 26: pids absent', { pids: {} }, 2, []],
    ['case 26: pids 0 is 0', { pids: { limit: 0 } }, 2, ['pids.max=0']],
    ['case 26: pids -1 is max', { pids: { limit: -1 } }, 1, ['pids.max=max']],
    ['case 27: swap = limit', { memory: { limit: 32 * M, swap: 32 * M } }, 2, ['memory.swap.max=0?', 'memory.max=33554432']],
    ['case 27: 4096 over', { memory: { limit: 33554432, swap: 33558528 } }, 2, ['memory.swap.max=4096', 'memory.max=33554432']],
    ['case 28: memory only keeps swap', { memory: { limit: 32 * M } }, 2, ['memory.max=33554432']],
    ['case 28: memory only keeps swap, v1', { memory: { limit: 32 * M } }, 1, ['memory.limit_in_bytes=33554432']],
    ['case 28: memory -1', { memory: { limit: -1 } }, 2, ['memory.swap.max=max?', 'memory.max=max']],
    ['case 28: memory -1, v1', { memory: { limit: -1 } }, 1, ['memory.memsw.limit_in_bytes=-1?', 'memory.limit_in_bytes=-1']],
    ['case 28: memory -1, swap N', { memory: { limit: -1, swap: 5 * M } }, 2, ['memory.swap.max=5242880', 'memory.max=max']],
    ['v1 new cgroup: memory, then memsw', { memory: { limit: M, swap: 2 * M } }, 1, ['memory.limit_in_bytes=1048576', 'memory.memsw.limit_in_bytes=2097152']],
    ['reservation', { memory: { reservation: M } }, 2, ['memory.low=1048576']],
    ['case 29: shares', { cpu: { shares: 1024 } }, 2, ['cpu.weight=100']],
    ['quota only', { cpu: { quota: 50000 } }, 2, ['cpu.max=50000 100000']],
    ['period only', { cpu: { period: 50000 } }, 2, ['cpu.max=max 50000']],
    ['quota, v1', { cpu: { quota: 50000, period: 100000, burst: 10 } }, 1, ['cpu.cfs_period_us=100000', 'cpu.cfs_quota_us=50000', 'cpu.cfs_burst_us=10']],
    ['idle drops the weight', { cpu: { idle: 1, shares: 1024 } }, 2, ['cpu.idle=1']],
    ['cpuset', { cpu: { cpus: '0-1', mems: '0' } }, 1, ['cpuset.cpus=0-1', 'cpuset.mems=0']],
    ['unified', { unified: { 'memory.high': '1000000' } }, 2, ['memory.high=1000000']],
    ['io.max', { blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1000 }] } }, 2, ['io.max=8:0 rbps=1000']],
    ['blkio', { blockIO: { throttleWriteIOPSDevice: [{ major: 8, minor: 0, rate: 7 }] } }, 1, ['blkio.throttle.write_iops_device=8:0 7']],
    ['hugetlb', { hugepageLimits: [{ pageSize: '2MB', limit: 0 }] }, 2, ['hugetlb.2MB.max=0']],
  ];
  it.each(rows)('%s', (_name, resources, version, expected) => {
    expect(lines(resources, version)).toEqual(expected);
  });
  it('case 28: no swap on the host is no error', () => {
    expect(lines({ memory: { limit: M, swap: 2 * M } }, 2, false)).toEqual(['memory.swap.max=1048576?', 'memory.max=1048576']);
  });
  it('v1 update that raises: memsw first', () => {
    expect(lines({ memory: { limit: 3 * M, swap: 4 * M } }, 1, true, M)).toEqual(['memory.memsw.limit_in_bytes=4194304', 'memory.limit_in_bytes=3145728']);
  });
  it.each([
    ['swap below memory', { memory: { limit: 2 * M, swap: M } }, 2, 'linux.resources.memory.swap'],
    ['swap without memory', { memory: { swap: M } }, 2, 'linux.resources.memory.swap'],
    ['unified on v1', { unified: { 'memory.high': '1' } }, 1, 'linux.resources.unified'],
    ['unified path', { unified: { '../memory.high': '1' } }, 2, 'linux.resources.unified["../memory.high"]'],
  ] as const)('refuses %s', (_name, resources, version, pointer) => {
    expect(() => cgroupWrites(resources, version, { swap: true })).toThrow(expect.objectContaining({ pointer }));
  });
});

describe('case 29: shares to weight', () => {
  it.each([[0, undefined], [1, 1], [2, 1], [1024, 100], [2000, 170], [262144, 10000], [300000, 10000]])('%d', (shares, weight) => {
    expect(sharesToWeight(shares)).toBe(weight);
  });
});
