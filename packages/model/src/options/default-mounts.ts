/** The mounts every container gets: config-linux.md "Default Filesystems", with the options docker gives them. */
import type { SpecMount } from '../spec/spec.ts';
import { isSingleId, type IdMaps, type NamespaceModes } from './namespaces.ts';
import type { UserMount } from './volumes.ts';

export interface DefaultMountInput {
  readonly modes: NamespaceModes;
  readonly idMaps: IdMaps | undefined;
  readonly privileged: boolean;
  /** Bytes of /dev/shm. */
  readonly shmSize: number;
  /** The machine's own root: its /run is full of sockets of the machine, so it gets a fresh one. */
  readonly freshRun: boolean;
  /** Whether the host has this directory: only asked for what is shared with the host. */
  readonly hostHas: (path: string) => boolean;
}

const PSEUDO = ['nosuid', 'noexec', 'nodev'];
const SYSTEM_BIND = ['rbind', 'rprivate', ...PSEUDO];

export function defaultMounts({ modes, idMaps, privileged, shmSize, freshRun, hostHas }: DefaultMountInput): SpecMount[] {
  const readonly = privileged ? [] : ['ro'];
  // Group 5 is tty; where it has no id, devpts refuses it.
  const tty = isSingleId(idMaps) ? [] : ['gid=5'];
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: PSEUDO },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
    { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', ...tty] },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...PSEUDO, ...readonly] },
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...readonly, ...PSEUDO] },
    ...ipcMounts(modes, shmSize, hostHas),
    ...(freshRun ? [{ destination: '/run', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'mode=755'] }] : []),
  ];
}

/** Message queues and shared memory belong together: with the host's ipc namespace both are the host's. */
function ipcMounts(modes: NamespaceModes, shmSize: number, hostHas: (path: string) => boolean): SpecMount[] {
  if (modes.ipc.kind === 'host') {
    return ['/dev/mqueue', '/dev/shm'].filter(hostHas).map((destination) => ({ destination, type: 'bind', source: destination, options: SYSTEM_BIND }));
  }
  const mqueue: SpecMount = { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: PSEUDO };
  return modes.shm ? [mqueue, { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: [...PSEUDO, 'mode=1777', `size=${shmSize}`] }] : [mqueue];
}

/**
 * The user's mounts after the default ones, parents before children. One at the place of a default takes its place;
 * one at /dev takes the place of what would be below it too.
 */
export function mergeMounts(defaults: readonly SpecMount[], users: readonly UserMount[]): SpecMount[] {
  const taken = new Set(users.map(({ mount }) => mount.destination));
  const kept = defaults.filter(({ destination }) => !taken.has(destination) && !(destination.startsWith('/dev/') && taken.has('/dev')));
  const depth = (path: string): number => path.split('/').length;
  const sorted = users.map(({ mount }) => mount).sort((a, b) => depth(a.destination) - depth(b.destination));
  return [...kept, ...sorted];
}
