/** From docker's flags to the OCI spec of the container. Pure: all it asks of the host comes through the context. */
import { UnsupportedError, UsageError } from '../errors/box-error.ts';
import type { Facts } from '../plan/facts.ts';
import type { ImageConfig } from '../spec/image-config.ts';
import { parseSignal } from '../spec/signals.ts';
import type { DeviceRule, Spec, SpecDevice, SpecMount, SpecResources } from '../spec/spec.ts';
import { utsNameProblem } from '../spec/validate.ts';
import { capabilitySets, chooseCapabilities } from './capabilities.ts';
import { defaultMounts, mergeMounts } from './default-mounts.ts';
import { parseDevice } from './devices.ts';
import { parseAddHost, parseDns } from './etc-files.ts';
import { defaultIdMaps, isSingleId, namespaceModes, specNamespaces, type IdMaps, type NamespaceModes } from './namespaces.ts';
import { parseInteger, parseSize } from './numbers.ts';
import { cleanPath } from './paths.ts';
import { buildEnv, chooseCommand, chooseCwd, chooseLabels, chooseUser } from './process.ts';
import { parseResources, parseRlimits } from './resources.ts';
import { checkContainerName, checkRunOptions, type OptionContext, type RunOptions, type SpecResult } from './run-options.ts';
import { chooseSeccomp, parseSecurityOptions } from './security.ts';
import { parseSysctls } from './sysctls.ts';
import { parseMount, parseTmpfs, parseVolume, type UserMount } from './volumes.ts';

/** The oldest version that has every field we write: older runtimes refuse a number they don't know (crun 1.8: "unknown version"). */
const SPEC_VERSION = '1.0.2';
/** The first with time namespaces and domainname. */
const SPEC_VERSION_NEW = '1.2.0';
const DEFAULT_STOP_SIGNAL = 'SIGTERM';
const DEFAULT_SHM_SIZE = '64m';
/** Docker's own length of an id in a host name. */
const SHORT_ID = 12;

/**
 * @throws UsageError for a flag that can't be understood, UnsupportedError for one that can't be honoured here,
 * SpecError for a wrong field of a seccomp profile, BoxError ERR_TSCBOX_USER_NOT_FOUND for an unknown user or group.
 */
export function specFromOptions(options: RunOptions, command: readonly string[], imageConfig: ImageConfig | undefined, context: OptionContext): SpecResult {
  checkRunOptions(options);
  if (options.name !== undefined) checkContainerName(options.name);
  (options.addHosts ?? []).forEach(parseAddHost);
  (options.dns ?? []).forEach(parseDns);
  const config = imageConfig?.config;
  const { facts } = context;
  const warnings: string[] = [];
  const modes = namespaceModes(options, facts);
  const idMaps = modes.user.kind === 'private' ? defaultIdMaps(facts) : undefined;
  const userns = modes.user.kind !== 'host';
  const names = chooseNames(options, modes, context.id);
  const capabilities = chooseCapabilities(options, facts, userns);
  const security = parseSecurityOptions(options, context);
  const seccomp = chooseSeccomp(security, capabilities, context, warnings);
  const { user, home } = chooseUser(options, config, idMaps, context);
  const cwd = chooseCwd(options, config);
  const devices = chooseDevices(options, userns, context, warnings);
  const mounts = chooseMounts(options, modes, idMaps, devices.mounts, context);
  const rlimits = parseRlimits(options.ulimits ?? [], facts);
  const sysctl = parseSysctls(options.sysctls ?? [], modes);
  const spec: Spec = {
    ociVersion: modes.time.kind !== 'host' || names.domainname !== undefined ? SPEC_VERSION_NEW : SPEC_VERSION,
    root: { path: 'rootfs', readonly: options.readOnly === true },
    mounts: mounts.mounts,
    process: {
      terminal: options.terminal === true, user, args: chooseCommand(options, command, config), env: buildEnv(options, config, names.hostname, home, context), cwd: cwd.cwd,
      capabilities: capabilitySets(capabilities, user.uid), noNewPrivileges: security.noNewPrivileges,
      ...(rlimits.length === 0 ? {} : { rlimits }),
      ...(options.oomScoreAdj === undefined ? {} : { oomScoreAdj: parseInteger(options.oomScoreAdj, '--oom-score-adj', -1000, 1000) }),
    },
    ...names,
    linux: {
      namespaces: specNamespaces(modes),
      ...idMaps,
      ...(devices.nodes.length === 0 ? {} : { devices: devices.nodes }),
      cgroupsPath: chooseCgroup(options.cgroupParent, context.id),
      resources: withDevices(parseResources(options, facts), devices.rules),
      ...(seccomp === undefined ? {} : { seccomp }),
      ...(Object.keys(sysctl).length === 0 ? {} : { sysctl }),
      maskedPaths: security.maskedPaths, readonlyPaths: security.readonlyPaths,
    },
  };
  return {
    spec, warnings, stopSignal: parseSignal(options.stopSignal ?? (config?.StopSignal || DEFAULT_STOP_SIGNAL)), labels: chooseLabels(options, config),
    sources: mounts.sources, createDirectories: mounts.missing, init: options.init === true, createCwd: cwd.create,
  };
}

