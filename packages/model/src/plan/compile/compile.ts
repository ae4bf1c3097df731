/** `compile`: spec and facts in, launch plan out. The same input always gives the same plan. */
import { UnsupportedError } from '../../errors/box-error.ts';
import type { Spec } from '../../spec/spec.ts';
import type { Facts } from '../facts.ts';
import type { LaunchPlan, PrepareStep } from '../plan.ts';
import { createBuilder } from './builder.ts';
import { cgroupPath } from './cgroup-path.ts';
import type { CompileOptions, Context } from './context.ts';
import { addDevices, addTerminal } from './devices.ts';
import { addMounts, addReadonlyTmpfs, addSharedSources } from './mounts.ts';
import { addHookStop, addNamespaceSteps, planClone, planNamespaceFiles } from './namespaces.ts';
import { addEarlyProcess, addProcess, addSysctls } from './process.ts';
import { addPathGuards, addRoot, addSwitchRoot } from './rootfs.ts';

/**
 * @throws UnsupportedError where the facts say that this host can't do what the spec asks, SpecError where the spec contradicts itself.
 */
export function compile(spec: Spec, facts: Facts, options: CompileOptions): LaunchPlan {
  const namespaces = spec.linux?.namespaces ?? [];
  const fresh = new Set<string>(namespaces.filter((ns) => ns.path === undefined).map((ns) => ns.type));
  const joined = new Map<string, string>(namespaces.flatMap((ns) => (ns.path === undefined ? [] : [[ns.type, ns.path] as const])));
  const context: Context = { spec, facts, options, b: createBuilder(), userns: fresh.has('user') || joined.has('user'), fresh, joined };
  checkFacts(context);
  checkLabels(context);
  addNamespaceSteps(context);
  addEarlyProcess(context);
  addSharedSources(context);
  addRoot(context);
  addMounts(context);
  addDevices(context);
  addTerminal(context);
  addReadonlyTmpfs(context);
  addSysctls(context);
  addPathGuards(context);
  if (options.hooks === true) addHookStop(context);
  addSwitchRoot(context);
  addProcess(context);
  return {
    version: 1, id: options.id, terminal: spec.process?.terminal === true,
    prepare: [...planCgroup(spec), ...planNamespaceFiles(context)],
    clone: planClone(context), child: context.b.finish(),
    ...(spec.linux?.seccomp === undefined ? {} : { seccomp: spec.linux.seccomp }),
    warnings: context.b.warnings,
  };
}

function planCgroup(spec: Spec): PrepareStep[] {
  const given = spec.linux?.cgroupsPath;
  if (given === undefined) return [];
  return [{ id: 'cgroup', call: 'cgroup', args: { path: cgroupPath(given), resources: spec.linux?.resources ?? {} }, why: 'a budget of its own' }];
}

/** A label means something only where SELinux is on. */
function checkLabels({ b, facts, spec }: Context): void {
  if ((spec.linux?.mountLabel ?? '') === '') return;
  if (facts.lsm.includes('selinux')) throw new UnsupportedError({ attempted: 'honour linux.mountLabel', detail: 'SELinux labels are not applied by this version' });
  b.warnings.push('linux.mountLabel is left out: SELinux is not on');
}

function checkFacts({ fresh, facts, joined, options }: Context): void {
  if (!fresh.has('mount') && !joined.has('mount')) {
    throw new UnsupportedError({ attempted: 'run without a mount namespace', detail: 'a root of its own needs one', hint: 'add { "type": "mount" } to linux.namespaces' });
  }
  if (fresh.has('user') && !facts.userNamespaces.usable) {
    throw new UnsupportedError({ attempted: 'make a user namespace', detail: facts.userNamespaces.refusal ?? 'this kernel refuses it', hint: facts.userNamespaces.hint });
  }
  if (!facts.privileged && !fresh.has('user') && !joined.has('user')) {
    throw new UnsupportedError({ attempted: 'run without a user namespace', detail: `uid ${facts.uid} has no CAP_SYS_ADMIN`, hint: 'leave out --userns host, or run as root' });
  }
  if (joined.has('time')) throw new UnsupportedError({ attempted: `join the time namespace ${joined.get('time') ?? ''}`, detail: 'the launched process shares memory until it executes, and the kernel lets only a process with memory of its own join one (setns(2))', hint: 'use --time private with the same offsets' });
  if (joined.has('pid') && fresh.has('user')) throw new UnsupportedError({ attempted: 'join a pid namespace from a new user namespace', detail: 'joining needs rights over the namespace of the pids', hint: 'join its user namespace too: --userns ns:PATH' });
  if (fresh.has('time') && !facts.timeNamespaces) throw new UnsupportedError({ attempted: 'make a time namespace', detail: 'this kernel has none that is entered by execve (Linux 6.3 and later, CONFIG_TIME_NS)' });
  if (options.root.kind === 'overlay' && facts.overlay.api === 'none') {
    throw new UnsupportedError({ attempted: 'mount the layers', detail: facts.overlay.refusal ?? 'this kernel has no overlay file system', hint: 'use --rootfs DIR, or load the module: modprobe overlay' });
  }
}
