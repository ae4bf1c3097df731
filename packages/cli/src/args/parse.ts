/**
 * Reads a command line by a table of flags, with the rules of docker's parser (pflag): `--name value`, `--name=value`, `-n value`,
 * `-nvalue`, `-n=value`, `-it` together, `--rm=false`, `--` ends the flags. Written here because `run` must start as
 * quickly as Node itself: loading a general parser costs a fifth of Node's own start.
 */
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
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] ?? '';
    if (arg === '--') {
      positionals.push(...args.slice(index + 1));
      break;
    }
    if (arg.startsWith('--')) index += readLong(arg, args[index + 1], rules, values);
    else if (arg.length > 1 && arg.startsWith('-')) index += readShort(arg, args[index + 1], rules, values);
    else if (rules.stopAtWord) {
      positionals.push(...args.slice(index));
      break;
    } else positionals.push(arg);
  }
  return { values, positionals };
}

/** Returns how many further arguments were used: 0 or 1. */
function readLong(arg: string, next: string | undefined, rules: ParseRules, values: Record<string, FlagValue>): number {
  const equals = arg.indexOf('=');
  const name = equals < 0 ? arg.slice(2) : arg.slice(2, equals);
  const inline = equals < 0 ? undefined : arg.slice(equals + 1);
  const flag = rules.flags.find(({ long, aliases }) => long === name || aliases?.includes(name) === true);
  if (flag === undefined) throw unknownFlag(`--${name}`, rules);
  if (flag.kind === 'boolean') {
    values[flag.key] = inline === undefined ? true : readBoolean(flag, inline);
    return 0;
  }
  store(flag, inline ?? next, `--${name}`, rules, values);
  return inline === undefined ? 1 : 0;
}

function readShort(arg: string, next: string | undefined, rules: ParseRules, values: Record<string, FlagValue>): number {
  for (let at = 1; at < arg.length; at += 1) {
    const letter = arg[at] ?? '';
    const rest = arg.slice(at + 1);
    const flag = rules.flags.find(({ short }) => short === letter);
    if (flag === undefined) throw unknownFlag(`-${letter}`, rules, arg);
    if (flag.kind === 'boolean') {
      if (!rest.startsWith('=')) {
        values[flag.key] = true;
        continue;
      }
      values[flag.key] = readBoolean(flag, rest.slice(1));
      return 0;
    }
    store(flag, rest === '' ? next : rest.startsWith('=') ? rest.slice(1) : rest, `-${letter}`, rules, values);
    return rest === '' ? 1 : 0;
  }
  return 0;
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
