/**
 * config.json, read as untrusted input: types by shape.ts, then the rules that concern several fields.
 * Source: OCI runtime-spec 1.2; where it is silent, what runc refuses.
 */
import { SpecError, UnsupportedError } from '../errors/box-error.ts';
import { CAPABILITY_NUMBERS } from './capabilities.ts';
import { bad, joinPointer } from './check.ts';
import { exceeds } from './rlimits.ts';
import { specShape } from './shape.ts';
import type { IdMapping, NamespaceType, Spec, SpecCapabilities, SpecLinux, SpecProcess } from './spec.ts';

export interface ParsedSpec {
  readonly spec: Spec;
  readonly warnings: string[];
}

/** __NEW_UTS_LEN of linux/utsname.h, for host and domain name each. */
const UTS_NAME_MAX = 64;

/**
 * @throws SpecError with the JSON path of the first wrong field, UnsupportedError for a field this version can't honour.
 */
export function parseSpec(value: unknown): ParsedSpec {
  const spec = specShape(value, '');
  const warnings: string[] = [];
  if (!/^1\.\d+\.\d+(?:[-+].*)?$/.test(spec.ociVersion)) throw bad('ociVersion', spec.ociVersion, 'a version 1.x.y');
  checkUtsNames(spec);
  if (spec.linux !== undefined) checkLinux(spec.linux);
  checkSupported(spec);
  const mounts = spec.mounts?.map((mount, index) => {
    if (mount.destination.startsWith('/')) return mount;
    warnings.push(`mounts[${index}].destination "${mount.destination}" is read as "/${mount.destination}": it should be an absolute path`);
    return { ...mount, destination: `/${mount.destination}` };
  });
  const process = spec.process === undefined ? undefined : checkProcess(spec.process, warnings);
  return { spec: { ...spec, ...(mounts === undefined ? {} : { mounts }), ...(process === undefined ? {} : { process }) }, warnings };
}

/** Bytes in UTF-8: the kernel counts bytes. */
export function byteLength(text: string): number {
  let length = 0;
  for (const char of text) {
    const point = char.codePointAt(0) ?? 0;
    length += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x1_0000 ? 3 : 4;
  }
  return length;
}

/** Host and domain name are limited each for itself (kontena#825). Undefined: it fits. */
export function utsNameProblem(name: string): string | undefined {
  const length = byteLength(name);
  return length <= UTS_NAME_MAX ? undefined : `found ${length} bytes, allowed: at most ${UTS_NAME_MAX} bytes`;
}

function checkUtsNames(spec: Spec): void {
  for (const pointer of ['hostname', 'domainname'] as const) {
    const name = spec[pointer];
    if (name === undefined || name === '') continue;
    const problem = utsNameProblem(name);
    if (problem !== undefined) throw new SpecError({ pointer, detail: problem });
    if (!hasNamespace(spec.linux, 'uts')) throw new SpecError({ pointer, detail: `found ${JSON.stringify(name)} without a uts namespace, allowed: a name together with { "type": "uts" } in linux.namespaces` });
  }
}

function hasNamespace(linux: SpecLinux | undefined, type: NamespaceType): boolean {
  return linux?.namespaces?.some((namespace) => namespace.type === type) === true;
}

function checkLinux(linux: SpecLinux): void {
  const seen = new Set<string>();
  linux.namespaces?.forEach(({ type, path }, index) => {
    if (seen.has(type)) throw new SpecError({ pointer: `linux.namespaces[${index}].type`, detail: `found "${type}" a second time, allowed: each type once` });
    seen.add(type);
    if (path !== undefined && path !== '' && !path.startsWith('/')) throw bad(`linux.namespaces[${index}].path`, path, 'an absolute path');
  });
  checkMappings(linux);
  for (const [clock] of Object.entries(linux.timeOffsets ?? {})) {
    if (clock !== 'monotonic' && clock !== 'boottime') throw new SpecError({ pointer: joinPointer('linux.timeOffsets', clock), detail: `found the clock "${clock}", allowed: monotonic, boottime` });
    if (!seen.has('time')) throw new SpecError({ pointer: 'linux.timeOffsets', detail: 'found offsets without a time namespace, allowed: offsets together with { "type": "time" } in linux.namespaces' });
  }
  linux.devices?.forEach((device, index) => {
    if (device.type !== 'p' && (device.major === undefined || device.minor === undefined)) throw new SpecError({ pointer: `linux.devices[${index}]`, detail: `found type "${device.type}" without numbers, allowed: major and minor with every type but "p"` });
  });
  if (linux.resources?.cpu?.idle === -1) throw bad('linux.resources.cpu.idle', -1, '0 or 1');
}

