/** A context for tests of the options: a machine of two CPUs and a small file system, as data. */
import type { Facts } from '../plan/facts.ts';
import { allCapabilities } from '../spec/capabilities.ts';
import type { HostPath, OptionContext } from './run-options.ts';

export const ROOT_FACTS: Facts = {
  architecture: 'x64', kernel: [6, 18], uid: 0, gid: 0, username: 'root', privileged: true, capabilities: allCapabilities(40).filter((name) => name !== 'CAP_SYS_RESOURCE'), lastCapability: 40,
  userNamespaces: { usable: true }, subuid: [], subgid: [], timeNamespaces: true, overlay: { api: 'lowerdir+' }, pivotRoot: true, cgroup: { layout: 'v2', hierarchies: [] }, swap: true,
  seccomp: { filter: true, libseccomp: '2.5.4' }, lsm: [], hardRlimits: { RLIMIT_NOFILE: 20_000 }, cpus: 2,
};

export const USER_FACTS: Facts = { ...ROOT_FACTS, uid: 1000, gid: 100, username: 'alice', privileged: false, capabilities: [] };

export interface TestFiles {
  readonly host?: Readonly<Record<string, string>>;
  readonly root?: Readonly<Record<string, string>>;
  readonly paths?: Readonly<Record<string, HostPath>>;
}

export function testContext(overrides: Partial<OptionContext> = {}, files: TestFiles = {}): OptionContext {
  const paths: Readonly<Record<string, HostPath>> = { '/srv': { kind: 'directory' }, '/etc/motd': { kind: 'file' }, '/dev/fuse': { kind: 'file', device: { type: 'c', major: 10, minor: 229, mode: 0o20666, uid: 0, gid: 0 } }, '/dev/shm': { kind: 'directory' }, ...files.paths };
  return {
    id: '0123456789abcdef0123456789abcdef', facts: ROOT_FACTS, hostEnv: {}, cwd: '/home/alice', image: 'layers',
    readHostFile: (path) => files.host?.[path],
    readRootFile: (path) => files.root?.[path],
    hostPath: (path) => paths[path],
    ...overrides,
  };
}
