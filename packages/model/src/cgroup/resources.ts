/**
 * An OCI resources object as writes into cgroup files. Pure: the same resources always give the same writes, in the order in which
 * the kernel accepts them. Device rules are in devices.ts (a file on v1, a BPF program on v2).
 */
import { SpecError } from '../errors/box-error.ts';
import type { SpecResources } from '../spec/spec.ts';
import { cpuWrites } from './cpu.ts';
import { blockIoWrites } from './io.ts';
import { memoryWrites } from './memory.ts';
import { maxOr, type CgroupWrite, type CgroupWriteFacts, type HierarchyVersion } from './write.ts';

export function cgroupWrites(resources: SpecResources, version: HierarchyVersion, facts: CgroupWriteFacts): readonly CgroupWrite[] {
  return [
    ...(resources.cpu === undefined ? [] : cpuWrites(resources.cpu, version)),
    ...(resources.memory === undefined ? [] : memoryWrites(resources.memory, version, facts)),
    ...pidsWrites(resources.pids?.limit),
    ...(resources.blockIO === undefined ? [] : blockIoWrites(resources.blockIO, version)),
    ...otherWrites(resources, version),
    ...unifiedWrites(resources.unified, version),
  ];
}

/** OCI "PIDs": absent is untouched, 0 is a real 0, negative is no limit. Source: cgroup-v1/pids.rst, cgroup-v2.rst "PID". */
export function pidsWrites(limit: number | undefined): readonly CgroupWrite[] {
  return limit === undefined ? [] : [{ controller: 'pids', file: 'pids.max', data: maxOr(limit), why: 'limit the number of tasks' }];
}

/** Huge pages, network classes and RDMA. Source: cgroup-v1/{hugetlb,net_cls,net_prio,rdma}.rst. */
function otherWrites(resources: SpecResources, version: HierarchyVersion): CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  for (const { pageSize, limit } of resources.hugepageLimits ?? []) {
    const file = version === 1 ? `hugetlb.${pageSize}.limit_in_bytes` : `hugetlb.${pageSize}.max`;
    writes.push({ controller: 'hugetlb', file: fileName(file, 'linux.resources.hugepageLimits'), data: version === 1 ? String(limit) : maxOr(limit), why: 'limit huge pages' });
  }
  if (version === 1) {
    const { classID, priorities } = resources.network ?? {};
    if (classID !== undefined && classID !== 0) writes.push({ controller: 'net_cls', file: 'net_cls.classid', data: String(classID), why: 'tag its packets' });
    for (const { name, priority } of priorities ?? []) writes.push({ controller: 'net_prio', file: 'net_prio.ifpriomap', data: `${name} ${String(priority)}`, why: 'priority of its packets' });
  }
  for (const [device, { hcaHandles, hcaObjects }] of Object.entries(resources.rdma ?? {})) {
    const parts = [device, hcaHandles === undefined ? '' : `hca_handle=${String(hcaHandles)}`, hcaObjects === undefined ? '' : `hca_object=${String(hcaObjects)}`];
    writes.push({ controller: 'rdma', file: 'rdma.max', data: parts.filter((part) => part !== '').join(' '), why: 'limit RDMA handles' });
  }
  return writes;
}

/** OCI "Unified": file names of v2 and what to write there, last, so that they win. */
function unifiedWrites(unified: SpecResources['unified'], version: HierarchyVersion): CgroupWrite[] {
  const entries = Object.entries(unified ?? {});
  if (entries.length === 0) return [];
  if (version === 1) throw new SpecError({ pointer: 'linux.resources.unified', detail: 'found entries, allowed: none on a cgroup v1 hierarchy', hint: 'use linux.resources.memory, cpu, pids and so on, or a host with cgroup v2' });
  return entries.map(([file, data]) => {
    fileName(file, `linux.resources.unified["${file}"]`);
    return { controller: file.slice(0, file.indexOf('.')), file, data, why: 'asked for by its file name' };
  });
}

function fileName(file: string, pointer: string): string {
  if (/^[a-z_]+\.[A-Za-z0-9_.]+$/.test(file)) return file;
  throw new SpecError({ pointer, detail: `found "${file}", allowed: the name of a controller's file, such as "memory.high"` });
}
