/** `--network`, `--pid`, `--ipc`, `--uts`, `--cgroupns`, `--userns`, `--time`: namespaces(7), user_namespaces(7). */
import { UnsupportedError, UsageError } from '../errors/box-error.ts';
import type { Facts, IdRange } from '../plan/facts.ts';
import type { IdMapping, NamespaceType, Spec, SpecNamespace } from '../spec/spec.ts';
import type { RunOptions } from './run-options.ts';

/** A namespace of its own, the host's, or an existing one by path. */
export type NamespaceMode = { readonly kind: 'private' } | { readonly kind: 'host' } | { readonly kind: 'join'; readonly path: string };

export interface NamespaceModes {
  readonly network: NamespaceMode;
  readonly pid: NamespaceMode;
  readonly ipc: NamespaceMode;
  readonly uts: NamespaceMode;
  readonly cgroup: NamespaceMode;
  readonly user: NamespaceMode;
  readonly time: NamespaceMode;
  /** `--ipc none`: a namespace of its own, without /dev/shm. */
  readonly shm: boolean;
}

const PRIVATE: NamespaceMode = { kind: 'private' };
const HOST: NamespaceMode = { kind: 'host' };

/**
 * @throws UsageError for a word that is none of the mode's; UnsupportedError for modes of docker's that are not built.
 */
export function namespaceModes(options: RunOptions, facts: Facts): NamespaceModes {
  const user = readMode('--userns', options.userns, { auto: PRIVATE, private: PRIVATE, host: HOST }, facts.privileged ? HOST : PRIVATE);
  if (user.kind === 'host' && !facts.privileged) {
    throw new UnsupportedError({ attempted: 'read --userns host', detail: `uid ${facts.uid} without CAP_SYS_ADMIN needs a user namespace`, hint: 'leave out --userns, or run as root' });
  }
  return {
    network: readMode('--network', options.network, { none: PRIVATE, host: HOST }, PRIVATE),
    pid: readMode('--pid', options.pid, { private: PRIVATE, host: HOST }, PRIVATE),
    ipc: readMode('--ipc', options.ipc, { private: PRIVATE, none: PRIVATE, host: HOST }, PRIVATE),
    uts: readMode('--uts', options.uts, { private: PRIVATE, host: HOST }, PRIVATE),
    cgroup: readMode('--cgroupns', options.cgroupns, { private: PRIVATE, host: HOST }, PRIVATE),
    user,
    time: readMode('--time', options.time, { private: PRIVATE, host: HOST }, HOST),
    shm: options.ipc !== 'none',
  };
}

function readMode(option: string, text: string | undefined, words: Readonly<Record<string, NamespaceMode>>, standard: NamespaceMode): NamespaceMode {
  if (text === undefined || text === '') return standard;
  const word = Object.hasOwn(words, text) ? words[text] : undefined;
  if (word !== undefined) return word;
  const allowed = [...Object.keys(words), 'ns:PATH'].join(', ');
  if (text.startsWith('ns:')) {
    const path = text.slice(3);
    if (path.startsWith('/')) return { kind: 'join', path };
    throw new UsageError({ attempted: `read ${option}`, detail: `found "${text}", allowed: ns: and an absolute path, such as ns:/proc/1234/ns/net` });
  }
  const known = text.startsWith('container:') || ['bridge', 'default', 'slirp4netns', 'pasta', 'shareable', 'keep-id', 'nomap'].includes(text.split(':')[0] ?? '');
  if (known) throw new UnsupportedError({ attempted: `read ${option} ${text}`, detail: `this mode is not built, allowed: ${allowed}`, ...(text.startsWith('container:') ? { hint: 'join by path: ns:/proc/PID/ns/NAME, with the pid that ps shows' } : {}) });
  throw new UsageError({ attempted: `read ${option}`, detail: `found "${text}", allowed: ${allowed}` });
}

/** The list of the spec, in the order docker has. */
export function specNamespaces(modes: NamespaceModes): SpecNamespace[] {
  const list: SpecNamespace[] = [{ type: 'mount' }];
  const add = (type: NamespaceType, mode: NamespaceMode): void => {
    if (mode.kind === 'private') list.push({ type });
    else if (mode.kind === 'join') list.push({ type, path: mode.path });
  };
  add('network', modes.network);
  add('uts', modes.uts);
  add('pid', modes.pid);
  add('ipc', modes.ipc);
  add('cgroup', modes.cgroup);
  add('user', modes.user);
  add('time', modes.time);
  return list;
}

export interface IdMaps {
  readonly uidMappings: readonly IdMapping[];
  readonly gidMappings: readonly IdMapping[];
}

/**
 * Container root is the user who launches; further ids come from /etc/subuid and /etc/subgid where there are ranges for both.
 * Else one id each is all the kernel lets a user map: user_namespaces(7), "Defining user and group ID mappings".
 */
export function defaultIdMaps(facts: Facts): IdMaps {
  const ranges = facts.subuid.length > 0 && facts.subgid.length > 0;
  return { uidMappings: mapIds(facts.uid, ranges ? facts.subuid : []), gidMappings: mapIds(facts.gid, ranges ? facts.subgid : []) };
}

function mapIds(own: number, ranges: readonly IdRange[]): IdMapping[] {
  const maps: IdMapping[] = [{ containerID: 0, hostID: own, size: 1 }];
  let next = 1;
  for (const range of ranges) {
    // The kernel refuses a host id twice; a range may hold the user's own id.
    const parts = own >= range.start && own < range.start + range.count
      ? [{ start: range.start, count: own - range.start }, { start: own + 1, count: range.start + range.count - own - 1 }]
      : [range];
    for (const part of parts) {
      if (part.count <= 0) continue;
      maps.push({ containerID: next, hostID: part.start, size: part.count });
      next += part.count;
    }
  }
  return maps;
}

/** True when only container root has an id: no other user, no supplementary groups. */
export function isSingleId(maps: IdMaps | undefined): boolean {
  return maps !== undefined && [...maps.uidMappings, ...maps.gidMappings].every((map) => map.size === 1) && maps.gidMappings.length === 1;
}

/** A spec with a new user namespace but no mappings (as `crun spec --rootless` writes) gets the default ones. */
export function withDefaultMappings(spec: Spec, facts: Facts): Spec {
  const fresh = spec.linux?.namespaces?.some((namespace) => namespace.type === 'user' && namespace.path === undefined) === true;
  if (!fresh || ((spec.linux?.uidMappings ?? []).length > 0 && (spec.linux?.gidMappings ?? []).length > 0)) return spec;
  const maps = defaultIdMaps(facts);
  const pick = (given: readonly IdMapping[] | undefined, standard: readonly IdMapping[]): readonly IdMapping[] => (given === undefined || given.length === 0 ? standard : given);
  return { ...spec, linux: { ...spec.linux, uidMappings: pick(spec.linux?.uidMappings, maps.uidMappings), gidMappings: pick(spec.linux?.gidMappings, maps.gidMappings) } };
}
