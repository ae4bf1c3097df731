/** The cgroup hierarchies of this host and where a container's cgroup may be made. Source: cgroups(7); cgroup-v2.rst "Delegation". */
import type { CgroupHierarchy, CgroupLayout, Facts } from '@tsc-box/model';
import { canWrite, readText } from './files.ts';
import { parseMountinfo, parseOwnCgroups, type MountLine } from './parse.ts';

/** Root may make cgroups anywhere. */
export const ROOT_PARENT = '/';
const V1_OPTIONS = new Set(['rw', 'ro', 'xattr', 'clone_children', 'cpuset_v2_mode', 'noprefix', 'all', 'none', 'favordynmods']);
const DELEGATE_HINT = 'start it as "systemd-run --user --scope -p Delegate=yes tsc-box …", or set Delegate=yes in its unit';

export function probeCgroups(mountinfo: string, ownText: string, root: boolean): Facts['cgroup'] {
  const own = parseOwnCgroups(ownText);
  const seen = new Set<string>();
  const hierarchies: CgroupHierarchy[] = [];
  for (const mount of parseMountinfo(mountinfo)) {
    if (mount.fstype !== 'cgroup' && mount.fstype !== 'cgroup2') continue;
    const hierarchy = mount.fstype === 'cgroup2' ? v2(mount, own, root) : v1(mount, own, root);
    const key = hierarchy.version === 2 ? 'v2' : hierarchy.controllers.join();
    if (!seen.has(key)) hierarchies.push(hierarchy);
    seen.add(key);
  }
  return { layout: layoutOf(hierarchies), hierarchies };
}

function layoutOf(hierarchies: readonly CgroupHierarchy[]): CgroupLayout {
  const versions = new Set(hierarchies.map(({ version }) => version));
  if (versions.size === 2) return 'hybrid';
  return versions.has(2) ? 'v2' : versions.has(1) ? 'v1' : 'none';
}

/** Our cgroup as a path below the mount point. */
function ownBelow(mount: MountLine, own: string | undefined): string {
  if (own === undefined) return '/';
  if (mount.root === '/' || !(own === mount.root || own.startsWith(`${mount.root}/`))) return own;
  return own.slice(mount.root.length) || '/';
}

const join = (mountpoint: string, path: string): string => (path === '/' ? mountpoint : mountpoint + path);

function v1(mount: MountLine, owns: ReadonlyMap<string, string>, root: boolean): CgroupHierarchy {
  const controllers = mount.superOptions.filter((option) => !V1_OPTIONS.has(option) && !option.startsWith('release_agent='));
  const own = ownBelow(mount, owns.get(controllers[0] ?? ''));
  const base = { mountpoint: mount.mountpoint, version: 1, controllers, own } as const;
  if (mount.readOnly) return { ...base, refusal: `${mount.mountpoint} is mounted read-only` };
  if (root && canWrite(mount.mountpoint)) return { ...base, parent: ROOT_PARENT };
  if (!root && canWrite(join(mount.mountpoint, own))) return { ...base, parent: own };
  return { ...base, refusal: `controller ${controllers.join()}: no right to write in cgroup "${root ? '/' : own}" at ${mount.mountpoint}; cgroup v1 is not delegated to users` };
}

function v2(mount: MountLine, owns: ReadonlyMap<string, string>, root: boolean): CgroupHierarchy {
  const own = ownBelow(mount, owns.get(''));
  const list = (path: string): readonly string[] => (readText(`${join(mount.mountpoint, path)}/cgroup.controllers`) ?? '').split(/\s+/).filter((name) => name !== '');
  const controllers = list('/');
  const base = { mountpoint: mount.mountpoint, version: 2, controllers, own } as const;
  if (mount.readOnly) return { ...base, refusal: `${mount.mountpoint} is mounted read-only` };
  if (root && canWrite(mount.mountpoint)) return { ...base, parent: ROOT_PARENT, delegated: controllers };
  const directory = join(mount.mountpoint, own);
  if (!root && ['', '/cgroup.procs', '/cgroup.subtree_control'].every((file) => canWrite(directory + file))) return { ...base, parent: own, delegated: list(own) };
  return { ...base, refusal: `controllers ${controllers.join(' ')}: cgroup "${own}" is not delegated to this user (no right to write ${directory}); ${DELEGATE_HINT}` };
}
