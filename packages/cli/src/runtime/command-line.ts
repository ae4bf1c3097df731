/** The command line of `tsc-box-runtime`: global flags, a verb, its flags and words. The contract is that of runc(8). */
import { UnsupportedError, UsageError } from '@tsc-box/model';
import { booleanValue, stringValue, type Flag, type Parsed } from '../args/flag.ts';
import { parseArgs } from '../args/parse.ts';
import { nearest } from '../args/nearest.ts';
import { flag, toggle, type Globals, type Verb } from './verb.ts';

export const GLOBAL_FLAGS: readonly Flag[] = [
  flag('root', 'directory of the state', { value: 'DIR', complete: 'directory' }), flag('log', 'file for errors', { value: 'FILE', complete: 'file' }),
  flag('log-format', 'text or json', { choices: ['text', 'json'] }), toggle('debug', 'show warnings'), toggle('systemd-cgroup', 'refused: cgroups are made without systemd'),
  flag('cgroup-manager', 'cgroupfs or disabled', { choices: ['cgroupfs', 'disabled', 'systemd'] }), flag('rootless', 'true, false or auto: it is seen by itself', { choices: ['true', 'false', 'auto'] }),
  toggle('version', 'print the version', { short: 'v' }), toggle('help', 'print this help', { short: 'h' }),
];

const HELP: Flag = toggle('help', 'print this help', { short: 'h' });

export interface CommandLine {
  readonly globals: Parsed;
  readonly verb: string | undefined;
  readonly rest: readonly string[];
}

export function readCommandLine(args: readonly string[]): CommandLine {
  const globals = withHint(() => parseArgs(args, { command: undefined, flags: GLOBAL_FLAGS, stopAtWord: true }), undefined);
  const [verb, ...rest] = globals.positionals;
  return { globals, verb, rest };
}

/** @throws UnsupportedError where a global flag asks for what is not done. */
export function globalsOf(parsed: Parsed, env: Readonly<Record<string, string | undefined>>, uid: number): Globals {
  const manager = stringValue(parsed, 'cgroup-manager');
  if (booleanValue(parsed, 'systemd-cgroup') || manager === 'systemd') throw new UnsupportedError({ attempted: 'make cgroups by systemd', detail: 'this version does not', hint: 'use the cgroupfs driver: podman --cgroup-manager cgroupfs, docker native.cgroupdriver=cgroupfs' });
  return { root: stringValue(parsed, 'root') ?? defaultRoot(env, uid), withoutCgroup: manager === 'disabled' };
}

function defaultRoot(env: Readonly<Record<string, string | undefined>>, uid: number): string {
  if (uid === 0) return '/run/tsc-box-runtime';
  const base = env['XDG_RUNTIME_DIR'];
  return base !== undefined && base.startsWith('/') ? `${base}/tsc-box-runtime` : `/tmp/tsc-box-runtime-${String(uid)}`;
}

/** @throws UsageError for an unknown flag, or too many or too few words. */
export function parseVerb(verb: Verb, args: readonly string[]): Parsed {
  const parsed = withHint(() => parseArgs(args, { command: verb.name, flags: [...verb.flags, HELP], stopAtWord: verb.stopAtWord === true }), verb.name);
  const [least, most] = verb.words;
  const count = parsed.positionals.length;
  if (booleanValue(parsed, 'help') || (count >= least && count <= most)) return parsed;
  throw new UsageError({ attempted: `read the command line of ${verb.name}`, detail: `found ${count === 0 ? 'no word' : `${String(count)} words: ${parsed.positionals.join(' ')}`}, allowed: ${verb.name} ${verb.usage}`, hint: `see: tsc-box-runtime ${verb.name} --help` });
}

/** The parser's own hints name the command `tsc-box`. */
function withHint(parse: () => Parsed, verb: string | undefined): Parsed {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError({ attempted: error.attempted, detail: error.detail, hint: `see: tsc-box-runtime ${verb === undefined ? '' : `${verb} `}--help` });
  }
}

export function unknownVerb(name: string, names: readonly string[]): UsageError {
  const guess = nearest(name, names);
  return new UsageError({ attempted: 'read the command line', detail: `found the command "${name}", allowed: ${names.join(', ')}`, ...(guess === undefined ? {} : { hint: `did you mean ${guess}?` }) });
}

export function helpText(verbs: readonly Verb[]): string {
  const width = Math.max(...verbs.map(({ name }) => name.length));
  return `Usage: tsc-box-runtime [OPTIONS] COMMAND\n\nThe OCI runtime of tsc-box: for podman, containerd, docker and others.\n\nCommands:\n${verbs.map(({ name, help }) => `  ${name.padEnd(width)}  ${help}\n`).join('')}\n${flagsText(GLOBAL_FLAGS)}`;
}

export function verbHelpText({ name, usage, help, flags }: Verb): string {
  return `Usage: tsc-box-runtime ${name} [OPTIONS]${usage === '' ? '' : ` ${usage}`}\n\n${help}\n\n${flagsText([...flags, HELP])}`;
}

function flagsText(flags: readonly Flag[]): string {
  const names = flags.map(({ long, short, kind, value, choices }) => `${short === undefined ? '    ' : `-${short}, `}--${long}${kind === 'boolean' ? '' : ` ${value ?? choices?.join('|') ?? 'VALUE'}`}`);
  const width = Math.max(...names.map((name) => name.length));
  return `Options:\n${flags.map(({ help }, index) => `  ${(names[index] ?? '').padEnd(width)}  ${help}\n`).join('')}`;
}