/** @throws UsageError for names that are too long, or that would change the host's. */
function chooseNames(options: RunOptions, modes: NamespaceModes, id: string): { readonly hostname?: string; readonly domainname?: string } {
  const given = [['--hostname', options.hostname], ['--domainname', options.domainname]] as const;
  for (const [option, name] of given) {
    if (name === undefined || name === '') continue;
    if (modes.uts.kind !== 'private') throw new UsageError({ attempted: `read ${option}`, detail: `found "${name}" together with --uts ${modes.uts.kind === 'host' ? 'host' : 'ns:PATH'}, allowed: one of them`, hint: 'it would change the name of the machine or of another container' });
    const problem = utsNameProblem(name);
    if (problem !== undefined) throw new UsageError({ attempted: `read ${option}`, detail: problem });
    if (/[\s/]/.test(name)) throw new UsageError({ attempted: `read ${option}`, detail: `found "${name}", allowed: a name without blanks and slashes` });
  }
  const domainname = options.domainname === undefined || options.domainname === '' ? {} : { domainname: options.domainname };
  if (options.hostname !== undefined && options.hostname !== '') return { hostname: options.hostname, ...domainname };
  // A joined namespace has its name already.
  return modes.uts.kind === 'private' ? { hostname: id.slice(0, SHORT_ID), ...domainname } : domainname;
}

function chooseCgroup(parent: string | undefined, id: string): string {
  if (parent === undefined || parent === '') return `/tsc-box/${id}`;
  if (parent.split('/').includes('..')) throw new UsageError({ attempted: 'read --cgroup-parent', detail: `found "${parent}", allowed: a path without ".."` });
  return cleanPath(`/${parent}/${id}`);
}

interface ChosenDevices {
  readonly nodes: readonly SpecDevice[];
  /** Undefined: no rule is set. */
  readonly rules: readonly DeviceRule[];
  readonly mounts: readonly UserMount[];
}

/** Only the initial user namespace may make nodes (mknod(2)): in another the host's own node is bind-mounted. */
function chooseDevices(options: RunOptions, userns: boolean, context: OptionContext, warnings: string[]): ChosenDevices {
  const asked = (options.devices ?? []).map((text) => parseDevice(text, context));
  const privileged = options.privileged === true;
  const host = privileged ? hostDevices(context, warnings) : [];
  const rules = !context.facts.privileged || !canListDevices(context.facts, privileged, warnings) ? [] : privileged ? [{ allow: true, access: 'rwm' }] : [{ allow: false, access: 'rwm' }, ...asked.map(({ rule }) => rule)];
  const given = new Set(asked.map(({ device }) => device.path));
  const all = [...asked, ...host.filter(({ path }) => !given.has(path)).map((device) => ({ source: device.path, device }))];
  if (!userns) return { nodes: all.map(({ device }) => device), rules, mounts: [] };
  const mounts = all.map(({ source, device }): UserMount => ({ mount: { destination: device.path, type: 'bind', source, options: ['bind', 'rprivate'] }, source: { path: source, kind: 'file' } }));
  return { nodes: [], rules, mounts };
}

