/**
 * From one Node process: launch a static `true` in six new namespaces on an overlay of five layers, with /proc, /sys, /dev,
 * cgroup limits, capabilities and the default seccomp profile; wait for it, remove its cgroups. Peers are spawned.
 */
import { join } from 'node:path';
import type { Engine, RunRequest } from '../../packages/engine/src/index.ts';
import type { LaunchPlan, System } from '../../packages/model/src/index.ts';
import { busyboxImages } from '../../tests/images/busybox.ts';
import { alternate, now, type Subject, type Timing } from './measure.mts';
import { bwrap, runc, spawnFloor, type Peer, type Workshop } from './peers.mts';
import type { Section } from './report.mts';

const OPTIONS = { memory: '64m', cpus: '0.5', pidsLimit: '32', hostname: 'bench', capDrop: ['all'] } as const;
const STDIO = { stdin: 'null', stdout: 'null', stderr: 'null' } as const;

/** What is built is measured, as users get it. */
const dist = async <T,>(name: string): Promise<T> => (await import(`../../packages/${name}/dist/index.js`)) as T;

/** The same plan launched again and again: what the launcher itself costs. */
function launchOnly(system: System, plan: LaunchPlan): Subject {
  return {
    name: 'tsc-box, launch',
    async run() {
      const start = now();
      const launched = system.launch({ plan, stdio: STDIO });
      const status = await launched.wait();
      launched.cleanup();
      const time = now() - start;
      if (status.code !== 0) throw new Error(`true ended with ${String(status.code)}`);
      return time;
    },
  };
}

/** The whole of it: options, plan, container record on disk, launch, removal. */
function wholeRun(engine: Engine, request: RunRequest): Subject {
  return {
    name: 'tsc-box, engine.run',
    async run() {
      const start = now();
      const running = await engine.run(request);
      const status = await running.wait();
      const time = now() - start;
      if (status.code !== 0) throw new Error(`true ended with ${String(status.code)}`);
      return time;
    },
  };
}

function ratioTo(timings: readonly Timing[], ours: string, peer: string): number | undefined {
  const find = (name: string): number | undefined => timings.find((timing) => timing.name === name)?.median;
  const [a, b] = [find(ours), find(peer)];
  return a === undefined || b === undefined ? undefined : a / b;
}

export async function* inProcess(workshop: Workshop, rounds: number): AsyncGenerator<Section> {
  const { openLinux } = await dist<typeof import('../../packages/host-linux/src/index.ts')>('host-linux');
  const { openEngine } = await dist<typeof import('../../packages/engine/src/index.ts')>('engine');
  const system = openLinux();
  const engine = openEngine({ system, root: join(workshop.directory, 'engine') });
  const image = `oci:${join(busyboxImages(), 'oci')}:1`;
  const request: RunRequest = { image, options: OPTIONS, command: ['/bin/true'], hostEnv: {}, cwd: '/', remove: true, stdio: STDIO };
  const plan = await planOfKept(engine, request);
  const peers: readonly Peer[] = [bwrap(workshop), runc(workshop)];
  const subjects = [launchOnly(system, plan), wholeRun(engine, request), spawnFloor, ...peers.filter((peer) => 'run' in peer)];
  const timings = await alternate(subjects, rounds, 5);
  const targets = subjects.slice(0, 2).flatMap(({ name }) => {
    const median = timings.find((timing) => timing.name === name)?.median ?? Number.NaN;
    const ratios = [['bwrap --unshare-all', 0.6], ['runc run', 0.1]] as const;
    return [
      { what: `${name}, median`, unit: 'ms' as const, value: median, limit: 3 },
      ...ratios.flatMap(([peer, limit]) => {
        const value = ratioTo(timings, name, peer);
        return value === undefined ? [] : [{ what: `${name} / ${peer}`, unit: 'ratio' as const, value, limit }];
      }),
    ];
  });
  yield { title: 'in process: static true, six namespaces, five layers, /proc /sys /dev, limits, capabilities, seccomp', timings, skipped: peers.filter((peer) => 'skipped' in peer), targets };
}

/** The plan of a container that was run once and kept: its directories are there. A plan by itself makes nothing, and has an id of zeros. */
async function planOfKept(engine: Engine, request: RunRequest): Promise<LaunchPlan> {
  const kept = await engine.run({ ...request, remove: false });
  await kept.wait();
  const plan = await engine.plan(request);
  return JSON.parse(JSON.stringify(plan).replaceAll(plan.id, kept.state.id)) as LaunchPlan;
}
