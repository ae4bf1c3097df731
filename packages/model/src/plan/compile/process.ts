/** The process: config.md "Process"; capabilities(7); credentials(7); prctl(2); seccomp(2). */
import { SpecError, UnsupportedError } from '../../errors/box-error.ts';
import { CAPABILITY_NUMBERS } from '../../spec/capabilities.ts';
import type { Spec, SpecCapabilities } from '../../spec/spec.ts';
import { sysctlNamespace } from '../../spec/sysctls.ts';
import { HOLD_READY, SYSTEM_SLOTS } from '../plan.ts';
import { IGNORE, slot, type StepOptions } from './builder.ts';
import type { Context } from './context.ts';
import { PROC_SLOT } from './mounts.ts';
import { addParentAlive, addParentDeath } from './namespaces.ts';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Node ignores SIGPIPE and SIGXFSZ; nohup, background jobs of a shell and services ignore others; an ignored signal outlives execve (signal(7)). */
const RESET_SIGNALS = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGPIPE', 'SIGALRM', 'SIGTERM', 'SIGCHLD', 'SIGCONT', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGXCPU', 'SIGXFSZ', 'SIGWINCH'];

/** Before any mount: written through the host's /proc, which an image can't replace. */
export function addEarlyProcess({ b, spec }: Context): void {
  b.add('umask.clear', 'umask', { mask: 0 }, 'modes are exactly as asked');
  const adj = spec.process?.oomScoreAdj;
  if (adj === undefined) return;
  b.add('oom.open', 'openat2', { dirfd: 'AT_FDCWD', path: '/proc/self/oom_score_adj', flags: ['O_WRONLY', 'O_CLOEXEC'], resolve: [] }, 'process.oomScoreAdj', { result: 'oom' });
  b.add('oom.write', 'write', { fd: slot('oom'), data: String(adj) }, 'process.oomScoreAdj');
}

/** sysctl: written through the descriptor of the fresh proc, so that nothing mounted or linked there can redirect it. */
export function addSysctls({ b, spec, fresh, joined }: Context): void {
  for (const key of Object.keys(spec.linux?.sysctl ?? {})) checkSysctl(key.includes('/') ? key.replaceAll('/', '.') : key, spec, (type) => fresh.has(type) || joined.has(type));
  const sysctls = Object.keys(spec.linux?.sysctl ?? {});
  if (sysctls.length > 0 && spec.mounts?.some(({ type }) => type === 'proc') !== true) {
    throw new SpecError({ pointer: 'linux.sysctl', detail: `found ${sysctls.join(', ')}, but no mount of type proc to write them through`, hint: 'add a proc mount at /proc' });
  }
  for (const [key, value] of Object.entries(spec.linux?.sysctl ?? {})) {
    const path = `sys/${key.includes('/') ? key : key.replaceAll('.', '/')}`;
    b.add(`sysctl.${key}.open`, 'openat2', { dirfd: slot(PROC_SLOT), path, flags: ['O_WRONLY', 'O_CLOEXEC'], resolve: ['RESOLVE_BENEATH', 'RESOLVE_NO_SYMLINKS', 'RESOLVE_NO_XDEV'] }, `sysctl ${key}`, { result: `sysctl.${key}` });
    b.add(`sysctl.${key}.write`, 'write', { fd: slot(`sysctl.${key}`), data: value }, `sysctl ${key}`);
  }
}

/** One that no namespace of the container holds would change the machine. */
function checkSysctl(key: string, spec: Spec, has: (type: string) => boolean): void {
  const pointer = `linux.sysctl.${key}`;
  const namespace = sysctlNamespace(key);
  if (namespace === undefined) throw new SpecError({ pointer, detail: key === 'kernel.hostname' ? 'found the host name, allowed: the field hostname' : 'found a setting of the whole machine, allowed: settings of a namespace of the container' });
  if (!has(namespace)) throw new SpecError({ pointer, detail: `found a setting of the host's ${namespace} namespace, allowed: with { "type": "${namespace}" } in linux.namespaces` });
  const value = spec.linux?.sysctl?.[key];
  if (namespace === 'uts' && spec.domainname !== undefined && spec.domainname !== '' && spec.domainname !== value) throw new SpecError({ pointer, detail: `found ${JSON.stringify(value)} beside the domainname ${JSON.stringify(spec.domainname)}, allowed: the same value` });
}

