/**
 * Which devices a container may open or make. v1: the files devices.allow and devices.deny (cgroup-v1/devices.rst).
 * v2: a BPF program of type BPF_PROG_TYPE_CGROUP_DEVICE (cgroup-v2.rst "Device controller"), assembled in device-program.ts.
 */
import { UnsupportedError } from '../errors/box-error.ts';
import type { DeviceRule } from '../spec/spec.ts';
import type { CgroupWrite } from './write.ts';

const allow = (type: 'c' | 'b', major: number | undefined, minor: number | undefined, access: string): DeviceRule => ({
  allow: true,
  type,
  ...(major === undefined ? {} : { major }),
  ...(minor === undefined ? {} : { minor }),
  access,
});

/** What every container may use: mknod of anything, null zero full tty random urandom, terminals (OCI config-linux.md "Default Devices"). */
export const DEFAULT_ALLOWED_DEVICES: readonly DeviceRule[] = [
  allow('c', undefined, undefined, 'm'),
  allow('b', undefined, undefined, 'm'),
  allow('c', 1, 3, 'rwm'),
  allow('c', 1, 5, 'rwm'),
  allow('c', 1, 7, 'rwm'),
  allow('c', 1, 8, 'rwm'),
  allow('c', 1, 9, 'rwm'),
  allow('c', 5, 0, 'rwm'),
  allow('c', 5, 2, 'rwm'),
  allow('c', 136, undefined, 'rwm'),
];

/** Docker's list as a spec would hold it: nothing, then what every container may use. */
export const DEFAULT_DEVICE_RULES: readonly DeviceRule[] = [{ allow: false, access: 'rwm' }, ...DEFAULT_ALLOWED_DEVICES];

/** A rule with everything filled in. -1 is "every number"; access is a set of m=1, r=2, w=4, the kernel's BPF_DEVCG_ACC_*. */
export interface DeviceEntry {
  readonly allow: boolean;
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
  readonly access: number;
}

export interface DevicePolicy {
  readonly defaultAllow: boolean;
  /** In order; the last one that matches decides. */
  readonly entries: readonly DeviceEntry[];
}

const ACCESS_BITS = { m: 1, r: 2, w: 4 } as const;
export const ALL_ACCESS = 7;

export function accessMask(access: string | undefined): number {
  if (access === undefined || access === '') return ALL_ACCESS;
  let mask = 0;
  for (const letter of access) mask |= letter === 'm' || letter === 'r' || letter === 'w' ? ACCESS_BITS[letter] : 0;
  return mask;
}

function accessText(mask: number): string {
  return (mask & 2 ? 'r' : '') + (mask & 4 ? 'w' : '') + (mask & 1 ? 'm' : '');
}

/** A list is present: it is followed by what every container may use, as runc and crun do. Absent or empty: devices stay untouched. */
export function effectiveDeviceRules(rules: readonly DeviceRule[] | undefined): readonly DeviceRule[] {
  return rules === undefined || rules.length === 0 ? [] : [...rules, ...DEFAULT_ALLOWED_DEVICES];
}

/** Starts from "nothing allowed". A rule for every device starts over; one without a type but with numbers stands for both types. */
export function resolveDeviceRules(rules: readonly DeviceRule[]): DevicePolicy {
  let defaultAllow = false;
  let entries: DeviceEntry[] = [];
  for (const rule of rules) {
    const access = accessMask(rule.access);
    const major = rule.major ?? -1;
    const minor = rule.minor ?? -1;
    const types: readonly ('c' | 'b')[] = rule.type === 'c' || rule.type === 'b' ? [rule.type] : ['c', 'b'];
    if (types.length === 2 && major < 0 && minor < 0 && access === ALL_ACCESS) {
      defaultAllow = rule.allow;
      entries = [];
    } else {
      for (const type of types) entries.push({ allow: rule.allow, type, major, minor, access });
    }
  }
  return { defaultAllow, entries };
}

function overlaps(a: DeviceEntry, b: DeviceEntry): boolean {
  const meets = (x: number, y: number): boolean => x < 0 || y < 0 || x === y;
  return a.type === b.type && meets(a.major, b.major) && meets(a.minor, b.minor) && (a.access & b.access) !== 0;
}

/**
 * v1 knows a default and exceptions to it, and no order between exceptions. An entry that agrees with the default only takes back
 * exceptions with the very same numbers; one that would have to cut a hole into a wider exception can't be said.
 */
export function deviceWritesV1(rules: readonly DeviceRule[]): readonly CgroupWrite[] {
  if (rules.length === 0) return [];
  const { defaultAllow, entries } = resolveDeviceRules(rules);
  const exceptions = new Map<string, DeviceEntry>();
  for (const entry of entries) {
    const key = `${entry.type} ${entry.major < 0 ? '*' : String(entry.major)}:${entry.minor < 0 ? '*' : String(entry.minor)}`;
    const before = exceptions.get(key);
    if (entry.allow !== defaultAllow) {
      exceptions.set(key, { ...entry, access: entry.access | (before?.access ?? 0) });
      continue;
    }
    if (before !== undefined) {
      const access = before.access & ~entry.access;
      if (access === 0) exceptions.delete(key);
      else exceptions.set(key, { ...before, access });
    }
    for (const [otherKey, other] of exceptions) if (otherKey !== key && overlaps(other, entry)) takeBack(exceptions, otherKey, other, entry, key);
  }
  const writes: CgroupWrite[] = [{ controller: 'devices', file: defaultAllow ? 'devices.allow' : 'devices.deny', data: 'a', why: defaultAllow ? 'every device' : 'no device but those that follow' }];
  for (const [key, entry] of exceptions) {
    writes.push({ controller: 'devices', file: defaultAllow ? 'devices.deny' : 'devices.allow', data: `${key} ${accessText(entry.access)}`, why: defaultAllow ? 'except this device' : 'this device' });
  }
  return writes;
}

/** A wider entry takes narrower exceptions back whole; a narrower one can't cut into a wider exception. */
function takeBack(exceptions: Map<string, DeviceEntry>, otherKey: string, other: DeviceEntry, entry: DeviceEntry, key: string): void {
  const covers = (wide: number, narrow: number): boolean => wide < 0 || wide === narrow;
  if (covers(entry.major, other.major) && covers(entry.minor, other.minor)) {
    const access = other.access & ~entry.access;
    if (access === 0) exceptions.delete(otherKey);
    else exceptions.set(otherKey, { ...other, access });
    return;
  }
  throw new UnsupportedError({
    attempted: `${entry.allow ? 'allow' : 'deny'} device "${key}" in a cgroup v1 devices hierarchy`,
    reason: `the wider rule "${otherKey}" stands, and cgroup v1 has no rule inside a rule`,
    hint: `list the devices of "${otherKey}" one by one`,
  });
}
