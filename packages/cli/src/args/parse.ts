/**
 * Reads a command line by a table of flags: Node's own parseArgs (node:util) finds the words, and the rules of docker's parser (pflag) are
 * added here: `-n=value`, `--rm=false`, flags that end at the image, errors that name the nearest flag.
 */
import { parseArgs as tokenize } from 'node:util';
import { UsageError } from '@tsc-box/model';
import { DOCKER_ONLY, DOCKER_ONLY_SHORT } from './run-flags.ts';
import type { Flag, FlagValue, Parsed } from './flag.ts';
import { nearest } from './nearest.ts';

export interface ParseRules {
  /** For error texts: `run`; undefined before any command. */
  readonly command: string | undefined;
  readonly flags: readonly Flag[];
  /** Flags end at the first other word: what follows belongs to the container's command. */
  readonly stopAtWord: boolean;
}

const TRUE = ['true', '1', 't', 'T', 'TRUE', 'True'];
const FALSE = ['false', '0', 'f', 'F', 'FALSE', 'False'];

/** @throws UsageError for an unknown flag, a missing or a wrong value. */
export function parseArgs(args: readonly string[], rules: ParseRules): Parsed {
  const values: Record<string, FlagValue> = {};
  const positionals: string[] = [];
  const { tokens } = tokenize({ args: args.map((word) => spellOut(word, rules.flags)), options: optionsOf(rules.flags), strict: false, allowPositionals: true, tokens: true });
  for (const token of tokens) {
    if (token.kind === 'option-terminator') return { values, positionals: [...positionals, ...args.slice(token.index + 1)] };
    if (token.kind === 'positional') {
      if (rules.stopAtWord) return { values, positionals: args.slice(token.index) };
      positionals.push(token.value);
    } else read({ ...token, value: token.inlineValue === false ? args[token.index + 1] : token.value }, args[token.index] ?? '', rules, values);
  }
  return { values, positionals };
}

/** Node's parser would take `-i=false` for seven flags. */
function spellOut(word: string, flags: readonly Flag[]): string {
  if (word[0] !== '-' || word[2] !== '=') return word;
  const flag = flags.find(({ short, kind }) => short === word[1] && kind === 'boolean');
  return flag === undefined ? word : `--${flag.long}${word.slice(2)}`;
}

type Options = NonNullable<NonNullable<Parameters<typeof tokenize>[0]>['options']>;

function optionsOf(flags: readonly Flag[]): Options {
  const options: Options = {};
  for (const { long, short, aliases, kind } of flags) {
    const type = kind === 'boolean' ? 'boolean' : 'string';
    options[long] = short === undefined ? { type } : { type, short };
    for (const alias of aliases ?? []) options[alias] = { type };
  }
  return options;
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

/** `word` is the argument as it was typed: `-xit` for the flag `-x`. */
function read({ name, rawName, value, inlineValue }: OptionToken, word: string, rules: ParseRules, values: Record<string, FlagValue>): void {
  const flag = rules.flags.find(({ long, aliases }) => long === name || aliases?.includes(name) === true);
  if (flag === undefined) throw unknownFlag(rawName, rules, word);
  const short = !rawName.startsWith('--');
  if (flag.kind === 'boolean') values[flag.key] = value === undefined ? true : readBoolean(flag, value);
  else store(flag, short && inlineValue === true && value?.startsWith('=') === true ? value.slice(1) : value, rawName, rules, values);
}

function readBoolean(flag: Flag, text: string): boolean {
  if (TRUE.includes(text)) return true;
  if (FALSE.includes(text)) return false;
  throw new UsageError({ attempted: `read --${flag.long}`, detail: `found "${text}", allowed: true or false` });
}

function store(flag: Flag, value: string | undefined, asTyped: string, { command }: ParseRules, values: Record<string, FlagValue>): void {
  if (value === undefined) throw new UsageError({ attempted: 'read the command line', detail: `${asTyped} needs a value: --${flag.long} ${flag.value ?? 'VALUE'}`, hint: helpHint(command) });
  if (flag.choices !== undefined && !flag.choices.includes(value)) throw new UsageError({ attempted: `read --${flag.long}`, detail: `found "${value}", allowed: ${flag.choices.join(', ')}` });
  if (flag.kind === 'string') {
    values[flag.key] = value;
    return;
  }
  const before = values[flag.key];
  values[flag.key] = [...(Array.isArray(before) ? before : []), value];
}

export function helpHint(command: string | undefined): string {
  return `see: tsc-box ${command === undefined ? '' : `${command} `}--help`;
}

function unknownFlag(name: string, { command, flags, stopAtWord }: ParseRules, within?: string): UsageError {
  const docker = stopAtWord && command !== undefined ? (name.startsWith('--') ? DOCKER_ONLY.find((long) => `--${long}` === name) : DOCKER_ONLY_SHORT[name.slice(1)]) : undefined;
  if (docker !== undefined) {
    return new UsageError({ attempted: 'read the command line', detail: `${name}${name.startsWith('--') ? '' : ` (--${docker})`} is an option of docker that this version of tsc-box does not have`, hint: helpHint(command) });
  }
  const where = within === undefined || within === name ? '' : ` in "${within}"`;
  const guess = name.startsWith('--') ? nearest(name.slice(2), flags.map(({ long }) => long)) : undefined;
  const oneDash = within !== undefined && flags.some(({ long }) => long === within.slice(1).split('=')[0]) ? within.slice(1).split('=')[0] : undefined;
  const hint = oneDash === undefined && guess === undefined ? helpHint(command) : `did you mean --${oneDash ?? guess}? ${helpHint(command)}`;
  return new UsageError({ attempted: 'read the command line', detail: `unknown option ${name}${where}`, hint });
}