/** A new user namespace without mappings is fine here: crun's own rootless specs have none, and get the default ones (withDefaultMappings). */
function checkMappings(linux: SpecLinux): void {
  const user = linux.namespaces?.find((namespace) => namespace.type === 'user');
  for (const kind of ['uidMappings', 'gidMappings'] as const) {
    const maps = linux[kind] ?? [];
    const pointer = `linux.${kind}`;
    if (maps.length > 0 && user === undefined) throw new SpecError({ pointer, detail: 'found mappings without a user namespace, allowed: mappings together with { "type": "user" } in linux.namespaces' });
    maps.forEach((map, index) => checkOverlap(maps, map, index, pointer));
  }
}

/** The kernel refuses maps that overlap, on either side, with a bare EINVAL: user_namespaces(7). */
function checkOverlap(maps: readonly IdMapping[], map: IdMapping, index: number, pointer: string): void {
  for (const side of ['containerID', 'hostID'] as const) {
    const other = maps.findIndex((candidate, at) => at < index && map[side] < candidate[side] + candidate.size && candidate[side] < map[side] + map.size);
    if (other >= 0) throw new SpecError({ pointer: `${pointer}[${index}].${side}`, detail: `found ids ${map[side]} to ${map[side] + map.size - 1} that overlap ${pointer}[${other}], allowed: ranges apart from each other` });
    if (map[side] + map.size > 0xffff_ffff) throw new SpecError({ pointer: `${pointer}[${index}].size`, detail: `found ids up to ${map[side] + map.size - 1}, allowed: up to 4294967294` });
  }
}

function checkProcess(process: SpecProcess, warnings: string[]): SpecProcess {
  process.env?.forEach((entry, index) => {
    if (entry.indexOf('=') < 1) throw bad(`process.env[${index}]`, entry, 'NAME=VALUE');
  });
  const seen = new Set<string>();
  process.rlimits?.forEach((rlimit, index) => {
    if (seen.has(rlimit.type)) throw new SpecError({ pointer: `process.rlimits[${index}].type`, detail: `found "${rlimit.type}" a second time, allowed: each type once` });
    seen.add(rlimit.type);
    if (exceeds(rlimit.soft, rlimit.hard)) throw new SpecError({ pointer: `process.rlimits[${index}].soft`, detail: `found ${rlimit.soft} above hard ${rlimit.hard}, allowed: soft up to hard` });
  });
  return process.capabilities === undefined ? process : { ...process, capabilities: dropUnknownCapabilities(process.capabilities, warnings) };
}

/** "Any value which cannot be mapped to a relevant kernel interface … MUST be logged as a warning": config.md, since 1.0.3 (runc#2854). */
function dropUnknownCapabilities(capabilities: SpecCapabilities, warnings: string[]): SpecCapabilities {
  const unknown = new Set<string>();
  const kept = Object.entries(capabilities).map(([set, names]: [string, readonly string[]]) => [set, names.filter((name) => {
    const known = Object.hasOwn(CAPABILITY_NUMBERS, name);
    if (!known) unknown.add(name);
    return known;
  })]);
  for (const name of unknown) warnings.push(`process.capabilities: unknown capability ${name} is left out`);
  return Object.fromEntries(kept) as SpecCapabilities;
}

/** Fields that change what a process may do and that this version has no way to honour: passing over them would be unsafe. */
function checkSupported({ process, linux, mounts }: Spec): void {
  const fields: readonly (readonly [pointer: string, given: boolean, why: string])[] = [
    ['process.apparmorProfile', !['', 'unconfined', undefined].includes(process?.apparmorProfile), 'AppArmor profiles are not applied by this version'],
    ['process.selinuxLabel', (process?.selinuxLabel ?? '') !== '', 'SELinux labels are not applied by this version'],
    ['process.execCPUAffinity', process?.execCPUAffinity !== undefined, 'CPU affinity of exec is not applied by this version: use linux.resources.cpu.cpus'],
    ['process.scheduler.policy', process?.scheduler?.policy === 'SCHED_DEADLINE', 'deadline scheduling is not applied by this version'],
    ['linux.intelRdt', linux?.intelRdt !== undefined, 'resource director technology is not applied by this version'],
    ['linux.netDevices', Object.keys(linux?.netDevices ?? {}).length > 0, 'network devices are not moved by this version'],
    ['linux.seccomp.listenerPath', (linux?.seccomp?.listenerPath ?? '') !== '', 'a seccomp listener is not passed on by this version'],
    ...(mounts ?? []).map((mount, index) => [`mounts[${index}].uidMappings`, (mount.uidMappings ?? mount.gidMappings) !== undefined, 'mounts with id mappings of their own are not made by this version'] as const),
  ];
  for (const [pointer, given, why] of fields) if (given) throw new UnsupportedError({ attempted: `honour ${pointer}`, detail: why });
}
