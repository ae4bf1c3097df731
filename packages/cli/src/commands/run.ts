/** `tsc-box run`: launches a container and stays until it has ended, passing on streams, signals and the exit code. */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RunningContainer, RunRequest } from '@tsc-box/engine';
import { relaySignals, type SignalRelay } from '../io/signals.ts';
import { chooseStreams, type StreamWishes } from '../io/streams.ts';
import { isTerminal } from '../report/write.ts';
import { booleanValue, stringValue } from '../args/flag.ts';
import type { Cli, Run } from './command.ts';
import { requestFrom } from './request.ts';
import { progressOf } from './run-progress.ts';

/** Milliseconds that output may still come after the container's end, from a process outside it that holds its streams. */
const DRAIN_LIMIT = 2000;
const SIGKILL = 9;

export const run: Run = async (parsed, cli) => {
  if (booleanValue(parsed, 'detach') || stringValue(parsed, 'restart') !== undefined) {
    const { refuseDetachedOnly, runDetached } = await import('./create.ts');
    if (booleanValue(parsed, 'detach')) return runDetached(parsed, cli);
    refuseDetachedOnly(parsed);
  }
  const request = requestFrom('run', parsed, cli);
  const wishes = streamWishes(request);
  const stdio = chooseStreams(wishes, isTerminal);
  const terminal = wishes.terminal ? await import('../io/terminal.ts') : undefined;
  const relay = relaySignals();
  try {
    const engine = await cli.engine();
    const size = terminal?.terminalSize();
    // Not dismissed when something goes wrong: what is left then is what it is for.
    const guard = await cli.startGuard();
    const container = await engine.run({ ...request, ...(await progressOf(request)), stdio, dieWithParent: true, ...(size === undefined ? {} : { terminalSize: size }) });
    const code = await followProcess(container, wishes, relay, cli);
    guard?.dismiss();
    return code;
  } finally {
    relay.stop();
  }
};

/** A bundle says itself whether it wants a terminal; its input is ours, as runc has it. */
export function streamWishes({ bundle, options, cwd }: Pick<RunRequest, 'bundle' | 'options' | 'cwd'>): StreamWishes {
  if (bundle === undefined) return { interactive: options.interactive === true, terminal: options.terminal === true };
  try {
    const file = resolve(cwd, bundle, 'config.json');
    // Anything else, such as a pipe that would hang us, the engine refuses.
    const config: unknown = statSync(file).isFile() ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
    const process = typeof config === 'object' && config !== null && 'process' in config ? config.process : undefined;
    return { interactive: true, terminal: typeof process === 'object' && process !== null && 'terminal' in process && process.terminal === true };
  } catch {
    // The engine says what is wrong with it.
    return { interactive: true, terminal: false };
  }
}

/** A process of ours, and its end with all that belongs to it. */
export type Followed = Pick<RunningContainer, 'process' | 'wait'>;

/** Stays with the container. Whatever goes wrong here, it does not outlive this process. */
export async function followProcess(container: Followed, wishes: StreamWishes, relay: SignalRelay, cli: Cli): Promise<number> {
  const { process: child } = container;
  const end = (): void => {
    child.kill(SIGKILL);
    child.cleanup();
  };
  process.once('exit', end);
  try {
    const copied = child.terminal ?? child.stdin ?? child.stdout ?? child.stderr;
    if (copied === undefined) {
      relay.to(child, stubborn(child, cli));
      return exitCode(await container.wait(), cli);
    }
    return await copyStreams(container, wishes, relay, cli);
  } catch (error) {
    end();
    throw error;
  } finally {
    process.off('exit', end);
  }
}

/**
 * Process 1 of a pid namespace gets only the signals that it handles (pid_namespaces(7)): a user who asks for the end a second time is told,
 * and the third time ends it, as docker's command line has it.
 */
function stubborn(child: Followed['process'], cli: Cli): (signal: NodeJS.Signals) => boolean {
  let asked = 0;
  return (signal) => {
    if (signal !== 'SIGINT' && signal !== 'SIGTERM') return false;
    asked += 1;
    if (asked === 2) cli.warn(`the command goes on after ${signal}: as process 1 it gets only signals that it handles; once more kills it, and with --init any signal ends it`);
    if (asked < 3) return false;
    child.kill(SIGKILL);
    return true;
  };
}

async function copyStreams(container: Followed, wishes: StreamWishes, relay: SignalRelay, cli: Cli): Promise<number> {
  const { process: child } = container;
  const { attach } = await import('../io/attach.ts');
  const { enterRawMode, terminalSize } = await import('../io/terminal.ts');
  const typed = child.terminal !== undefined && wishes.interactive;
  const raw = typed ? enterRawMode() : undefined;
  const resize = (): void => {
    const size = terminalSize();
    if (size !== undefined) child.resize(size.height, size.width);
  };
  const unheard = stubborn(child, cli);
  relay.to(child, (signal) => {
    if (unheard(signal)) return true;
    if (signal === 'SIGCONT') raw?.again();
    if (child.terminal === undefined || (signal !== 'SIGWINCH' && signal !== 'SIGCONT')) return false;
    resize();
    return signal === 'SIGWINCH';
  });
  // The window may have changed between the launch and now.
  if (child.terminal !== undefined) resize();
  const attachment = attach(child, wishes.interactive);
  try {
    const status = await container.wait();
    await attachment.drained(DRAIN_LIMIT);
    raw?.restore();
    return exitCode(status, cli);
  } finally {
    attachment.close();
    raw?.restore();
  }
}

function exitCode(status: Awaited<ReturnType<RunningContainer['wait']>>, cli: Cli): number {
  if (status.oomKilled === true) cli.warn('the kernel killed a process of the container: its memory limit was reached');
  return status.code;
}