/** Inside another container the control groups often are read-only: what holds for this process then holds for its children. */
function canListDevices({ cgroup }: Facts, privileged: boolean, warnings: string[]): boolean {
  const able = cgroup.hierarchies.filter(({ version, controllers }) => version === 2 || controllers.includes('devices'));
  if (able.length === 0 || able.some(({ parent }) => parent !== undefined)) return true;
  const why = able.find(({ refusal }) => refusal !== undefined)?.refusal ?? 'the control groups can not be written to';
  if (!privileged) warnings.push(`no list of allowed devices is set: ${why}; the container may use those that this process may`);
  return false;
}

/** What a fresh /dev has anyway, and terminals of the host, are left out. */
function hostDevices(context: OptionContext, warnings: string[]): readonly SpecDevice[] {
  if (context.hostDevices === undefined) {
    warnings.push("--privileged: the host's device nodes can't be listed here and are not in /dev; name those you need with --device");
    return [];
  }
  const present = new Set(['null', 'zero', 'full', 'random', 'urandom', 'tty', 'ptmx', 'console'].map((name) => `/dev/${name}`));
  return context.hostDevices().filter(({ path }) => !present.has(path) && !path.startsWith('/dev/pts/') && !path.startsWith('/dev/shm/') && !path.startsWith('/dev/mqueue/'));
}

function withDevices(resources: SpecResources, rules: readonly DeviceRule[]): SpecResources {
  return rules.length === 0 ? resources : { ...resources, devices: rules };
}

interface ChosenMounts {
  readonly mounts: readonly SpecMount[];
  readonly sources: Record<string, 'file' | 'directory'>;
  readonly missing: readonly string[];
}

function chooseMounts(options: RunOptions, modes: NamespaceModes, idMaps: IdMaps | undefined, devices: readonly UserMount[], context: OptionContext): ChosenMounts {
  const users = [
    ...(options.volumes ?? []).map((text) => parseVolume(text, context)),
    ...(options.mounts ?? []).map((text) => parseMount(text, context)),
    ...(options.tmpfs ?? []).map(parseTmpfs),
    ...devices,
  ];
  checkDuplicates(users);
  const shmSize = parseSize(options.shmSize ?? DEFAULT_SHM_SIZE, '--shm-size');
  if (shmSize === 0) throw new UsageError({ attempted: 'read --shm-size', detail: 'found 0, allowed: at least 1 byte' });
  if (isSingleId(idMaps)) checkTmpfsOwners(users);
  const sources: Record<string, 'file' | 'directory'> = {};
  for (const { source } of users) if (source !== undefined) sources[source.path] = source.kind === 'file' ? 'file' : 'directory';
  const missing = users.flatMap(({ source }) => (source?.kind === 'missing' ? [source.path] : []));
  const defaults = defaultMounts({
    modes, idMaps, privileged: options.privileged === true, shmSize, freshRun: context.image === 'host', hostHas: (path) => context.hostPath(path) !== undefined,
  });
  return { mounts: mergeMounts(defaults, users), sources, missing: [...new Set(missing)] };
}

function checkDuplicates(users: readonly UserMount[]): void {
  const seen = new Set<string>();
  for (const { mount: { destination } } of users) {
    if (seen.has(destination)) throw new UsageError({ attempted: 'read the mounts', detail: `found two at "${destination}", allowed: one mount a place` });
    seen.add(destination);
  }
}

/** tmpfs refuses ids that the user namespace does not map, with a bare EINVAL: tmpfs(5). */
function checkTmpfsOwners(users: readonly UserMount[]): void {
  for (const { mount } of users) {
    const owner = mount.type === 'tmpfs' ? mount.options?.find((option) => /^[ug]id=(?!0+$)/.test(option)) : undefined;
    if (owner !== undefined) throw new UnsupportedError({ attempted: `mount a tmpfs at "${mount.destination}" with ${owner}`, detail: 'only id 0 is mapped in this user namespace' });
  }
}
