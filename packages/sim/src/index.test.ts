import { compile, specFromOptions, UnsupportedError, type LaunchPlan, type OptionContext, type RunOptions, type Spec } from '@tsc-box/model';
import { describe, expect, it } from 'vitest';
import type { Call, CallResult, Program } from './abi/calls.ts';
import type { ProgramRegistry } from './abi/programs.ts';
import { toBytes, latin1 } from './det/trace.ts';
import { DEMO_LAYER, openSim, simulate, type SimSystem, type SimulateOptions } from './index.ts';

function* exit(code: number): Generator<Call, number, CallResult> {
  yield { call: 'exit_group', code };
  return code;
}

const PROGRAMS: Readonly<Record<string, Program>> = {
  true: () => exit(0),
  false: () => exit(1),
  *echo({ argv }): Generator<Call, number, CallResult> {
    yield { call: 'write', fd: 1, data: toBytes(`${argv.slice(1).join(' ')}\n`) };
    return 0;
  },
  *cat({ argv }): Generator<Call, number, CallResult> {
    for (const path of argv.length > 1 ? argv.slice(1) : ['/dev/stdin']) {
      const fd = argv.length > 1 ? Number(yield { call: 'openat', dirfd: -100, path, flags: 0, mode: 0 }) : 0;
      if (fd < 0) return -fd;
      for (;;) {
        const data = yield { call: 'read', fd, count: 65536 };
        if (!(data instanceof Uint8Array) || data.length === 0) break;
        yield { call: 'write', fd: 1, data };
      }
    }
    return 0;
  },
  *pid(): Generator<Call, number, CallResult> { return Number(yield { call: 'getpid' }); },
  *grow({ argv }): Generator<Call, number, CallResult> {
    yield { call: 'memory', bytes: Number(argv[1]) };
    return 0;
  },
  *burn({ argv }): Generator<Call, number, CallResult> {
    yield { call: 'cpu', duration: Number(argv[1]) };
    return 0;
  },
  *fork({ argv }): Generator<Call, number, CallResult> {
    let made = 0;
    for (let count = 0; count < Number(argv[1]); count += 1) if (Number(yield { call: 'clone', flags: 0, child: function* child() { yield { call: 'pause' }; return 0; } }) > 0) made += 1;
    return made;
  },
};
const REGISTRY: ProgramRegistry = { names: Object.keys(PROGRAMS).sort(), find: (name) => (Object.hasOwn(PROGRAMS, name) ? PROGRAMS[name] : undefined) };

const machine = (options: SimulateOptions = {}): Promise<SimSystem> => simulate({ programs: REGISTRY, ...options });

let last = 0;

function planOf(system: SimSystem, command: readonly string[], options: RunOptions = {}): LaunchPlan {
  last += 1;
  const id = last.toString(16).padStart(64, '0');
  const context: OptionContext = { id, facts: system.facts(), hostEnv: {}, cwd: '/', image: 'layers', readHostFile: () => undefined, readRootFile: () => undefined, hostPath: () => undefined };
  const { spec }: { readonly spec: Spec } = specFromOptions(options, command, undefined, context);
  for (const name of ['root', 'upper', 'work']) system.mkdir(`/run/${id}/${name}`);
  return compile(spec, system.facts(), { id, init: options.init === true, root: { kind: 'overlay', mountpoint: `/run/${id}/root`, overlays: [{ at: '/', lowerdirs: [DEMO_LAYER], upperdir: `/run/${id}/upper`, workdir: `/run/${id}/work` }] } });
}

async function run(system: SimSystem, command: readonly string[], options: RunOptions = {}): Promise<{ readonly code: number; readonly stdout: string; readonly oomKilled: boolean }> {
  const launched = system.launch({ plan: planOf(system, command, options), stdio: { stdin: 'null', stdout: 'pipe', stderr: 'pipe' } });
  let stdout = '';
  launched.streams.onData = (_name, bytes) => { stdout += latin1(bytes); };
  const { code, oomKilled = false } = await launched.wait();
  launched.cleanup();
  return { code, stdout, oomKilled };
}

