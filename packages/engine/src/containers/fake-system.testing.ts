/** A System that records what it is asked for, and ends its processes when told to. */
import type { Change, ExitStatus, Facts, LaunchRequest, System } from '@tsc-box/model';
import { readFileSync } from 'node:fs';
import { launcherIdentity } from './identity.ts';

export const ROOT_FACTS: Facts = {
  architecture: 'x64', kernel: [6, 8], uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0, privileged: true, capabilities: ['CAP_CHOWN', 'CAP_SYS_ADMIN'], lastCapability: 40,
  userNamespaces: { usable: true }, subuid: [], subgid: [], timeNamespaces: true, overlay: { api: 'lowerdir+' }, pivotRoot: true,
  cgroup: { layout: 'v2', hierarchies: [{ mountpoint: '/sys/fs/cgroup', version: 2, controllers: ['cpu', 'memory', 'pids'], own: '/', parent: '/', delegated: ['cpu', 'memory', 'pids'] }] },
  swap: false, seccomp: { filter: true, libseccomp: '2.5.4' }, lsm: [], hardRlimits: {}, cpus: 2,
};

export interface FakeSystem extends System {
  readonly launches: LaunchRequest[];
  readonly swept: (string | undefined)[];
  readonly cleaned: number[];
  /** Ends the process launched last. */
  end(status: ExitStatus): void;
  /** The next launches throw this. */
  fail: Error | undefined;
  changes: Record<string, Change[]>;
  /** Processes besides those launched that count as alive, by pid. */
  readonly alive: Set<number>;
}

export function fakeSystem(facts: Facts = ROOT_FACTS): FakeSystem {
  let pid = 1000;
  let ends: ((status: ExitStatus) => void) | undefined;
  const alive = new Set([launcherIdentity().pid]);
  const system: FakeSystem = {
    name: 'linux', launches: [], swept: [], cleaned: [], fail: undefined, changes: {}, alive,
    facts: () => facts,
    launch(request) {
      system.launches.push(request);
      if (system.fail !== undefined) throw system.fail;
      pid += 1;
      const own = pid;
      alive.add(own);
      const ended = new Promise<ExitStatus>((resolve) => {
        ends = (status) => {
          alive.delete(own);
          resolve(status);
        };
      });
      return { pid: own, startTime: own * 10, wait: () => ended, kill: () => true, resize: () => undefined, usage: () => ({}), cleanup: () => void system.cleaned.push(own) };
    },
    start() {
      throw new Error('not in this test');
    },
    openMonitored() {
      throw new Error('not in this test');
    },
    endMonitoredStdin: () => undefined,
    signal: ({ pid: which }) => alive.has(which),
    resizeTerminal: () => undefined,
    processesBeside: () => [],
    launchAndWait() {
      throw new Error('not in this test');
    },
    passTerminal() {
      throw new Error('not in this test');
    },
    cgroup() {
      throw new Error('not in this test');
    },
    isAlive: (which) => alive.has(which),
    sweep(cgroupPath, which) {
      system.swept.push(cgroupPath);
      if (which !== undefined) alive.delete(which);
    },
    extractor: () => Promise.reject(new Error('not in this test')),
    archiver: () => Promise.reject(new Error('not in this test')),
    readLayerFile(lowerdirs, path) {
      for (const directory of lowerdirs) {
        try {
          return readFileSync(`${directory}${path}`);
        } catch {
          continue;
        }
      }
      return undefined;
    },
    statLayerFile: () => ({ kind: 'file', mode: 0o755 }),
    diffLayers: (upperdir) => system.changes[upperdir.slice(upperdir.lastIndexOf('/') + 1)] ?? [],
    end: (status) => ends?.(status),
  };
  return system;
}