/** From the standard streams to execve. @throws SpecError without a command, UnsupportedError for ids that the user namespace does not map. */
export function addProcess(context: Context): void {
  const { b, spec, options } = context;
  const process = spec.process;
  if (process?.args === undefined || process.args.length === 0) {
    throw new SpecError({ pointer: 'process.args', detail: 'found no command, allowed: at least one argument' });
  }
  addStdio(context);
  addClosing(context);
  addCwd(context, process.cwd);
  for (const limit of process.rlimits ?? []) b.add(`rlimit.${limit.type}`, 'prlimit64', { resource: limit.type, soft: limit.soft, hard: limit.hard }, limit.type);
  addScheduling(context);
  if (options.hold === true) {
    const command = process.args[0] ?? '';
    b.add('lookup', 'faccessat', { command, candidates: execCandidates(command, process.env ?? []) }, 'find the command');
    addHolder(context);
  }
  b.add('umask', 'umask', { mask: process.user.umask ?? 0o022 }, 'process.user.umask');
  b.add('fds', 'close_range', { first: firstFd(context), flags: ['CLOSE_RANGE_CLOEXEC'] }, 'no descriptor of the launcher leaks');
  for (const signal of RESET_SIGNALS) b.add(`signal.${signal}`, 'rt_sigaction', { signal, handler: 'SIG_DFL' }, 'not ignored, whatever the launcher ignores');
  // ORDER: a filter may refuse whatever comes after it. With no_new_privs it is loaded last; without, while the right to load it is held.
  addIdentity(context);
  addParentDeath(context, 'last');
  addParentAlive(context);
  if (options.hold === true) addHold(context);
  if (spec.linux?.seccomp !== undefined && process.noNewPrivileges === true) addSeccomp(context);
  if (options.init === true) b.add('init', 'clone', { flags: ['CLONE_VM', 'CLONE_VFORK'], parent: 'reaper' }, 'the command as a child; process 1 reaps and passes signals on');
  b.add('signals.unblock', 'rt_sigprocmask', { how: 'SIG_SETMASK', set: [] }, 'blocked since the clone');
  b.add('exec', 'execve', { candidates: execCandidates(process.args[0] ?? '', process.env ?? []), argv: process.args, envp: process.env ?? [] }, 'become the command');
}

/**
 * Nothing of the host may be open when a path of the image is resolved: /proc/self/fd/N/.. would lead out, and close-on-exec comes too late
 * (CVE-2024-21626). What stays are no directories: pipes to the launcher, the file of the reaper, what the caller asked to keep.
 */
function addClosing(context: Context): void {
  const { b, options } = context;
  const except = [...(options.dieWithParent === true ? [slot(SYSTEM_SLOTS.parentAliveWrite)] : []), ...(options.init === true ? [slot(SYSTEM_SLOTS.reaper)] : []), ...(options.hold === true ? [slot(SYSTEM_SLOTS.hold), slot(SYSTEM_SLOTS.holdResult), slot(SYSTEM_SLOTS.holder)] : [])];
  b.add('fds.close', 'close_range', { first: firstFd(context), flags: [], except }, 'no path of the image may lead through a descriptor of the host');
  for (let fd = 3; fd < firstFd(context); fd += 1) b.add(`fds.keep.${fd}`, 'fcntl', { fd, command: 'F_SETFD', value: 0 }, 'asked to be kept', { onError: { action: 'ignore', errno: 'EBADF' } });
}

function firstFd({ options }: Context): number {
  return 3 + (options.preserveFds ?? 0);
}

/** Before the change of user: the program is executed with the rights that the rest of the setup needs. Nobody in the container may trace it. */
function addHolder({ b, options }: Context): void {
  if (options.init === true) throw new UnsupportedError({ attempted: 'hold a process behind an init', detail: 'the two can not be had together' });
  b.add('hold.enter', 'execveat', { fd: slot(SYSTEM_SLOTS.holder) }, 'a program of a few kilobytes does the rest: the launcher may end');
  b.add('hold.undumpable', 'prctl', { option: 'PR_SET_DUMPABLE', args: [0, 0, 0, 0] }, 'no process of the container may trace it');
}

function addHold({ b }: Context): void {
  b.add('hold.ready', 'write', { fd: slot(SYSTEM_SLOTS.holdResult), data: HOLD_READY }, 'all is set up');
  b.add('hold.wait', 'read', { fd: slot(SYSTEM_SLOTS.hold), count: 1 }, 'wait for the start');
}

const NO_MAGICLINKS = ['RESOLVE_NO_MAGICLINKS'];
const DIRECTORY = ['O_PATH', 'O_DIRECTORY', 'O_CLOEXEC'];

