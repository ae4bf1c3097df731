/** Which hierarchies a container's cgroup is made in, and which writes go where. Source: cgroups(7). */
import { cgroupWrites, deviceWritesV1, effectiveDeviceRules, UnsupportedError, type CgroupHierarchy, type CgroupWrite, type DeviceRule, type Facts, type SpecResources } from '@tsc-box/model';

export interface Placement {
  readonly hierarchy: CgroupHierarchy;
  readonly directory: string;
  readonly writes: readonly CgroupWrite[];
  /** v2: controllers to enable in the cgroups above. */
  readonly enable: readonly string[];
}

export interface PlacePlan {
  readonly placements: readonly Placement[];
  /** Rules for a v2 device program, where no v1 devices hierarchy takes them. */
  readonly deviceProgram: readonly DeviceRule[];
}

/**
 * The container's cgroup in a hierarchy. `parent` is the root for root; for an ordinary user it is the cgroup that was delegated to it.
 */
export function directoryIn({ mountpoint, parent = '/' }: CgroupHierarchy, path: string): string {
  return `${mountpoint}${parent === '/' ? '' : parent}${path}`;
}

/** v1 controllers wanted without a limit: pids and freezer to find, stop and kill every process, memory to tell an OOM kill, cpuacct and blkio to tell what was used. */
const ALWAYS_V1 = ['pids', 'freezer', 'memory', 'cpuacct', 'blkio'];

/** @throws UnsupportedError for a limit whose controller is not there, or not given to this user. */
export function place(facts: Facts, path: string, resources: SpecResources): PlacePlan {
  const usable = facts.cgroup.hierarchies.filter(({ parent }) => parent !== undefined);
  const v1 = usable.filter(({ version }) => version === 1);
  const v2 = usable.find(({ version }) => version === 2);
  const onV1 = (controller: string): boolean => v1.some(({ controllers }) => controllers.includes(controller));
  // In a user namespace the device list can't be set, nor is it needed: mknod is refused and the host's modes hold.
  const rules = facts.privileged ? effectiveDeviceRules(resources.devices) : [];
  const writes = allWrites(facts, resources, rules, v1.length > 0 && (v2 === undefined || facts.cgroup.layout === 'hybrid'), onV1);
  for (const write of writes) if (!onV1(write.controller) && !canGive(v2, write.controller)) refuse(facts, write);
  const placements: Placement[] = [];
  for (const hierarchy of v1) {
    const mine = writes.filter(({ controller }) => hierarchy.controllers.includes(controller));
    if (mine.length > 0 || hierarchy.controllers.some((name) => ALWAYS_V1.includes(name))) placements.push({ hierarchy, directory: directoryIn(hierarchy, path), writes: mine, enable: [] });
  }
  if (v2 !== undefined) {
    const mine = writes.filter(({ controller }) => !onV1(controller));
    const program = rules.length > 0 && !onV1('devices');
    if (mine.length > 0 || program || v1.length === 0) placements.push({ hierarchy: v2, directory: directoryIn(v2, path), writes: mine, enable: toEnable(v2, mine) });
  }
  if (rules.length > 0 && !onV1('devices') && v2 === undefined) refuse(facts, { controller: 'devices', file: 'devices.allow', data: '', why: '' });
  return { placements, deviceProgram: rules.length > 0 && !onV1('devices') ? rules : [] };
}

/** Controllers every container gets on v2, when the parent can give them, for usage and kills; and those its limits need. */
function toEnable(v2: CgroupHierarchy, writes: readonly CgroupWrite[]): readonly string[] {
  const wanted = new Set(['memory', 'pids', 'cpu', 'io', ...writes.map(({ controller }) => controller)]);
  return [...wanted].filter((name) => v2.delegated?.includes(name) === true);
}

/** A v2 root has no cgroup.type; `cgroup.*` files need no controller. */
function canGive(v2: CgroupHierarchy | undefined, controller: string): boolean {
  return v2 !== undefined && (controller === 'cgroup' || v2.delegated?.includes(controller) === true);
}

/** Each controller lives in one hierarchy: v1 writes for those mounted as v1, v2 writes for the others. */
function allWrites(facts: Facts, resources: SpecResources, rules: readonly DeviceRule[], v1: boolean, onV1: (controller: string) => boolean): readonly CgroupWrite[] {
  const swap = { swap: facts.swap };
  if (!v1) return cgroupWrites(resources, 2, swap);
  const { unified, ...rest } = resources;
  const first = cgroupWrites(facts.cgroup.layout === 'hybrid' ? rest : resources, 1, swap);
  const second = facts.cgroup.layout === 'hybrid' ? cgroupWrites(unified === undefined ? rest : { ...rest, unified }, 2, swap) : [];
  const isUnified = (file: string): boolean => unified !== undefined && Object.hasOwn(unified, file);
  const taken = (write: CgroupWrite): boolean => onV1(write.controller === 'io' ? 'blkio' : write.controller) && !isUnified(write.file);
  const ours = first.filter(({ controller }) => onV1(controller));
  const covered = new Set(ours.map(({ controller }) => controller));
  for (const write of second) {
    if (isUnified(write.file) && onV1(write.controller)) refuse(facts, write);
  }
  const theirs = second.filter((write) => !taken(write) && !covered.has(write.controller));
  const handled = new Set([...covered, ...theirs.map(({ controller }) => controller)]);
  const lost = first.filter(({ controller }) => !handled.has(controller) && !(controller === 'blkio' && handled.has('io')));
  return [...ours, ...theirs, ...lost, ...(onV1('devices') ? deviceWritesV1(rules) : [])];
}

function refuse(facts: Facts, write: CgroupWrite): never {
  const { controller } = write;
  const mounted = facts.cgroup.hierarchies.find(({ controllers }) => controllers.includes(controller)) ?? facts.cgroup.hierarchies.find(({ version }) => version === 2);
  const where = mounted === undefined ? undefined : `cgroup "${mounted.own}" at ${mounted.mountpoint}`;
  throw new UnsupportedError({
    attempted: write.data === '' ? `limit ${controller}` : `limit ${controller} to "${write.data}"`,
    reason: mounted === undefined ? `no cgroup hierarchy with controller ${controller} is mounted` : (mounted.refusal ?? `${where ?? ''} has no controller ${controller}`),
    path: mounted?.mountpoint,
    hint: facts.uid !== 0 && mounted?.version === 1 ? 'boot with cgroup v2, which can be delegated to users; or run as root; or leave the limit out' : facts.uid === 0 ? `mount a cgroup hierarchy with controller ${controller} read-write, or leave the limit out` : `set Delegate=${controller === 'blkio' ? 'io' : controller} (or Delegate=yes) in the unit user@${String(facts.uid)}.service, or leave the limit out`,
  });
}
