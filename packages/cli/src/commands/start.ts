/** `tsc-box start`, and `attach`. */
import { UsageError } from '@tsc-box/model';
import type { Attached, Life, LogEntry } from '@tsc-box/engine';
import { booleanValue, stringValue } from '../args/flag.ts';
import { typeInto } from '../io/attach.ts';
import { keyWatcher, parseDetachKeys } from '../io/detach-keys.ts';
import { relaySignals } from '../io/signals.ts';
import { isTerminal, writeBytes } from '../report/write.ts';
import type { Cli, Run } from './command.ts';
import { forEach } from './each.ts';

export const start: Run = async (parsed, cli) => {
  const life = await (await cli.engine()).life();
  const interactive = booleanValue(parsed, 'interactive');
  if (!booleanValue(parsed, 'attach') && !interactive) return forEach(parsed.positionals, cli, (name) => life.start(name));
  const [name = '', ...more] = parsed.positionals;
  if (more.length > 0) throw new UsageError({ attempted: 'read the command line', detail: `found ${String(parsed.positionals.length)} containers with --attach, allowed: one` });
  const keys = parseDetachKeys(stringValue(parsed, 'detachKeys'));
  return stay(life, (signal) => life.startAttached(name, { signal }), { interactive, keys }, cli);
};

export const attach: Run = async (parsed, cli) => {
  const keys = parseDetachKeys(stringValue(parsed, 'detachKeys'));
  const life = await (await cli.engine()).life();
  return stay(life, async (signal) => life.attach(parsed.positionals[0] ?? '', { signal }), { interactive: !booleanValue(parsed, 'noStdin'), keys }, cli);
};

interface Stay {
  readonly interactive: boolean;
  readonly keys: readonly number[];
}

/** Until the container has ended, or the user has typed the keys to leave it. */
async function stay(life: Life, join: (leave: AbortSignal) => Promise<Attached>, { interactive, keys }: Stay, cli: Cli): Promise<number> {
  const leave = new AbortController();
  const relay = relaySignals();
  let screen: Screen | undefined;
  let endInput: (() => void) | undefined;
  try {
    const attached = await join(leave.signal);
    const { terminal } = attached.streams;
    const { id } = attached.state;
    const ended = attached.wait().catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
    screen = terminal === undefined ? undefined : await takeScreen(attached, interactive);
    relay.to({ kill: (signal) => (life.kill(id, signal).catch(() => undefined), true) }, (signal) => screen?.signal(signal) === true);
    endInput = interactive ? takeInput(attached, keys, () => leave.abort()) : undefined;
    await copyOut(attached.output, cli);
    if (leave.signal.aborted) return 0;
    const status = await ended;
    if (status instanceof Error) throw status;
    if (status.oomKilled === true) cli.warn('the kernel killed a process of the container: its memory limit was reached');
    return status.code;
  } finally {
    endInput?.();
    screen?.leave();
    relay.stop();
  }
}

async function copyOut(output: AsyncIterable<LogEntry>, cli: Cli): Promise<void> {
  for await (const { stream, bytes } of output) {
    if (stream === 'lost') cli.warn(Buffer.from(bytes).toString());
    else writeBytes(stream === 'stderr' ? 2 : 1, bytes);
  }
}

/** Keys to the terminal, or what comes on standard input to the pipe. Returns what ends it. */
function takeInput({ streams, endInput }: Attached, keys: readonly number[], leave: () => void): () => void {
  const target = streams.terminal ?? streams.stdin;
  if (target === undefined) return () => undefined;
  const watched = streams.terminal === undefined && !isTerminal(0) ? undefined : keyWatcher(keys, leave);
  return typeInto(process.stdin, target, streams.terminal === undefined ? endInput : leave, watched);
}

interface Screen {
  /** True when it took the signal for itself. */
  signal(signal: NodeJS.Signals): boolean;
  leave(): void;
}

async function takeScreen(attached: Attached, interactive: boolean): Promise<Screen> {
  const { enterRawMode, terminalSize } = await import('../io/terminal.ts');
  const raw = interactive ? enterRawMode() : undefined;
  const resize = (): void => {
    const size = terminalSize();
    if (size !== undefined) attached.resize(size.height, size.width);
  };
  resize();
  return {
    signal(signal) {
      if (signal === 'SIGCONT') raw?.again();
      if (signal === 'SIGWINCH' || signal === 'SIGCONT') resize();
      return signal === 'SIGWINCH';
    },
    leave: () => raw?.restore(),
  };
}
