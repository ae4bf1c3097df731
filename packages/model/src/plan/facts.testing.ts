/** Facts of machines for tests: a privileged hybrid host, and what differs elsewhere. */
import type { Facts } from './facts.ts';

export const ROOT_FACTS: Facts = {
  architecture: 'x64', kernel: [6, 18], uid: 0, gid: 0, username: 'root', privileged: true,
  capabilities: ['CAP_CHOWN', 'CAP_KILL', 'CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP', 'CAP_NET_BIND_SERVICE', 'CAP_SYS_ADMIN'], lastCapability: 40,
  userNamespaces: { usable: true }, subuid: [], subgid: [], timeNamespaces: true, overlay: { api: 'lowerdir+' }, pivotRoot: true,
  cgroup: { layout: 'v1', hierarchies: [{ mountpoint: '/sys/fs/cgroup/memory', version: 1, controllers: ['memory'], own: '/', parent: '/' }] },
  swap: false, seccomp: { filter: true, libseccomp: '/usr/lib/libseccomp.so.2' }, lsm: [], hardRlimits: { RLIMIT_NOFILE: 1000 }, cpus: 2,
};

export const USER_FACTS: Facts = { ...ROOT_FACTS, uid: 1000, gid: 1000, username: 'user', privileged: false, capabilities: [] };