/** Magic links, such as /proc/1/root with the host's processes in view, lead out of the root: none is followed. */
function addCwd({ b, options }: Context, cwd: string): void {
  const open = (id: string, path: string, why: string, more: StepOptions): void => b.add(id, 'openat2', { dirfd: 'AT_FDCWD', path, flags: DIRECTORY, resolve: NO_MAGICLINKS }, why, more);
  if (options.createCwd === true) {
    const parts = cwd.split('/').filter((part) => part !== '');
    parts.forEach((part, index) => {
      const parent = `cwd.parent.${index}`;
      open(parent, `/${parts.slice(0, index).join('/')}`, "the image's working directory", { result: parent, onError: { action: 'jump', to: 'cwd' } });
      b.add(`cwd.make.${index}`, 'mkdirat', { dirfd: slot(parent), path: part, mode: 0o755 }, "the image's working directory", { onError: IGNORE });
    });
  }
  open('cwd', cwd, 'process.cwd', { result: 'cwd' });
  b.add('cwd.enter', 'fchdir', { fd: slot('cwd') }, 'process.cwd');
  b.add('cwd.close', 'close', { fd: slot('cwd') }, 'it is the working directory now');
}

function addStdio({ b, spec }: Context): void {
  const terminal = spec.process?.terminal === true;
  const sources = terminal ? ['tty.slave', 'tty.slave', 'tty.slave'] : [SYSTEM_SLOTS.stdin, SYSTEM_SLOTS.stdout, SYSTEM_SLOTS.stderr];
  sources.forEach((name, fd) => b.add(`stdio.${fd}`, 'dup3', { from: slot(name), to: fd }, ['standard input', 'standard output', 'standard error'][fd] ?? ''));
  if (terminal) b.add('stdio.ctty', 'ioctl', { fd: 0, request: 'TIOCSCTTY', value: 0 }, 'the controlling terminal');
}

function addScheduling({ b, spec }: Context): void {
  const { scheduler, ioPriority } = spec.process ?? {};
  if (scheduler !== undefined) {
    if (scheduler.policy !== 'SCHED_OTHER') b.add('sched', 'sched_setscheduler', { policy: scheduler.policy, priority: scheduler.priority ?? 0 }, 'process.scheduler');
    if (scheduler.nice !== undefined) b.add('sched.nice', 'setpriority', { nice: scheduler.nice }, 'process.scheduler.nice');
  }
  if (ioPriority !== undefined) b.add('ioprio', 'ioprio_set', { class: ioPriority.class, priority: ioPriority.priority ?? 0 }, 'process.ioPriority');
  if (spec.linux?.personality !== undefined) b.add('personality', 'personality', { domain: spec.linux.personality.domain }, 'linux.personality');
}

/** ORDER: bounding set while CAP_SETPCAP is held; ids with PR_SET_KEEPCAPS; then the sets; no_new_privs. With it the filter comes later, as late as can be: it needs no right then. */
function addIdentity(context: Context): void {
  const { b, spec } = context;
  const user = spec.process?.user ?? { uid: 0, gid: 0 };
  const wanted = spec.process?.capabilities;
  const noNewPrivileges = spec.process?.noNewPrivileges === true;
  const seccomp = spec.linux?.seccomp !== undefined;
  if (wanted !== undefined) addBounding(context, wanted);
  b.add('caps.keep', 'prctl', { option: 'PR_SET_KEEPCAPS', args: [1] }, 'capabilities outlive the change of user');
  const canSetGroups = !(spec.linux?.gidMappings?.length === 1 && spec.linux.gidMappings[0]?.size === 1 && !context.facts.privileged);
  if (canSetGroups) b.add('groups', 'setgroups', { groups: user.additionalGids ?? [] }, 'process.user.additionalGids');
  else if ((user.additionalGids ?? []).length > 0) b.warnings.push('supplementary groups are left out: an ordinary user with one id can not set groups (user_namespaces(7)); add ranges to /etc/subgid to have them');
  checkMapped(context, 'uid', user.uid);
  checkMapped(context, 'gid', user.gid);
  b.add('gid', 'setresgid', { gid: user.gid }, 'process.user.gid');
  if (seccomp && !noNewPrivileges) addSeccomp(context);
  b.add('uid', 'setresuid', { uid: user.uid }, 'process.user.uid');
  if (wanted !== undefined) addCapabilitySets(context, wanted, user.uid);
  if (noNewPrivileges) b.add('no-new-privs', 'prctl', { option: 'PR_SET_NO_NEW_PRIVS', args: [1] }, 'process.noNewPrivileges');
}

