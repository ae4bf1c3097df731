/** The simulated kernel as a `System`, with what a test wants besides: the trace, the tasks, the files, and going to a step. */
import { BoxError, InternalError, UnsupportedError, type ExitStatus, type Facts, type LaunchedProcess, type LaunchRequest, type StdioSource, type System } from '@tsc-box/model';
import type { ProgramRegistry } from './abi/programs.ts';
import { AT_FDCWD } from './abi/constants.ts';
import type { Fault } from './det/faults.ts';
import { boot, type CgroupMode } from './kernel/kernel.ts';
import { deadlockReport, explainTask, turn } from './kernel/sched.ts';
import { sendSignal } from './kernel/signal.ts';
import { globalPid } from './kernel/task.ts';
import { setSize } from './kernel/tty.ts';
import type { Kernel, Task, TaskState } from './kernel/types.ts';
import { createDemoLayer } from './launch/demo-image.ts';
import { factsOf } from './launch/facts.ts';
import { hostCall, makeDirectories, readFile, writeFile } from './launch/host.ts';
import { endAll, launchPlan, type Launched, type Stdio } from './launch/launch.ts';
import { closeInput, readOutput, writeInput, type SimStreams } from './launch/streams.ts';
import { openUnion } from './vfs/union/union.ts';

/** Where the built-in image's layer lies in the machine. */
export const DEMO_LAYER = '/var/lib/tsc-box/demo';

export interface SimulateOptions {
  /** The same seed is the same run. Default 1. */
  readonly seed?: number;
  /** Default v2. */
  readonly cgroup?: CgroupMode;
  /** Default 2. */
  readonly cpus?: number;
  /** Bytes; default 2 GiB. */
  readonly memory?: number;
  /** Seconds since 1970 at which the machine starts. Default 0. */
  readonly clock?: number;
  readonly faults?: readonly Fault[];
  /** Keep the log of system calls. Default false. */
  readonly trace?: boolean;
  /** Commands beside those there are, or in their place. */
  readonly programs?: ProgramRegistry;
}

/** One task, for a look from outside. */
export interface TaskView {
  /** In the machine's own pid namespace. */
  readonly pid: number;
  readonly pids: readonly number[];
  readonly ppid: number;
  readonly comm: string;
  readonly state: TaskState;
  readonly cgroups: readonly string[];
}

export interface SimProcess extends LaunchedProcess {
  /** In place of descriptors: what flows through the pipes, or the terminal, of this process. */
  readonly streams: SimStreams;
}

export interface SimSystem extends System {
  launch(request: LaunchRequest): SimProcess;
  /** Goes on until `step` system calls were made in all. False when nothing can go on before. */
  runTo(step: number): boolean;
  /** System calls made so far. */
  steps(): number;
  tasks(): readonly TaskView[];
  /** Why a task does what it does now. */
  explain(pid: number): string;
  /** Lines of JSON, oldest first: see `SimulateOptions.trace`. */
  trace(): readonly string[];
  /** A file of the machine. @throws BoxError where it can't be read. */
  readFile(path: string): Uint8Array;
  /** Writes a file of the machine; cgroup files too. @throws BoxError. */
  writeFile(path: string, data: Uint8Array): void;
  mkdir(path: string): void;
  /** Nanoseconds since the machine started. */
  now(): number;
}

/** A machine of its own, in memory. Nothing of the host is used, but to make the result the same everywhere. */
export async function simulate(options: SimulateOptions = {}): Promise<SimSystem> {
  const union = await openUnion();
  const programs = options.programs ?? { names: [], find: () => undefined };
  const cgroup = options.cgroup ?? 'v2';
  const { kernel, init } = boot(union, {
    seed: options.seed ?? 1, cgroup, bootTime: options.clock ?? 0, hostname: 'sim', faults: options.faults ?? [], trace: options.trace ?? false, programs,
    machine: { cpus: options.cpus ?? 2, memory: options.memory ?? 2 * 2 ** 30, release: '6.18.0-tsc-box', architecture: 'x64' },
  });
  addLayer(kernel, init, DEMO_LAYER, createDemoLayer(union, programs));
  return createSystem(kernel, init, factsOf(kernel, cgroup));
}

/** From now on the directory stands for the layer, where an overlay is made of it. */
function addLayer(kernel: Kernel, init: Task, path: string, layer: number): void {
  makeDirectories(init, path);
  const stat = hostCall(init, 'newfstatat', { dirfd: AT_FDCWD, path, flags: 0 });
  if (typeof stat === 'number') throw new InternalError('place a layer in the simulated machine', path);
  const { fs } = init.fs.root.mount;
  let node = fs.root;
  for (const name of path.split('/').filter((part) => part !== '')) node = fs.lookup(node, name, init);
  fs.hold(node);
  kernel.layersAt.set(`${String(fs.dev)}:${String(node)}`, layer);
}

const view = (task: Task): TaskView => ({
  pid: globalPid(task), pids: task.pid.numbers, ppid: task.parent === undefined ? 0 : globalPid(task.parent), comm: task.comm, state: task.state,
  cgroups: task.cgroups.map((cgroup) => { const names: string[] = []; for (let at = cgroup; at.parent !== undefined; at = at.parent) names.unshift(at.name); return `/${names.join('/')}`; }),
});

function stdioOf(source: StdioSource, name: string): Stdio {
  if (typeof source === 'string') return source;
  throw new UnsupportedError({ attempted: `connect ${name} of a simulated process to descriptor ${String(source)}`, detail: 'a simulated process has no descriptors of the host', hint: "ask for 'pipe', and use the process's streams" });
}

