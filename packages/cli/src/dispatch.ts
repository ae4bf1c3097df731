/** From the words of a command line to the command that does them. */
import { exitCodeForError, UnsupportedError, UsageError, type System } from '@tsc-box/model';
import type { Engine } from '@tsc-box/engine';
import { booleanValue, stringValue, type Flag, type Parsed } from './args/flag.ts';
import { nearest } from './args/nearest.ts';
import { helpHint, parseArgs } from './args/parse.ts';
import { GLOBAL_FLAGS } from './args/run-flags.ts';
import type { Cli, Command, Guard } from './commands/command.ts';
import { COMMANDS } from './commands/registry.ts';
import { renderError, renderWarning, type ErrorFormat } from './report/errors.ts';
import type { Style } from './report/style.ts';

/** What the command line touches outside itself. Tests give their own. */
export interface Outside {
  readonly env: Readonly<Record<string, string | undefined>>;
  cwd(): string;
  write(text: string): void;
  writeError(text: string): void;
  /** `style` of standard output (1) and standard error (2). */
  style(fd: 1 | 2): Style;
  openEngine(systemName: string, root: string | undefined): Promise<Engine>;
  /** Starts what tidies up when this process is killed; undefined where there is no such thing. */
  startGuard(systemName: string, root: string | undefined): Promise<Guard | undefined>;
}

const TOP_FLAGS: readonly Flag[] = [
  ...GLOBAL_FLAGS.map((flag): Flag => (flag.long === 'help' ? { ...flag, short: 'h' } : flag)),
  { long: 'version', short: 'V', key: 'version', kind: 'boolean', help: 'Print the version', group: 'Global' },
];

/** Does what `argv` says (without node and script), and returns the exit code. Never throws. */
export async function dispatch(argv: readonly string[], outside: Outside): Promise<number> {
  let format: ErrorFormat | undefined;
  try {
    const top = parseArgs(argv, { command: undefined, flags: TOP_FLAGS, stopAtWord: true });
    format = formatOf(top);
    if (booleanValue(top, 'version')) return await perform(findCommand('version'), top, [], outside);
    const [name, ...rest] = top.positionals;
    if (name === undefined || (name === 'help' && rest.length === 0) || booleanValue(top, 'help')) return await help(undefined, outside);
    if (name === 'help') return await help(findCommand(rest[0] ?? ''), outside);
    if (name.startsWith('__')) return await hidden(name, rest, top, outside);
    const command = findCommand(name);
    const parsed = parseArgs(rest, { command: name, flags: flagsOf(command), stopAtWord: command.stopAtWord });
    format = formatOf(parsed) ?? format;
    if (booleanValue(parsed, 'help')) return await help(command, outside);
    return await perform(command, { values: { ...top.values, ...parsed.values }, positionals: parsed.positionals }, parsed.positionals, outside);
  } catch (error) {
    outside.writeError(renderError(error, format ?? formatAsTyped(argv), outside.style(2)));
    return exitCodeForError(error);
  }
}

/** Flags of a command: its own and those allowed everywhere. `-h` is help where it isn't docker's --hostname. */
export function flagsOf(command: Command): readonly Flag[] {
  const taken = command.flags.some(({ short }) => short === 'h');
  return [...command.flags, ...GLOBAL_FLAGS.map((flag): Flag => (flag.long === 'help' && !taken ? { ...flag, short: 'h' } : flag))];
}

function findCommand(name: string): Command {
  const command = COMMANDS.find((one) => one.name === name);
  if (command !== undefined) return command;
  const guess = nearest(name, COMMANDS.map((one) => one.name));
  throw new UsageError({ attempted: 'read the command line', detail: `unknown command "${name}", allowed: ${COMMANDS.map((one) => one.name).join(', ')}`, hint: guess === undefined ? helpHint(undefined) : `did you mean "${guess}"?` });
}

/** Commands for our own use: completion scripts, the guard and the supervisor. */
async function hidden(name: string, words: readonly string[], top: Parsed, outside: Outside): Promise<number> {
  const engine = (): Promise<Engine> => outside.openEngine(systemName(top, outside), stringValue(top, 'root'));
  if (name === '__complete') return await (await import('./commands/completion.ts')).completeWords(words, engine, (text) => outside.write(text));
  if (name === '__supervise') {
    await (await (await engine()).life()).supervise();
    return 0;
  }
  if (name !== '__sweep') findCommand(name);
  (await engine()).sweep();
  return 0;
}

async function help(command: Command | undefined, outside: Outside): Promise<number> {
  const { commandHelp, programHelp } = await import('./help.ts');
  outside.write(command === undefined ? programHelp(COMMANDS, outside.style(1)) : commandHelp(command, outside.style(1)));
  return 0;
}

async function perform(command: Command, parsed: Parsed, words: readonly string[], outside: Outside): Promise<number> {
  checkWords(command, words);
  const format = formatOf(parsed) ?? 'text';
  const errors = (): Style => outside.style(2);
  let engine: Promise<Engine> | undefined;
  const cli: Cli = {
    env: outside.env, cwd: outside.cwd(), errorFormat: format,
    get style() {
      return outside.style(1);
    },
    engine: () => (engine ??= outside.openEngine(systemName(parsed, outside), stringValue(parsed, 'root'))),
    startGuard: () => outside.startGuard(systemName(parsed, outside), stringValue(parsed, 'root')),
    write: (text) => outside.write(text),
    warn: (text) => outside.writeError(renderWarning(text, format, errors())),
    report: (error) => outside.writeError(renderError(error, format, errors())),
  };
  return await (await command.load())(parsed, cli);
}

function checkWords({ name, usage, words: [least, most] }: Command, words: readonly string[]): void {
  if (words.length >= least && words.length <= most) return;
  const detail = words.length < least ? `"${name}" needs ${usage.split(' ').filter((word) => !word.startsWith('['))[words.length] ?? 'an argument'}` : `"${name}" takes ${most === 0 ? 'no arguments' : most === 1 ? 'one argument' : `${most} arguments`}, found ${words.length}: ${words.join(' ')}`;
  throw new UsageError({ attempted: 'read the command line', detail, hint: helpHint(name) });
}

function systemName(parsed: Parsed, { env }: Outside): string {
  if (booleanValue(parsed, 'simulate')) return 'sim';
  return stringValue(parsed, 'system') ?? (env['TSC_BOX_SYSTEM'] || 'linux');
}

function formatOf(parsed: Parsed): ErrorFormat | undefined {
  const value = stringValue(parsed, 'errorFormat');
  return value === 'json' || value === 'text' ? value : undefined;
}

/** For mistakes found before the flag itself was read. */
function formatAsTyped(argv: readonly string[]): ErrorFormat {
  const end = argv.indexOf('--');
  const own = end < 0 ? argv : argv.slice(0, end);
  return own.some((arg, index) => arg === '--error-format=json' || (arg === '--error-format' && own[index + 1] === 'json')) ? 'json' : 'text';
}

/** The kernel to work with. Only the one asked for is loaded, so that the other's dependencies need not be there. */
export async function openSystem(name: string): Promise<System> {
  if (name === 'linux') {
    if (process.platform !== 'linux') throw new UnsupportedError({ attempted: 'use the Linux kernel', reason: `this is ${process.platform}` });
    return (await import('@tsc-box/host-linux')).openLinux();
  }
  if (name === 'sim') return (await import('@tsc-box/sim')).openSim();
  throw new UsageError({ attempted: 'read TSC_BOX_SYSTEM', detail: `found "${name}", allowed: linux, sim` });
}

