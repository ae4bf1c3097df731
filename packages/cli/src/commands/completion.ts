/**
 * `tsc-box completion SHELL` prints a small script. The script asks the hidden command `__complete` with the words typed so far, so that
 * one implementation, made from the tables, serves every shell. Its answer: `WORD<tab>description` lines, then `:DIRECTIVE`.
 */
import type { Engine } from '@tsc-box/engine';
import { familiarReference, UsageError } from '@tsc-box/model';
import type { Completion, Flag } from '../args/flag.ts';
import { GLOBAL_FLAGS } from '../args/run-flags.ts';
import { flagsOf } from '../dispatch.ts';
import type { Command, Run } from './command.ts';
import { COMMANDS } from './registry.ts';
import { SCRIPTS } from './completion-scripts.ts';

export const completion: Run = (parsed, cli) => {
  const shell = parsed.positionals[0] ?? '';
  const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
  if (script === undefined) throw new UsageError({ attempted: 'print a completion script', detail: `found "${shell}", allowed: ${Object.keys(SCRIPTS).join(', ')}` });
  cli.write(script);
  return 0;
};

/** What the shell adds of its own: paths, directories, names of programs, or nothing. */
export type Directive = 'none' | 'file' | 'directory' | 'program';

export interface Candidates {
  readonly words: readonly (readonly [word: string, description: string])[];
  readonly directive: Directive;
}

const NOTHING: Candidates = { words: [], directive: 'none' };

/** Of containers or of the store's images. */
export type Names = (kind: 'containers' | 'images') => Promise<readonly string[]>;

/** `words`: those after `tsc-box`; the last one is what is being typed, perhaps empty. */
export async function complete(words: readonly string[], names: Names): Promise<Candidates> {
  const current = words.at(-1) ?? '';
  const top = walk(words.slice(0, -1), GLOBAL_FLAGS, true);
  if (top.expects !== undefined) return values(top.expects, '');
  const [name, ...rest] = top.words;
  if (name === undefined) {
    if (current.startsWith('-')) return flagCandidates(current, GLOBAL_FLAGS);
    return { words: COMMANDS.map((command) => [command.name, command.summary]), directive: 'none' };
  }
  const command = COMMANDS.find((one) => one.name === name);
  return command === undefined ? NOTHING : await within(command, rest, current, names);
}

async function within(command: Command, before: readonly string[], current: string, names: Names): Promise<Candidates> {
  const flags = flagsOf(command);
  const state = walk(before, flags, command.stopAtWord);
  if (state.expects !== undefined) return values(state.expects, '');
  const listed = async (kind: 'containers' | 'images'): Promise<readonly (readonly [string, string])[]> => (await names(kind)).map((name) => [name, '']);
  const inCommand = command.stopAtWord && state.words.length > 0;
  if (inCommand) return { words: [], directive: state.words.length === 1 ? 'program' : 'file' };
  if (current.startsWith('-') && !state.ended) return flagCandidates(current, flags);
  if (command.complete === 'file') return { words: [], directive: 'file' };
  if (command.complete === 'image') return images(current, await listed('images'));
  if (command.complete === 'container') return { words: await listed('containers'), directive: 'none' };
  if (command.complete === 'store-image') return { words: await listed('images'), directive: 'none' };
  if (command.complete === 'image-or-container') return { words: [...(await listed('containers')), ...(await listed('images'))], directive: 'none' };
  return { words: (command.complete ?? []).map((word) => [word, '']), directive: 'none' };
}

interface Walked {
  /** Words that are neither flags nor their values. */
  readonly words: readonly string[];
  /** The flag whose value comes next. */
  readonly expects: Flag | undefined;
  /** `--` was seen. */
  readonly ended: boolean;
}

/** As the parser reads, but forgiving. */
function walk(args: readonly string[], flags: readonly Flag[], stopAtWord: boolean): Walked {
  const words: string[] = [];
  let expects: Flag | undefined;
  for (const [index, arg] of args.entries()) {
    if (expects !== undefined) expects = undefined;
    else if (arg === '--') return { words: [...words, ...args.slice(index + 1)], expects, ended: true };
    else if (!arg.startsWith('-') || arg === '-') {
      if (stopAtWord) return { words: args.slice(index), expects, ended: false };
      words.push(arg);
    } else expects = expectsValue(arg, flags);
  }
  return { words, expects, ended: false };
}

function expectsValue(arg: string, flags: readonly Flag[]): Flag | undefined {
  if (arg.startsWith('--')) return arg.includes('=') ? undefined : flags.find((flag) => flag.kind !== 'boolean' && (flag.long === arg.slice(2) || flag.aliases?.includes(arg.slice(2)) === true));
  const letters = arg.slice(1).split('');
  const at = letters.findIndex((letter) => flags.some((flag) => flag.short === letter && flag.kind !== 'boolean'));
  return at === letters.length - 1 ? flags.find(({ short }) => short === letters[at]) : undefined;
}

function flagCandidates(current: string, flags: readonly Flag[]): Candidates {
  const equals = current.indexOf('=');
  if (equals < 0) return { words: flags.map(({ long, help }) => [`--${long}`, help]), directive: 'none' };
  const flag = flags.find(({ long }) => long === current.slice(2, equals));
  return flag === undefined ? NOTHING : values(flag, current.slice(0, equals + 1));
}

function values(flag: Flag, prefix: string): Candidates {
  const offered: Completion | undefined = flag.choices ?? flag.complete ?? (flag.kind === 'boolean' ? ['true', 'false'] : undefined);
  if (offered === undefined) return NOTHING;
  if (typeof offered === 'string') return { words: [], directive: offered };
  return { words: offered.map((word) => [`${prefix}${word}`, '']), directive: 'none' };
}

function images(current: string, stored: Candidates['words']): Candidates {
  if (current.startsWith('oci:')) return { words: [], directive: 'directory' };
  if (current.startsWith('docker-archive:')) return { words: [], directive: 'file' };
  return { words: [['host', 'this machine\'s own root'], ['oci:', 'an OCI image layout'], ['docker-archive:', 'an archive of docker save'], ...stored], directive: 'none' };
}

/** `tsc-box __complete WORD…` */
export async function completeWords(words: readonly string[], openEngine: () => Promise<Engine>, write: (text: string) => void): Promise<number> {
  // Nothing to suggest is better than an error in the middle of a line being typed.
  const names: Names = async (kind) => {
    try {
      const engine = await openEngine();
      return kind === 'containers' ? engine.list().map(({ name }) => name) : (await (await engine.images()).list()).flatMap(({ name, reference }) => (reference === undefined ? (name ?? []) : familiarReference(reference)));
    } catch {
      return [];
    }
  };
  const { words: all, directive } = await complete(words, names);
  const current = words.at(-1) ?? '';
  write([...all.filter(([word]) => word.startsWith(current)).map(([word, description]) => (description === '' ? word : `${word}\t${description}`)), `:${directive}`, ''].join('\n'));
  return 0;
}
