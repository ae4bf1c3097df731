/** `createBox`: the library's calls over an engine. */
import type { ResourceUsage, System } from '@tsc-box/model';
import { openEngine } from '../containers/engine.ts';
import type { Engine, EngineOptions, RunningContainer } from '../containers/types.ts';
import { checked, collect } from './collect.ts';
import { openContainer } from './container.ts';
import { checkLimits, requestOf } from './options.ts';
import type { Attempt, Box, BoxContainer, RunCall, RunResult } from './types.ts';

export interface BoxSettings extends Omit<EngineOptions, 'system' | 'startSupervisor'> {
  /** As an ordinary user has it, also for root: a user namespace for each container, and no rights outside it. */
  readonly rootless?: boolean;
}

const SIGKILL = 9;

/** Nothing is made or probed before the first call. */
export function createBox(system: System, { rootless = false, ...options }: BoxSettings = {}): Box {
  const engine = openEngine({ ...options, system: rootless ? withoutRights(system) : system });
  const alive = new Set<RunningContainer>();
  const started = new Set<BoxContainer>();
  const endAll = (): void => {
    for (const { process: child } of alive) {
      child.kill(SIGKILL);
      child.cleanup();
    }
  };
  /** Ended with this process, also where it ends without waiting. */
  const watch = (running: RunningContainer): RunningContainer => {
    if (alive.size === 0) process.once('exit', endAll);
    alive.add(running);
    const forget = (): void => {
      alive.delete(running);
      if (alive.size === 0) process.off('exit', endAll);
    };
    running.wait().then(forget, forget);
    return running;
  };
  let turns = Promise.resolve();
  /** A launch keeps the event loop busy for milliseconds: with many at once, everything else gets its turn between two of them. */
  const turn = (): Promise<void> => (turns = turns.then(() => new Promise<void>((resolve) => void setImmediate(resolve))));
  const perform = async (call: RunCall, onLaunch?: (running: RunningContainer) => void): Promise<{ readonly running: RunningContainer; readonly result: RunResult }> => {
    checkLimits(call);
    await turn();
    let usage: ResourceUsage = {};
    const running = watch(await engine.run({ ...requestOf(call), onUsage: (used) => (usage = used), stdio: { stdin: call.stdin === undefined ? 'null' : 'pipe', stdout: 'pipe', stderr: 'pipe' } }));
    onLaunch?.(running);
    return { running, result: await collect({ process: running.process, wait: () => running.wait(), usage: () => usage }, call, nameOf(call)) };
  };
  return {
    engine,
    run: async (call) => checked((await perform(call)).result, call.check, nameOf(call)),
    async try(call) {
      const cwd = call.cwd ?? process.cwd();
      let launched: RunningContainer | undefined;
      try {
        const { running, result } = await perform({ network: 'none', workdir: cwd, ...call, image: 'host', keep: true }, (made) => (launched = made));
        return attemptOf(engine, running, result);
      } catch (error) {
        if (launched !== undefined) removeQuietly(engine, launched.state.id);
        throw error;
      }
    },
    async start(call) {
      checkLimits(call);
      await turn();
      let usage: ResourceUsage = {};
      const running = watch(await engine.run({ ...requestOf(call), onUsage: (used) => (usage = used), stdio: { stdin: call.stdin === 'pipe' ? 'pipe' : 'null', stdout: 'pipe', stderr: 'pipe' } }));
      const container = openContainer({ engine, life: await engine.life(), usage: () => usage }, running, call);
      started.add(container);
      void running.wait().finally(() => started.delete(container)).catch(() => undefined);
      return container;
    },
    list: () => engine.list(),
    images: () => engine.images(),
    async [Symbol.asyncDispose]() {
      await Promise.all([...started].map((container) => container[Symbol.asyncDispose]()));
    },
  };
}

function attemptOf(engine: Engine, { state: { id, name } }: RunningContainer, result: RunResult): Attempt {
  let done = false;
  const discard = (): void => {
    if (!done) engine.remove(id);
    done = true;
  };
  return {
    id, name, result, discard,
    changes: () => engine.diff(id),
    apply: (request) => engine.apply(id, request),
    keep: () => void (done = true),
    [Symbol.asyncDispose]: async () => discard(),
  };
}

/** Its output was too much, or it was aborted: what it changed goes. */
function removeQuietly(engine: Engine, id: string): void {
  try {
    engine.remove(id);
  } catch {
    // The reason that is thrown says more.
  }
}

const nameOf = ({ command, image, rootfs, bundle }: RunCall): string => `"${(command ?? []).join(' ')}" in ${image ?? rootfs ?? bundle ?? 'a container'}`;

/** The plan is made as for an ordinary user. */
function withoutRights(system: System): System {
  const facts: System['facts'] = () => ({ ...system.facts(), privileged: false });
  return { ...system, facts };
}