function createSystem(kernel: Kernel, init: Task, facts: Facts): SimSystem {
  const find = (pid: number): Task | undefined => [...kernel.tasks].find((task) => globalPid(task) === pid);
  const refuse = (attempted: string) => (): never => {
    throw new UnsupportedError({ attempted, detail: 'the simulated kernel does not do this yet', hint: 'use the Linux kernel' });
  };
  return {
    name: 'sim',
    facts: () => facts,
    launch({ plan, stdio, monitor, hold }) {
      if (monitor !== undefined) refuse('start a monitored container')();
      if (hold !== undefined) refuse('hold a container before its command')();
      const launched = launchPlan(init, plan, { stdin: stdioOf(stdio.stdin, 'stdin'), stdout: stdioOf(stdio.stdout, 'stdout'), stderr: stdioOf(stdio.stderr, 'stderr') }, facts);
      return createProcess(kernel, init, launched);
    },
    isAlive: (pid, startTime) => {
      const task = find(pid);
      return task !== undefined && task.state !== 'zombie' && ticks(task) === startTime;
    },
    sweep(_cgroupPath, pid, startTime) {
      const task = pid === undefined ? undefined : find(pid);
      if (task !== undefined && ticks(task) === startTime) endAll(init, task, []);
    },
    start: refuse('start a held container'),
    openMonitored: refuse('attach to a monitored container'),
    launchAndWait: refuse('run hooks'),
    passTerminal: refuse('pass a terminal on'),

    endMonitoredStdin: refuse('attach to a monitored container'),
    extractor: async () => refuse('unpack a layer')(),
    archiver: async () => refuse('read or write trees of files')(),
    signal: refuse('send a signal from outside'),
    resizeTerminal: refuse('resize a terminal from outside'),
    processesBeside: refuse('list the processes of a container from outside'),
    cgroup: refuse("look at a container's cgroup from outside"),
    readLayerFile: refuse('read a file of a layer'),
    statLayerFile: refuse('look at a file of a layer'),
    diffLayers: refuse('compare layers'),
    runTo(step) {
      while (kernel.calls < step) if (!turn(kernel)) return false;
      return true;
    },
    steps: () => kernel.calls,
    tasks: () => [...kernel.tasks].map(view),
    explain(pid) {
      const task = find(pid);
      return task === undefined ? `there is no process ${String(pid)}` : explainTask(task);
    },
    trace: () => kernel.trace.lines(),
    readFile: (path) => readFile(init, path),
    writeFile(path, data) {
      const result = writeFile(init, path, data);
      if (result < 0) throw new BoxError({ code: 'ERR_TSCBOX_SYSCALL_FAILED', attempted: `write "${path}" in the simulated machine`, errno: `errno ${String(-result)}`, path });
    },
    mkdir: (path) => { makeDirectories(init, path); },
    now: () => kernel.clock.now,
  };
}

/** proc(5), stat field 22. */
const ticks = (task: Task): number => Math.floor(task.startTime / 10_000_000);

const ended = ({ state }: Task): boolean => state === 'zombie' || state === 'dead';

/** Turns between two looks at the output, so that it can be read while the process runs. */
const TURNS = 256;

function createProcess(kernel: Kernel, init: Task, launched: Launched): SimProcess {
  const { task, cgroups, console } = launched;
  const streams: SimStreams = {
    write(data) { writeInput(launched, init, data); },
    end() { closeInput(launched); },
    onData: undefined,
  };
  let waiting: Promise<ExitStatus> | undefined;
  const oomKilled = (): boolean => cgroups.some(({ memory }) => memory.events.oomKill > 0);
  const drain = (): void => {
    for (const [name, bytes] of readOutput(launched, init)) streams.onData?.(name, bytes);
  };
  const pump = async (): Promise<ExitStatus> => {
    while (!ended(task)) {
      let able = true;
      for (let count = 0; count < TURNS && able && !ended(task); count += 1) able = turn(kernel);
      drain();
      if (able || ended(task)) {
        await Promise.resolve();
        continue;
      }
      if (!hasInput(launched)) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: 'wait for the simulated process', detail: deadlockReport(kernel) });
      await streams.input?.();
      if (streams.input === undefined) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: 'wait for the simulated process', detail: deadlockReport(kernel) });
    }
    drain();
    const signal = task.status & 0x7f;
    return { code: signal === 0 ? task.status >> 8 : 128 + signal, ...(signal === 0 ? {} : { signal }), ...(oomKilled() ? { oomKilled: true } : {}) };
  };
  return {
    pid: globalPid(task), startTime: ticks(task), streams,
    wait: () => (waiting ??= pump()),
    kill(signal) {
      if (ended(task)) return false;
      sendSignal(task, signal, init);
      return true;
    },
    resize(height, width) {
      const terminal = console === undefined ? undefined : kernel.masters.get(console);
      if (terminal !== undefined) setSize(terminal, { rows: height, columns: width });
    },
    usage: () => ({ peakMemory: cgroups.reduce((peak, { memory }) => Math.max(peak, memory.peak), task.memoryPeak), cpuTimeUs: Math.floor((task.cpuTime + task.childCpuTime) / 1000) }),
    cleanup() { endAll(init, task, cgroups); },
  };
}

const hasInput = ({ stdin, console }: Launched): boolean => console !== undefined || (stdin !== undefined && stdin.writers > 0);
