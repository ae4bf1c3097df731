/** `tsc-box try`: a command on a copy of this machine; then what it changed is applied, discarded or kept. */
import { openSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline/promises';
import { ReadStream } from 'node:tty';
import { parseDurationMs, UsageError, type Change } from '@tsc-box/model';
import type { Engine, RunningContainer } from '@tsc-box/engine';
import { booleanValue, stringValue, type Parsed } from '../args/flag.ts';
import { helpHint } from '../args/parse.ts';
import { relaySignals } from '../io/signals.ts';
import { chooseStreams } from '../io/streams.ts';
import { isTerminal } from '../report/write.ts';
import { isDone, NOT_ALL, showPath, tell } from './apply.ts';
import type { Cli, Run } from './command.ts';
import { requestFrom } from './request.ts';
import { followProcess } from './run.ts';

const SIGKILL = 9;
/** As of timeout(1). */
const TIMED_OUT = 124;
const SHOWN_MAX = 200;

type Fate = 'apply' | 'discard' | 'keep' | 'ask';

export const tryCommand: Run = async (parsed, cli) => {
  const fate = fateOf(parsed);
  const engine = await cli.engine();
  const { container, code } = await perform(parsed, cli, engine);
  const { id, name } = container.state;
  const changes = engine.diff(id);
  if (changes.length === 0) {
    process.stderr.write('it changed nothing\n');
    engine.remove(id);
    return code;
  }
  show(changes);
  if (fate === 'discard') engine.remove(id);
  else if (fate === 'keep') kept(name);
  else if (fate === 'ask') return (await ask(engine, cli, id, name, changes)) ? code : code || NOT_ALL;
  else if (code !== 0) {
    cli.warn(`nothing is applied: it ended with exit code ${String(code)}`);
    kept(name);
  } else return (await applyAll(engine, cli, id, name)) ? code : NOT_ALL;
  return code;
};

function fateOf(parsed: Parsed): Fate {
  const given = (['apply', 'discard', 'keep'] as const).filter((key) => booleanValue(parsed, key));
  if (given.length > 1) throw new UsageError({ attempted: 'read the command line', detail: `found ${given.map((key) => `--${key}`).join(' and ')}, allowed: one of them`, hint: helpHint('try') });
  return given[0] ?? (isTerminal(0) && isTerminal(2) ? 'ask' : 'keep');
}

async function perform(parsed: Parsed, cli: Cli, engine: Engine): Promise<{ readonly container: RunningContainer; readonly code: number }> {
  const timeout = stringValue(parsed, 'timeout');
  const timeoutMs = timeout === undefined ? undefined : parseDurationMs(timeout, '--timeout');
  const wishes = { interactive: true, terminal: isTerminal(0) && isTerminal(1) };
  const request = requestFrom('try', { ...parsed, positionals: ['host', ...parsed.positionals] }, cli);
  const { terminalSize } = await import('../io/terminal.ts');
  const size = wishes.terminal ? terminalSize() : undefined;
  const relay = relaySignals();
  let timedOut = false;
  try {
    const guard = await cli.startGuard();
    const container = await engine.run({
      ...request, options: { network: 'none', workdir: cli.cwd, ...request.options, ...wishes }, stdio: chooseStreams(wishes, isTerminal), dieWithParent: true, ...(size === undefined ? {} : { terminalSize: size }),
    });
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => {
      timedOut = true;
      container.process.kill(SIGKILL);
    }, timeoutMs);
    const code = await followProcess(container, wishes, relay, cli).finally(() => clearTimeout(timer));
    guard?.dismiss();
    if (timedOut) cli.warn(`it was killed after ${timeout ?? ''}`);
    return { container, code: timedOut ? TIMED_OUT : code };
  } finally {
    relay.stop();
  }
}

/** On standard error: standard output is the command's. */
function show(changes: readonly Change[]): void {
  const lines = changes.slice(0, SHOWN_MAX).map(({ kind, path }) => `${kind} ${showPath(path)}\n`);
  if (changes.length > SHOWN_MAX) lines.push(`and ${String(changes.length - SHOWN_MAX)} more: tsc-box diff lists them\n`);
  process.stderr.write(lines.join(''));
}

const kept = (name: string): void => void process.stderr.write(`kept: tsc-box apply ${name}, or tsc-box rm ${name}\n`);

/** True when all was applied; the container is gone then. */
async function applyAll(engine: Engine, cli: Cli, id: string, name: string, force = false): Promise<boolean> {
  const results = await engine.apply(id, { force, onWarning: (text) => cli.warn(text) });
  tell(cli, results);
  const done = isDone(results);
  if (done) engine.remove(id);
  else kept(name);
  return done;
}

/** True when it was done as wished. */
async function ask(engine: Engine, cli: Cli, id: string, name: string, changes: readonly Change[]): Promise<boolean> {
  // The standard stream was closed with the container's: the same terminal again.
  const input = new ReadStream(openSync('/proc/self/fd/0', 'r'));
  const terminal = createInterface({ input, output: process.stderr });
  try {
    for (;;) {
      const answer = await question(terminal, 'apply all [a], some [s], discard [d] or keep [k]? ');
      if (answer === 'a') return await applyAll(engine, cli, id, name);
      if (answer === 'd') return engine.remove(id), true;
      if (answer === 'k' || answer === undefined) return kept(name), true;
      if (answer === 's') await applySome(engine, cli, id, terminal, changes);
    }
  } finally {
    terminal.close();
    input.destroy();
  }
}

async function applySome(engine: Engine, cli: Cli, id: string, terminal: Interface, changes: readonly Change[]): Promise<void> {
  const answer = (await question(terminal, 'path, with all below it: ')) ?? '';
  if (answer === '') return;
  if (!changes.some(({ path }) => path === answer)) return cli.warn(`nothing was changed at "${answer}"`);
  try {
    const results = await engine.apply(id, { paths: [answer], onWarning: (text) => cli.warn(text) });
    tell(cli, results);
    if (isDone(results)) process.stderr.write(`applied: ${showPath(answer)}\n`);
  } catch (error) {
    cli.report(error);
  }
}

/** Undefined at the end of the input, and for ctrl-c. */
async function question(terminal: Interface, text: string): Promise<string | undefined> {
  const closed = new Promise<undefined>((resolve) => void terminal.once('close', () => resolve(undefined)));
  return (await Promise.race([terminal.question(text).catch(() => undefined), closed]))?.trim();
}
