/** A container that runs beside the program that started it. */
import { Socket } from 'node:net';
import { BoxError, parseSignal, signalName, type ResourceUsage } from '@tsc-box/model';
import type { Engine, RunningContainer } from '../containers/types.ts';
import type { Life } from '../life/types.ts';
import { checked, collect } from './collect.ts';
import { openLines, type Lines } from './lines.ts';
import { checkLimits, durationMs, environmentOf, outputMax } from './options.ts';
import type { BoxContainer, ExecCall, StartCall, WaitCall } from './types.ts';

const STOP_MS = 10_000;
const SIGTERM = 15;
const SIGKILL = 9;

export interface Around {
  readonly engine: Engine;
  readonly life: Life;
  /** What it has used, once it has ended. */
  readonly usage: () => ResourceUsage;
}

export function openContainer({ engine, life, usage }: Around, running: RunningContainer, call: StartCall): BoxContainer {
  const { state, process: child, warnings } = running;
  const began = performance.now();
  const lines = openLines(child.stdout, child.stderr, outputMax(call));
  const stdin = child.stdin === undefined ? undefined : new Socket({ fd: child.stdin, readable: false, writable: true }).on('error', () => undefined);
  const kill = (): void => void child.kill(SIGKILL);
  call.signal?.addEventListener('abort', kill);
  if (call.signal?.aborted === true) kill();
  const ended = running.wait().then((status) => {
    call.signal?.removeEventListener('abort', kill);
    stdin?.destroy();
    return { exitCode: status.code, signal: status.signal === undefined ? undefined : (signalName(status.signal) ?? String(status.signal)), oomKilled: status.oomKilled === true, duration: performance.now() - began, usage: usage() };
  });
  ended.catch(() => undefined);
  const stop: BoxContainer['stop'] = async ({ timeout = STOP_MS } = {}) => {
    child.kill(state.stopSignal ?? SIGTERM);
    const timer = setTimeout(kill, durationMs(timeout, 'timeout'));
    try {
      await ended;
    } finally {
      clearTimeout(timer);
    }
  };
  return {
    id: state.id, name: state.name, pid: child.pid, stdin, warnings,
    state: () => engine.find(state.id),
    wait: () => ended,
    waitFor: (what) => waitFor(state.name, lines, ended, what),
    logs: ({ follow = true } = {}) => lines.read(follow),
    exec: (command, exec = {}) => execIn(life, state.id, command, exec),
    diff: () => engine.diff(state.id),
    stats: () => life.stats(engine.find(state.id)),
    pause: () => life.pause(state.id),
    unpause: () => life.unpause(state.id),
    kill: (signal) => child.kill(signal === undefined ? SIGKILL : parseSignal(signal)),
    stop,
    async [Symbol.asyncDispose]() {
      kill();
      await ended.catch(() => undefined);
      lines.close();
    },
  };
}

async function execIn(life: Life, id: string, command: readonly string[], { stdin, env, check, timeout, signal, maxOutput, ...options }: ExecCall): Promise<Awaited<ReturnType<BoxContainer['exec']>>> {
  checkLimits({ ...(timeout === undefined ? {} : { timeout }), ...(signal === undefined ? {} : { signal }), ...(maxOutput === undefined ? {} : { maxOutput }) });
  const child = life.exec(id, {
    command, options: { ...options, env: environmentOf(env) }, hostEnv: {}, cwd: process.cwd(), dieWithParent: true,
    stdio: { stdin: stdin === undefined ? 'null' : 'pipe', stdout: 'pipe', stderr: 'pipe' },
  });
  const what = `"${command.join(' ')}"`;
  const limits = { ...(timeout === undefined ? {} : { timeout }), ...(signal === undefined ? {} : { signal }), ...(maxOutput === undefined ? {} : { maxOutput }), ...(stdin === undefined ? {} : { stdin }) };
  return checked(await collect({ process: child, wait: () => child.wait().finally(() => child.cleanup()), usage: () => child.usage() }, limits, what), check, what);
}

async function waitFor(name: string, lines: Lines, ended: Promise<{ readonly exitCode: number }>, { log, exit, timeout, signal }: WaitCall): Promise<void> {
  const attempted = `wait for the container "${name}"`;
  const waits: Promise<void>[] = [];
  if (log !== undefined) waits.push(waitForLine(lines, log, ended, attempted));
  if (exit === true || log === undefined) waits.push(ended.then(() => undefined));
  const all = Promise.all(waits);
  all.catch(() => undefined);
  const given = [...(signal === undefined ? [] : [signal]), ...(timeout === undefined ? [] : [AbortSignal.timeout(durationMs(timeout, 'timeout'))])];
  if (given.length === 0) return void (await all);
  const stop = AbortSignal.any(given);
  await Promise.race([all, new Promise<never>((_resolve, reject) => {
    const refuse = (): void => reject(signal?.aborted === true ? (signal.reason as Error) : new BoxError({ code: 'ERR_TSCBOX_STATE', attempted, detail: `it was not so within ${String(timeout)}${log === undefined ? '' : `: no line had ${String(log)}`}` }));
    if (stop.aborted) refuse();
    stop.addEventListener('abort', refuse, { once: true });
  })]);
}

async function waitForLine(lines: Lines, log: RegExp | string, ended: Promise<{ readonly exitCode: number }>, attempted: string): Promise<void> {
  const last: string[] = [];
  for await (const { line } of lines.read(true)) {
    if (typeof log === 'string' ? line.includes(log) : new RegExp(log.source, log.flags.replace(/[gy]/g, '')).test(line)) return;
    last.push(line);
    if (last.length > 1) last.shift();
  }
  const { exitCode } = await ended;
  throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted, detail: `it ended with exit code ${String(exitCode)} and no line had ${String(log)}${last[0] === undefined ? '' : `; its last line: ${last[0]}`}` });
}
