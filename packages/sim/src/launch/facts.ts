/** The simulated machine as the plan compiler sees it. */
import { allCapabilities, type CgroupHierarchy, type Facts } from '@tsc-box/model';
import { LAST_CAPABILITY } from '../kernel/cred.ts';
import type { CgroupMode } from '../kernel/kernel.ts';
import type { Kernel } from '../kernel/types.ts';

export function factsOf({ machine, hierarchies }: Kernel, layout: CgroupMode): Facts {
  const [major = 6, minor = 0] = machine.release.split('.').map((part) => Number.parseInt(part, 10));
  return {
    architecture: machine.architecture, kernel: [major, minor], uid: 0, gid: 0, username: 'root', privileged: true, capabilities: allCapabilities(LAST_CAPABILITY), lastCapability: LAST_CAPABILITY,
    userNamespaces: { usable: true }, subuid: [{ start: 100_000, count: 65_536 }], subgid: [{ start: 100_000, count: 65_536 }], timeNamespaces: true, overlay: { api: 'lowerdir+' }, pivotRoot: true,
    cgroup: {
      layout, hierarchies: hierarchies.map(({ version, controllers, mountpoint }): CgroupHierarchy => ({ mountpoint, version, controllers, own: '/', parent: '/', ...(version === 2 ? { delegated: controllers } : {}) })),
    },
    swap: false, seccomp: { filter: false, libseccomp: undefined }, lsm: [], hardRlimits: { RLIMIT_NOFILE: 1_048_576 }, cpus: machine.cpus,
  };
}
