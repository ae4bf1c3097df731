/** `update`: other limits for a running container. docker-update(1). */
import { parseResources, type LaunchPlan, type RunOptions, type SpecResources } from '@tsc-box/model';
import type { Parts } from '../containers/run.ts';
import { cgroupOf, findRunning, type RunningState } from './find-state.ts';

/** @throws UsageError; UnsupportedError; SyscallError: what was written before stays then */
export function updateContainer(parts: Parts, nameOrId: string, limits: RunOptions): void {
  const { store, system } = parts;
  const state = findRunning(parts, nameOrId, 'update');
  const asked = parseResources(limits, system.facts());
  store.locked(state.id, () => change(parts, findRunning(parts, state.id, 'update'), asked, limits.memorySwap !== undefined));
}

function change(parts: Parts, state: RunningState, asked: SpecResources, swapGiven: boolean): void {
  const { store } = parts;
  const launch = store.record(state.id, 'launch');
  const current = launch?.spec.linux?.resources ?? {};
  const changed = withSwapKept(asked, swapGiven);
  cgroupOf(parts, state, 'update').update(changed);
  if (launch === undefined) return;
  const resources = merge(current, changed);
  const spec = { ...launch.spec, linux: { ...launch.spec.linux, resources } };
  store.replace(state.id, 'launch', { ...launch, spec, ...(launch.again === undefined ? {} : { again: { ...launch.again, plan: withResources(launch.again.plan, resources) } }) });
}

/** Memory alone leaves the limit of swap as it is (runc#2405): what `run` makes of it by itself is not asked for here. */
function withSwapKept({ memory, ...rest }: SpecResources, swapGiven: boolean): SpecResources {
  if (memory === undefined) return rest;
  const { swap, ...others } = memory;
  return { ...rest, memory: swapGiven && swap !== undefined ? { ...others, swap } : others };
}

function merge(before: SpecResources, changed: SpecResources): SpecResources {
  return {
    ...before, ...changed,
    ...(changed.memory === undefined ? {} : { memory: { ...before.memory, ...changed.memory } }),
    ...(changed.cpu === undefined ? {} : { cpu: { ...before.cpu, ...changed.cpu } }),
    ...(before.devices === undefined ? {} : { devices: before.devices }),
  };
}

function withResources(plan: LaunchPlan, resources: SpecResources): LaunchPlan {
  return { ...plan, prepare: plan.prepare.map((step) => (step.call === 'cgroup' ? { ...step, args: { ...step.args, resources } } : step)) };
}
