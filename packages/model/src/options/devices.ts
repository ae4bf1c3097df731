/** `--device HOST[:CONTAINER][:rwm]` and the device list of the cgroup: config-linux.md "Devices", "Allowed Device list". */
import { UsageError } from '../errors/box-error.ts';
import type { DeviceRule, SpecDevice } from '../spec/spec.ts';
import { cleanPath, resolvePath } from './paths.ts';
import type { HostPath, OptionContext } from './run-options.ts';

export interface DeviceOption {
  /** Where it is on the host. */
  readonly source: string;
  readonly device: SpecDevice;
  readonly rule: DeviceRule;
}

/**
 * @throws UsageError for a path that is no device, or access letters other than r, w and m.
 */
export function parseDevice(text: string, context: OptionContext): DeviceOption {
  const fail = (detail: string, path?: string): UsageError => new UsageError({ attempted: `read --device "${text}"`, detail, path });
  const parts = text.split(':');
  if (parts.length > 3 || parts.some((part) => part === '')) throw fail('allowed: HOST[:CONTAINER][:rwm]');
  const source = resolvePath(context.cwd, parts[0] ?? '');
  // With two parts the second is access letters when it can be, as docker reads it.
  const [target, access] = parts.length === 2 && isAccess(parts[1] ?? '') ? [source, parts[1] ?? ''] : [parts[1] ?? source, parts[2] ?? 'rwm'];
  if (!isAccess(access)) throw fail(`found access "${access}", allowed: some of r, w and m, each once`);
  if (!target.startsWith('/')) throw fail(`found "${target}", allowed: an absolute path in the container`);
  const found = context.hostPath(source);
  if (found === undefined) throw fail(`found no "${source}" on the host, allowed: a device that is there`, source);
  if (found.device === undefined) throw fail(`found a ${found.kind}, allowed: a device node`, source);
  const { type, major, minor } = found.device;
  return { source, device: toDevice(cleanPath(target), found.device), rule: { allow: true, type, major, minor, access } };
}

function isAccess(text: string): boolean {
  return /^[rwm]{1,3}$/.test(text) && new Set(text).size === text.length;
}

function toDevice(path: string, { type, major, minor, mode, uid, gid }: NonNullable<HostPath['device']>): SpecDevice {
  return { type, path, major, minor, fileMode: mode & 0o7777, uid, gid };
}
