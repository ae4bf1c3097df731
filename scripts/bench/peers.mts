/** The runtimes that ours is compared with, each set up to run a static `true` in a busybox root. Absent ones are skipped, with a reason. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { now, type Subject } from './measure.mts';

export interface Workshop {
  /** Scratch directory, removed by the caller. */
  readonly directory: string;
  /** A busybox root with mount points for /proc, /sys and /dev. */
  readonly root: string;
}

export type Peer = Subject | { readonly name: string; readonly skipped: string };

/** Spawns, waits, and times it. Throws with the output when it fails. */
export function timedSpawn(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): number {
  const start = now();
  const result = spawnSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', env });
  const time = now() - start;
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: exit status ${String(result.status)}: ${result.stderr}${result.stdout}`);
  return time;
}

/** A peer whose set-up or first run fails is skipped, with the reason. */
function peer(name: string, command: string, setUp: () => () => number): Peer {
  if (spawnSync(command, ['--version'], { stdio: 'ignore' }).error !== undefined) return { name, skipped: `${command} is not installed` };
  try {
    const run = setUp();
    run();
    return { name, run };
  } catch (error) {
    return { name, skipped: (error instanceof Error ? error.message : String(error)).trim().split('\n').slice(0, 3).join(' | ') };
  }
}

export const spawnFloor: Subject = { name: 'spawn /bin/true', run: () => timedSpawn('/bin/true', []) };

/** No overlay, no cgroup and no seccomp: less than ours does. */
export function bwrap({ root }: Workshop): Peer {
  return peer('bwrap --unshare-all', 'bwrap', () => {
    const args = ['--unshare-all', '--ro-bind', root, '/', '--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--hostname', 'bench', '--cap-drop', 'ALL', '--die-with-parent', '/bin/true'];
    return () => timedSpawn('bwrap', args);
  });
}

interface RuntimeConfig {
  process: { terminal: boolean; args: string[] };
  root: { path: string };
  linux: { cgroupsPath?: string; resources?: Record<string, unknown> };
}

export function runc({ directory, root }: Workshop): Peer {
  return peer('runc run', 'runc', () => {
    const bundle = join(directory, 'bundle');
    mkdirSync(bundle);
    timedSpawn('runc', ['spec', '--bundle', bundle]);
    const file = join(bundle, 'config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as RuntimeConfig;
    config.process.terminal = false;
    config.process.args = ['/bin/true'];
    config.root.path = root;
    config.linux.cgroupsPath = `/tsc-box-bench-${String(process.pid)}`;
    config.linux.resources = { ...config.linux.resources, memory: { limit: 64 << 20 }, cpu: { quota: 50_000, period: 100_000 }, pids: { limit: 32 } };
    writeFileSync(file, JSON.stringify(config));
    return () => timedSpawn('runc', ['--root', join(directory, 'runc'), 'run', '--bundle', bundle, `bench-${String(process.pid)}`]);
  });
}

/** Without CAP_SYS_RESOURCE podman's own default limits are refused, so lower ones are set. */
const PODMAN_CONF = `[engine]
cgroup_manager="cgroupfs"
events_logger="file"
[containers]
default_ulimits=["nofile=20000:20000","nproc=32768:32768"]
`;

export function podman({ directory, root }: Workshop): Peer {
  return peer('podman run', 'podman', () => {
    const conf = join(directory, 'containers.conf');
    writeFileSync(conf, PODMAN_CONF);
    const env = { ...process.env, CONTAINERS_CONF: conf };
    const own = join(directory, 'podman');
    const runtime = existsSync('/usr/sbin/runc') || existsSync('/usr/bin/runc') ? ['--runtime', 'runc'] : [];
    const base = ['--root', join(own, 'root'), '--runroot', join(own, 'run'), '--tmpdir', join(own, 'tmp'), '--storage-driver', 'overlay', '--cgroup-manager', 'cgroupfs', ...runtime];
    const archive = join(directory, 'root.tar');
    timedSpawn('tar', ['-C', root, '-cf', archive, '.']);
    timedSpawn('podman', [...base, 'import', archive, 'localhost/bench:1'], env);
    return () => timedSpawn('podman', [...base, 'run', '--rm', '--network=none', 'localhost/bench:1', '/bin/true'], env);
  });
}
