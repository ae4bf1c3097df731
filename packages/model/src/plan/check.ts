/** `tsc-box check`: compares a plan with the facts of a host and says which step would fail, before anything is run. */
import { CAPABILITY_NUMBERS } from '../spec/capabilities.ts';
import type { SpecResources } from '../spec/spec.ts';
import type { Facts } from './facts.ts';
import type { ChildStep, LaunchPlan } from './plan.ts';

export interface CheckResult {
  /** Plan step id, or the part of the plan: `clone`. */
  readonly step: string;
  /** What the step is for: a short clause. */
  readonly what: string;
  readonly ok: boolean;
  readonly reason?: string;
  readonly hint?: string;
}

const pass = (step: string, what: string, reason?: string): CheckResult => ({ step, what, ok: true, ...(reason === undefined ? {} : { reason }) });
const fail = (step: string, what: string, reason: string, hint?: string): CheckResult => ({ step, what, ok: false, reason, ...(hint === undefined ? {} : { hint }) });

/** Every part of the plan that a host may lack, in the plan's order. A step that isn't named needs nothing but Linux 5.12. */
export function checkPlan(plan: LaunchPlan, facts: Facts): CheckResult[] {
  return [
    checkKernel(facts), checkClone(plan, facts), ...checkIdMaps(plan, facts), ...checkCgroup(plan, facts),
    ...checkRoot(plan, facts), ...plan.child.flatMap((step) => checkStep(step, facts)), ...checkSeccomp(plan, facts),
  ];
}

function checkKernel({ kernel: [major, minor] }: Facts): CheckResult {
  const what = `Linux ${major}.${minor}`;
  return major > 5 || (major === 5 && minor >= 12) ? pass('kernel', what) : fail('kernel', what, 'mounts by descriptor (mount_setattr) need Linux 5.12 or later');
}

function checkClone({ clone }: LaunchPlan, facts: Facts): CheckResult {
  const what = `new namespaces: ${clone.flags.map((flag) => flag.replace('CLONE_NEW', '').toLowerCase()).join(' ') || 'none'}`;
  if (clone.flags.includes('CLONE_NEWUSER') && !facts.userNamespaces.usable) return fail('clone', what, facts.userNamespaces.refusal ?? 'user namespaces are forbidden here', facts.userNamespaces.hint);
  if (clone.flags.length > 0 && !clone.flags.includes('CLONE_NEWUSER') && !facts.privileged) return fail('clone', what, `uid ${facts.uid} has no CAP_SYS_ADMIN`, 'use a user namespace: leave out --userns host');
  return pass('clone', what);
}

function checkIdMaps({ clone }: LaunchPlan, facts: Facts): CheckResult[] {
  const maps = clone.idMaps;
  if (maps === undefined) return [];
  const what = `ids in the container: ${maps.uid.map((map) => (map.size === 1 ? String(map.containerID) : `${map.containerID}-${map.containerID + map.size - 1}`)).join(', ')}`;
  if (maps.writer === 'newuidmap' && facts.subuid.length === 0) return [fail('clone.id-maps', what, 'no range in /etc/subuid, or newuidmap is not installed', 'install the package uidmap and run: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME')];
  return [pass('clone.id-maps', what, maps.setgroups === 'deny' ? 'one id only: other users and groups of the image can not be used; ranges in /etc/subuid and /etc/subgid give more' : undefined)];
}

const CONTROLLERS: readonly (readonly [key: keyof SpecResources, controller: string])[] = [
  ['memory', 'memory'], ['cpu', 'cpu'], ['pids', 'pids'], ['blockIO', 'io'], ['hugepageLimits', 'hugetlb'], ['rdma', 'rdma'],
];

function checkCgroup(plan: LaunchPlan, facts: Facts): CheckResult[] {
  const step = plan.prepare.find((prepare) => prepare.call === 'cgroup');
  if (step?.call !== 'cgroup') return [];
  const { resources } = step.args;
  return CONTROLLERS.filter(([key]) => resources[key] !== undefined).map(([key, name]) => {
    const what = `limit by the ${name} controller`;
    const hierarchy = facts.cgroup.hierarchies.find(({ controllers, version }) => controllers.includes(version === 1 && key === 'blockIO' ? 'blkio' : name));
    if (hierarchy === undefined) return fail('cgroup', what, `this host has no ${name} controller`);
    if (hierarchy.parent === undefined) return fail('cgroup', what, hierarchy.refusal ?? `no cgroup may be made in ${hierarchy.mountpoint}`, 'run as root, or have it delegated (systemd: Delegate=yes)');
    if (hierarchy.version === 2 && facts.uid !== 0 && hierarchy.delegated?.includes(name) !== true) {
      return fail('cgroup', what, `the cgroup ${hierarchy.mountpoint}${hierarchy.parent} does not have the ${name} controller`, `give it: Delegate=${name} in the systemd unit user@.service`);
    }
    return pass('cgroup', what);
  });
}

function checkRoot(plan: LaunchPlan, facts: Facts): CheckResult[] {
  const overlay = plan.child.some((step) => step.id === 'root.create' || step.id === 'root.overlay');
  const pivot = plan.child.some((step) => step.call === 'pivot_root');
  return [
    ...(overlay ? [facts.overlay.api === 'none' ? fail('root', 'union of the layers', facts.overlay.refusal ?? 'no overlay file system', 'load it as root: modprobe overlay') : pass('root', `union of the layers by ${facts.overlay.api}`)] : []),
    pass('switch', pivot ? 'root switched by pivot_root' : 'root switched by MS_MOVE and chroot'),
  ];
}

function checkStep(step: ChildStep, facts: Facts): CheckResult[] {
  if (step.call === 'prlimit64') {
    const held = facts.hardRlimits[step.args.resource];
    const raises = held !== undefined && (step.args.hard < 0 || step.args.hard > held);
    return [raises && !facts.capabilities.includes('CAP_SYS_RESOURCE') ? fail(step.id, step.why, `the hard limit of this process is ${held}, more needs CAP_SYS_RESOURCE`, `ask for at most ${held}`) : pass(step.id, step.why)];
  }
  if (step.call === 'capset') {
    const unknown = step.args.permitted.filter((name) => (CAPABILITY_NUMBERS[name] ?? 99) > facts.lastCapability);
    return [unknown.length > 0 ? fail(step.id, step.why, `this kernel has no ${unknown.join(', ')}`) : pass(step.id, step.why)];
  }
  return [];
}

function checkSeccomp({ seccomp }: LaunchPlan, facts: Facts): CheckResult[] {
  if (seccomp === undefined) return [];
  const hint = 'use --security-opt seccomp=unconfined to go without';
  if (!facts.seccomp.filter) return [fail('seccomp', 'filter of system calls', 'this kernel has no seccomp filters', hint)];
  if (facts.seccomp.libseccomp === undefined) return [fail('seccomp', 'filter of system calls', 'libseccomp.so.2 is not installed', `install it (Debian: libseccomp2); or ${hint}`)];
  return [pass('seccomp', 'filter of system calls')];
}
