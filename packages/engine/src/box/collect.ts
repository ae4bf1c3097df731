/** A process to its end, with what it wrote: streams on pipes, read as they come, without a thread each. */
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { BoxError, signalName, type ExitStatus, type LaunchedProcess, type ResourceUsage } from '@tsc-box/model';
import { durationMs, outputMax } from './options.ts';
import type { Input, Limits, RunResult } from './types.ts';

const SIGKILL = 9;
/** Milliseconds that output may still come after the end, from a process outside the container that holds its streams. */
const DRAIN_MS = 2000;

export interface Running {
  readonly process: LaunchedProcess;
  wait(): Promise<ExitStatus>;
  /** What it has used, once it has ended. */
  usage(): ResourceUsage;
}

/** @throws BoxError ERR_TSCBOX_STATE when it writes too much; the reason of `signal` */
export async function collect(running: Running, call: Limits & { readonly stdin?: Input }, what: string): Promise<RunResult> {
  const { process: child } = running;
  const began = performance.now();
  const max = outputMax(call);
  const ends: (() => void)[] = [];
  let timedOut = false;
  let tooMuch: string | undefined;
  const kill = (): void => void child.kill(SIGKILL);
  const over = (stream: string): void => {
    tooMuch ??= stream;
    kill();
  };
  const outputs = [gather(child.stdout, max, () => over('standard output')), gather(child.stderr, max, () => over('standard error'))];
  const input = feed(child.stdin, call.stdin);
  if (call.timeout !== undefined) {
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, durationMs(call.timeout, 'timeout'));
    ends.push(() => clearTimeout(timer));
  }
  if (call.signal !== undefined) {
    const { signal } = call;
    signal.addEventListener('abort', kill);
    if (signal.aborted) kill();
    ends.push(() => signal.removeEventListener('abort', kill));
  }
  try {
    const status = await running.wait();
    const duration = performance.now() - began;
    await drained(outputs.map(({ ended }) => ended));
    call.signal?.throwIfAborted();
    if (tooMuch !== undefined) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `run ${what}`, detail: `it wrote more than ${String(max)} bytes to ${tooMuch}`, hint: 'raise maxOutput, or write to a file' });
    const [stdoutBytes = Buffer.alloc(0), stderrBytes = Buffer.alloc(0)] = outputs.map(({ bytes }) => bytes());
    return {
      exitCode: status.code, signal: status.signal === undefined ? undefined : (signalName(status.signal) ?? String(status.signal)), stdout: stdoutBytes.toString('utf8'), stderr: stderrBytes.toString('utf8'), stdoutBytes, stderrBytes,
      timedOut, oomKilled: status.oomKilled === true, duration, usage: running.usage(),
    };
  } finally {
    for (const end of ends) end();
    for (const output of outputs) output.close();
    input?.();
  }
}

interface Gathered {
  readonly ended: Promise<void>;
  bytes(): Buffer;
  close(): void;
}

function gather(fd: number | undefined, max: number, over: () => void): Gathered {
  if (fd === undefined) return { ended: Promise.resolve(), bytes: () => Buffer.alloc(0), close: () => undefined };
  const socket = new Socket({ fd, readable: true, writable: false });
  const chunks: Buffer[] = [];
  let size = 0;
  socket.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > max) over();
    else chunks.push(chunk);
  });
  socket.on('error', () => undefined);
  return { ended: new Promise((resolve) => void socket.once('close', () => resolve())), bytes: () => Buffer.concat(chunks), close: () => void socket.destroy() };
}

/** A command that reads no more is no error. Returns what gives the pipe up. */
export function feed(fd: number | undefined, input: Input | undefined): (() => void) | undefined {
  if (fd === undefined) return undefined;
  const pipe = new Socket({ fd, readable: false, writable: true });
  pipe.on('error', () => undefined);
  if (input instanceof Readable) input.pipe(pipe);
  else pipe.end(input ?? '');
  return () => {
    if (input instanceof Readable) input.unpipe(pipe);
    pipe.destroy();
  };
}

async function drained(ends: readonly Promise<void>[]): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, DRAIN_MS)));
  await Promise.race([Promise.all(ends), late]);
  clearTimeout(timer);
}

/** @throws BoxError for an exit code other than 0, when that was asked for */
export function checked(result: RunResult, check: boolean | undefined, what: string): RunResult {
  if (check !== true || result.exitCode === 0) return result;
  const end = result.timedOut ? 'its time was over' : result.oomKilled ? 'its memory limit was reached' : result.signal === undefined ? `exit code ${String(result.exitCode)}` : result.signal;
  const said = result.stderr.trimEnd().split('\n').at(-1) ?? '';
  throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `run ${what}`, detail: said === '' ? end : `${end}: ${said}` });
}