function addSeccomp({ b, spec }: Context): void {
  b.add('seccomp', 'seccomp', { filter: 'plan.seccomp', flags: spec.linux?.seccomp?.flags ?? [] }, 'the filter of system calls');
}

function checkMapped({ spec, userns, fresh }: Context, kind: 'uid' | 'gid', id: number): void {
  const maps = (kind === 'uid' ? spec.linux?.uidMappings : spec.linux?.gidMappings) ?? [];
  // Of a namespace that is joined by a path the maps are not known.
  if (!userns || (!fresh.has('user') && maps.length === 0)) return;
  if (maps.some((map) => id >= map.containerID && id < map.containerID + map.size)) return;
  const ranges = maps.map((map) => `${map.containerID}-${map.containerID + map.size - 1}`).join(', ');
  throw new UnsupportedError({
    attempted: `run as ${kind} ${id}`, detail: `it is not mapped in the user namespace; mapped: ${ranges === '' ? 'none' : ranges}`,
    hint: `give your user a range in /etc/sub${kind} (usermod --add-sub${kind}s 100000-165535 NAME) and install newuidmap (package uidmap)`,
  });
}

function heldCapabilities({ facts, userns, b }: Context, names: readonly string[]): string[] {
  const known = names.filter((name) => CAPABILITY_NUMBERS[name] !== undefined && CAPABILITY_NUMBERS[name] <= facts.lastCapability);
  for (const name of names) if (CAPABILITY_NUMBERS[name] === undefined) b.warnings.push(`unknown capability ${name} is left out`);
  if (userns) return known;
  const lacking = known.filter((name) => !facts.capabilities.includes(name));
  for (const name of lacking) {
    const warning = `capability ${name} is left out: this process does not hold it`;
    if (!b.warnings.includes(warning)) b.warnings.push(warning);
  }
  return known.filter((name) => facts.capabilities.includes(name));
}

function addBounding(context: Context, wanted: SpecCapabilities): void {
  const { b, facts } = context;
  const keep = new Set(heldCapabilities(context, wanted.bounding ?? []));
  for (const [name, number] of Object.entries(CAPABILITY_NUMBERS)) {
    if (number <= facts.lastCapability && !keep.has(name)) b.add(`caps.drop.${name}`, 'prctl', { option: 'PR_CAPBSET_DROP', args: [number] }, `${name} can not be gained`);
  }
}

function addCapabilitySets(context: Context, wanted: SpecCapabilities, uid: number): void {
  const { b } = context;
  const held = (names: readonly string[] | undefined): string[] => heldCapabilities(context, names ?? []);
  // As docker and podman: a user other than root starts with no effective capability that is not ambient.
  // The kernel raises a capability to ambient only where it is permitted and inheritable (capabilities(7)); `runc spec` writes others too.
  const raisable = (name: string): boolean => wanted.permitted?.includes(name) === true && wanted.inheritable?.includes(name) === true;
  const ambient = held(wanted.ambient).filter(raisable);
  for (const name of held(wanted.ambient)) if (!raisable(name)) b.warnings.push(`ambient ${name} is left out: it is not both permitted and inheritable`);
  const effective = uid === 0 ? held(wanted.effective) : held(wanted.effective).filter((name) => ambient.includes(name));
  const permitted = uid === 0 ? held(wanted.permitted) : held(wanted.permitted).filter((name) => ambient.includes(name));
  b.add('caps.set', 'capset', { effective, permitted, inheritable: held(wanted.inheritable) }, 'process.capabilities');
  b.add('caps.ambient.clear', 'prctl', { option: 'PR_CAP_AMBIENT', args: ['PR_CAP_AMBIENT_CLEAR_ALL'] }, 'no ambient capability but those asked for');
  for (const name of ambient) b.add(`caps.ambient.${name}`, 'prctl', { option: 'PR_CAP_AMBIENT', args: ['PR_CAP_AMBIENT_RAISE', CAPABILITY_NUMBERS[name] ?? 0] }, `ambient ${name}`);
}

/** Where execve looks: the name itself when it has a slash, else each directory of PATH (an empty one is the current directory). */
function execCandidates(command: string, env: readonly string[]): string[] {
  if (command === '') return [''];
  if (command.includes('/')) return [command];
  const path = env.find((entry) => entry.startsWith('PATH='))?.slice(5) ?? DEFAULT_PATH;
  return path.split(':').map((dir) => `${dir === '' ? '.' : dir}/${command}`);
}
