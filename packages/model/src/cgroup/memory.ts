/** Memory and swap limits. Source: cgroup-v2.rst "Memory Interface Files"; cgroup-v1/memory.rst sections 2.4 and 3. */
import { SpecError } from '../errors/box-error.ts';
import type { SpecMemory } from '../spec/spec.ts';
import { maxOr, type CgroupWrite, type CgroupWriteFacts, type HierarchyVersion } from './write.ts';

const POINTER = 'linux.resources.memory';

/** Writes for the memory controller. 0 is "not set", -1 "no limit" (OCI config-linux.md, "Memory"). */
export function memoryWrites(memory: SpecMemory, version: HierarchyVersion, facts: CgroupWriteFacts): readonly CgroupWrite[] {
  return version === 1 ? memoryV1(memory, facts) : memoryV2(memory, facts);
}

/**
 * The v2 swap limit excludes memory, the OCI one includes it: 32m of memory and 32m of memory+swap is no swap at all.
 * Undefined: leave it alone. Memory -1 without a swap value lifts both.
 */
export function swapMaxV2(limit: number | undefined, swap: number | undefined): number | undefined {
  const memory = limit ?? 0;
  if (swap === undefined || swap === 0) return memory === -1 ? -1 : undefined;
  if (swap < 0) return -1;
  if (memory === -1) return swap;
  if (memory === 0) {
    throw new SpecError({ pointer: `${POINTER}.swap`, detail: `found ${String(swap)} without a memory limit, allowed: a swap limit together with linux.resources.memory.limit`, hint: 'set the memory limit too' });
  }
  checkSwap(memory, swap);
  return swap - memory;
}

function checkSwap(memory: number, swap: number): void {
  if (swap >= memory) return;
  throw new SpecError({ pointer: `${POINTER}.swap`, detail: `found ${String(swap)}, allowed: at least the memory limit ${String(memory)}, because it is memory and swap together` });
}

function memoryV2(memory: SpecMemory, facts: CgroupWriteFacts): CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  const swap = swapMaxV2(memory.limit, memory.swap);
  if (swap !== undefined) {
    // Without swap accounting the file is missing: no swap use is possible, or none was limited.
    const write = { controller: 'memory', file: 'memory.swap.max', data: maxOr(swap), why: 'limit swap (the OCI value less the memory limit)' };
    writes.push(swap <= 0 || !facts.swap ? { ...write, ignoreMissing: true } : write);
  }
  if (isSet(memory.limit)) writes.push({ controller: 'memory', file: 'memory.max', data: maxOr(memory.limit), why: 'limit memory' });
  if (isSet(memory.reservation)) writes.push({ controller: 'memory', file: 'memory.low', data: maxOr(memory.reservation), why: 'protect the reserved memory from reclaim' });
  return writes;
}

/** v1 keeps memory <= memsw at all times, so the order of the two writes depends on the limit in force. */
function memoryV1(memory: SpecMemory, facts: CgroupWriteFacts): CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  const swap = isSet(memory.swap) ? memory.swap : memory.limit === -1 ? -1 : undefined;
  if (swap !== undefined && swap > 0 && isSet(memory.limit) && memory.limit > 0) checkSwap(memory.limit, swap);
  if (isSet(memory.limit)) writes.push({ controller: 'memory', file: 'memory.limit_in_bytes', data: String(memory.limit), why: 'limit memory' });
  if (swap !== undefined) {
    const write = { controller: 'memory', file: 'memory.memsw.limit_in_bytes', data: String(swap), why: 'limit memory and swap together' };
    const swapWrite = swap === -1 || !facts.swap ? { ...write, ignoreMissing: true } : write;
    const raises = swap === -1 || (facts.currentMemoryLimit !== undefined && facts.currentMemoryLimit < swap);
    if (raises) writes.unshift(swapWrite);
    else writes.push(swapWrite);
  }
  if (isSet(memory.reservation)) writes.push({ controller: 'memory', file: 'memory.soft_limit_in_bytes', data: String(memory.reservation), why: 'aim reclaim at the reserved size' });
  if (isSet(memory.kernelTCP)) writes.push({ controller: 'memory', file: 'memory.kmem.tcp.limit_in_bytes', data: String(memory.kernelTCP), why: 'limit TCP buffers' });
  if (memory.swappiness !== undefined) writes.push({ controller: 'memory', file: 'memory.swappiness', data: String(memory.swappiness), why: 'set how eagerly to swap' });
  if (memory.disableOOMKiller === true) writes.push({ controller: 'memory', file: 'memory.oom_control', data: '1', why: 'pause instead of kill when out of memory' });
  return writes;
}

function isSet(value: number | undefined): value is number {
  return value !== undefined && value !== 0;
}
