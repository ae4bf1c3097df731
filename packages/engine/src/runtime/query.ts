/** `state`, `list`, `ps`, `events`, `update`. */
import { parseSpec, type CgroupStats, type SpecResources } from '@tsc-box/model';
import { stateError } from './errors.ts';
import { cgroupOf } from './delete.ts';
import { directoryOf, listIds, locked, ociState, readSpec, readState, statusOf, tryReadState, writeJson } from './state.ts';
import type { OciState, Runtime } from './types.ts';

export function queryState(runtime: Runtime, id: string): OciState {
  return ociState(runtime, readState(runtime, id));
}

export function list(runtime: Runtime): OciState[] {
  return listIds(runtime).flatMap((id) => {
    const state = tryReadState(runtime, id);
    return state === undefined ? [] : [ociState(runtime, state)];
  });
}

/** Pids of the container's processes, in our pid namespace. @throws BoxError "container not running". */
export function pidsOf(runtime: Runtime, id: string): readonly number[] {
  const state = readState(runtime, id);
  if (statusOf(runtime, state) === 'stopped') throw stateError(`list the processes of "${id}"`, 'container not running');
  if (state.cgroup === undefined) return state.process === undefined ? [] : [state.process.pid];
  return runtime.system.cgroup(state.cgroup).processes().map(({ pid }) => pid);
}

/** @throws SpecError for a wrong limit, UnsupportedError, SyscallError. */
export async function update(runtime: Runtime, id: string, value: unknown): Promise<void> {
  const resources: SpecResources = parseSpec({ ociVersion: '1.0.0', linux: { resources: value } }).spec.linux?.resources ?? {};
  await locked(runtime, id, () => {
    const state = readState(runtime, id);
    if (statusOf(runtime, state) === 'stopped') throw stateError(`update the container "${id}"`, 'container not running');
    // The list of devices is said whole or not at all: engines send an empty one along.
    const { devices, ...rest } = resources;
    runtime.system.cgroup(cgroupOf(state, 'update')).update(devices === undefined || devices.length === 0 ? rest : resources);
    const spec = readSpec(runtime, id);
    writeJson(`${directoryOf(runtime, id)}/config.json`, { ...spec, linux: { ...spec.linux, resources: merge(spec.linux?.resources ?? {}, rest) } });
  });
}

function merge(before: SpecResources, changes: SpecResources): SpecResources {
  return { ...before, ...changes, memory: { ...before.memory, ...changes.memory }, cpu: { ...before.cpu, ...changes.cpu } };
}

/** As `runc events --stats` has it; what this kernel does not count is left out. */
export function stats(runtime: Runtime, id: string): { readonly type: 'stats'; readonly id: string; readonly data: object } {
  const state = readState(runtime, id);
  if (statusOf(runtime, state) === 'stopped') throw stateError(`read the counters of "${id}"`, 'container not running');
  return { type: 'stats', id, data: statsData(runtime.system.cgroup(cgroupOf(state, 'read the counters of')).stats()) };
}

const NANOSECONDS = 1000;

function statsData(counted: CgroupStats): object {
  const nano = (value: number | undefined): number => (value ?? 0) * NANOSECONDS;
  return {
    cpu: {
      usage: { total: nano(counted.cpuTimeUs), kernel: nano(counted.cpuSystemUs), user: nano(counted.cpuUserUs) },
      throttling: { periods: counted.cpuPeriods ?? 0, throttledPeriods: counted.cpuThrottledPeriods ?? 0, throttledTime: nano(counted.cpuThrottledUs) },
    },
    memory: { usage: { limit: counted.memoryLimit ?? 0, usage: counted.memory ?? 0, max: counted.peakMemory ?? 0 }, swap: { usage: counted.swap ?? 0 } },
    pids: { current: counted.pids ?? 0, limit: counted.pidsLimit ?? 0 },
    blkio: { ioServiceBytesRecursive: [{ op: 'Read', value: counted.ioReadBytes ?? 0 }, { op: 'Write', value: counted.ioWriteBytes ?? 0 }] },
  };
}

/** How often the out-of-memory killer has struck. */
export function oomKills(runtime: Runtime, id: string): number {
  const { cgroup } = readState(runtime, id);
  return cgroup === undefined ? 0 : (runtime.system.cgroup(cgroup).stats().oomKills ?? 0);
}