describe('a container of the image demo', () => {
  for (const cgroup of ['v2', 'v1', 'hybrid'] as const) {
    it(`runs to its exit code with cgroups ${cgroup}`, async () => {
      const system = await machine({ cgroup });
      expect(await run(system, ['echo', 'hi'])).toMatchObject({ code: 0, stdout: 'hi\n' });
      expect(await run(system, ['false'])).toMatchObject({ code: 1 });
    });
  }

  it('is process 1 of its pid namespace', async () => {
    expect(await run(await machine(), ['pid'])).toMatchObject({ code: 1 });
  });

  it('fails with the typed errors of the Linux System', async () => {
    const system = await machine();
    expect(() => system.launch({ plan: planOf(system, ['nope']), stdio: { stdin: 'null', stdout: 'null', stderr: 'null' } })).toThrow(/execute "nope": ENOENT \(not found in PATH of the container/);
    expect(system.tasks()).toHaveLength(1);
  });

  it('sees its own root and /proc', async () => {
    const system = await machine();
    const { stdout } = await run(system, ['cat', '/proc/self/mountinfo']);
    expect(stdout).toMatch(/ \/ \/ rw,relatime - overlay overlay rw,lowerdir=/);
    expect(stdout).toMatch(/ \/proc rw,nosuid,nodev,noexec/);
    expect((await run(system, ['cat', '/proc/1/cmdline'])).stdout).toBe('cat\0/proc/1/cmdline\0');
  });

  it('runs in a user namespace, as another user, with a terminal, under a reaper, with a read-only root', async () => {
    const system = await machine();
    expect(await run(system, ['echo', 'hi'], { userns: 'private', user: '1000' })).toMatchObject({ code: 0, stdout: 'hi\n' });
    expect(await run(system, ['echo', 'hi'], { terminal: true, init: true, readOnly: true, tmpfs: ['/data:size=1m'], hostname: 'x', time: 'private' })).toMatchObject({ code: 0, stdout: 'hi\r\n' });
    expect(await run(system, ['pid'], { init: true })).toMatchObject({ code: 2 });
  });

  it('refuses what it does not have', async () => {
    const system = await machine();
    const plan = planOf(system, ['true']);
    const stdio = { stdin: 'null', stdout: 'null', stderr: 'null' } as const;
    expect(() => system.launch({ plan, stdio, hold: { fifo: '/run/f' } })).toThrow(UnsupportedError);
    expect(() => system.launch({ plan, stdio: { ...stdio, stdout: 1 } })).toThrow(/connect stdout/);
  });

  it('leaves neither tasks nor cgroups behind', async () => {
    const system = await machine();
    await run(system, ['true']);
    expect(system.tasks().map(({ comm }) => comm)).toEqual(['init']);
    expect(() => system.readFile(`/sys/fs/cgroup/tsc-box/${last.toString(16).padStart(64, '0')}/cgroup.procs`)).toThrow('ENOENT');
  });
});

describe('limits', () => {
  for (const cgroup of ['v2', 'v1'] as const) {
    it(`memory beyond the limit is the OOM killer's, with cgroups ${cgroup}`, async () => {
      const system = await machine({ cgroup });
      expect(await run(system, ['grow', '1000000'], { memory: '8m' })).toMatchObject({ code: 0, oomKilled: false });
      expect(await run(system, ['grow', '10000000'], { memory: '8m' })).toMatchObject({ code: 137, oomKilled: true });
    });

    it(`a quota throttles on virtual time, with cgroups ${cgroup}`, async () => {
      const system = await machine({ cgroup });
      const before = system.now();
      await run(system, ['burn', '1000000000'], { cpus: '0.5' });
      const seconds = (system.now() - before) / 1e9;
      expect(seconds).toBeGreaterThan(1.85);
      expect(seconds).toBeLessThan(2.1);
    });

    it(`pids.max refuses the process beyond it, with cgroups ${cgroup}`, async () => {
      expect(await run(await machine({ cgroup }), ['fork', '10'], { pidsLimit: '4' })).toMatchObject({ code: 3 });
    });
  }
});

describe('determinism', () => {
  it('the same seed gives the same trace', async () => {
    const first = last;
    const trace = async (): Promise<readonly string[]> => {
      last = first;
      const system = await machine({ seed: 7, trace: true });
      await run(system, ['echo', 'hi']);
      await run(system, ['fork', '3']);
      return system.trace();
    };
    const one = await trace();
    expect(one.length).toBeGreaterThan(100);
    expect(await trace()).toEqual(one);
  });
});

it('the command line is refused clearly until images and kept containers lie in the simulated machine', () => {
  expect(openSim).toThrow(UnsupportedError);
  expect(openSim).toThrow('open the simulated kernel: the simulated kernel is not built yet in this version');
});
