/** `--change` of commit and import: instructions of a Dockerfile that only set the configuration. Docker's rules. */
import { UsageError, type ImageRunConfig } from '@tsc-box/model';

const ALLOWED = ['CMD', 'ENTRYPOINT', 'ENV', 'EXPOSE', 'LABEL', 'STOPSIGNAL', 'USER', 'VOLUME', 'WORKDIR'];

/** @throws UsageError for instructions that do more, or that can't be read. */
export function applyChanges(config: ImageRunConfig, changes: readonly string[]): ImageRunConfig {
  return changes.reduce(applyChange, config);
}

function applyChange(config: ImageRunConfig, text: string): ImageRunConfig {
  const [, word = '', rest = ''] = /^\s*(\S+)(?:\s+([\s\S]*?))?\s*$/.exec(text) ?? [];
  const instruction = word.toUpperCase();
  const fail = (detail: string): UsageError => new UsageError({ attempted: `read the change ${JSON.stringify(text)}`, detail });
  if (!ALLOWED.includes(instruction)) throw fail(`found ${word === '' ? 'nothing' : JSON.stringify(word)}, allowed: ${ALLOWED.join(', ')}`);
  const needed = (): string => {
    if (rest === '') throw fail(`${instruction} needs a value`);
    return rest;
  };
  switch (instruction) {
    case 'CMD': return { ...config, Cmd: commandOf(rest, fail) };
    // A new entry point clears the command of the image below: its words were arguments of another program.
    case 'ENTRYPOINT': return withEntrypoint(config, commandOf(rest, fail));
    case 'ENV': return { ...config, Env: mergeEnv(config.Env ?? [], pairs(needed(), fail, true)) };
    case 'LABEL': return { ...config, Labels: { ...config.Labels, ...Object.fromEntries(pairs(needed(), fail, true)) } };
    case 'EXPOSE': return { ...config, ExposedPorts: { ...config.ExposedPorts, ...Object.fromEntries(words(needed(), fail).map((port) => [portOf(port, fail), {}])) } };
    case 'VOLUME': return { ...config, Volumes: { ...config.Volumes, ...Object.fromEntries((jsonList(rest) ?? words(needed(), fail)).map((path) => [path, {}])) } };
    case 'USER': return { ...config, User: needed() };
    case 'STOPSIGNAL': return { ...config, StopSignal: needed() };
    default: return { ...config, WorkingDir: workdir(config.WorkingDir, needed()) };
  }
}

function withEntrypoint(config: ImageRunConfig, Entrypoint: readonly string[]): ImageRunConfig {
  const { Cmd: _cmd, ...rest } = config;
  return { ...rest, Entrypoint };
}

type Fail = (detail: string) => UsageError;

/** A JSON list is taken as it is; any other text goes to a shell. Nothing clears it. */
function commandOf(rest: string, fail: Fail): readonly string[] {
  if (rest === '') return [];
  const list = jsonList(rest);
  if (list !== undefined) return list;
  if (rest.startsWith('[')) throw fail('it starts like a JSON list and is none, allowed: ["word", "word"] or a line for the shell');
  return ['/bin/sh', '-c', rest];
}

function jsonList(text: string): readonly string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}

/** `A=b "C=d e" F=g\ h`, or the old form `NAME the whole rest`. */
function pairs(rest: string, fail: Fail, oldForm: boolean): readonly (readonly [string, string])[] {
  const all = words(rest, fail);
  const [first = ''] = all;
  if (oldForm && !first.includes('=')) {
    const [, name = '', value] = /^(\S+)\s+([\s\S]+)$/.exec(rest) ?? [];
    if (value === undefined) throw fail('found a name without a value, allowed: NAME=VALUE');
    return [[name, value]];
  }
  return all.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 1) throw fail(`found ${JSON.stringify(word)}, allowed: NAME=VALUE`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

/** Words as a shell splits them: quotes and backslashes. */
function words(text: string, fail: Fail): string[] {
  const found: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? '';
    if (character === '\\' && quote !== '\'' && at + 1 < text.length) word = (word ?? '') + (text[(at += 1)] ?? '');
    else if (quote !== '') {
      if (character === quote) quote = '';
      else word = (word ?? '') + character;
    } else if (character === '"' || character === '\'') {
      quote = character;
      word ??= '';
    } else if (/\s/.test(character)) {
      if (word !== undefined) found.push(word);
      word = undefined;
    } else word = (word ?? '') + character;
  }
  if (quote !== '') throw fail(`a quote ${quote} is not closed`);
  return word === undefined ? found : [...found, word];
}

function mergeEnv(env: readonly string[], added: readonly (readonly [string, string])[]): readonly string[] {
  const merged = new Map(env.map((entry) => [entry.split('=', 1)[0] ?? '', entry]));
  for (const [name, value] of added) merged.set(name, `${name}=${value}`);
  return [...merged.values()];
}

function portOf(port: string, fail: Fail): string {
  const match = /^(\d{1,5}(?:-\d{1,5})?)(?:\/(tcp|udp|sctp))?$/i.exec(port);
  if (match === null || (match[1] ?? '').split('-').some((number) => Number(number) < 1 || Number(number) > 65_535)) throw fail(`found the port ${JSON.stringify(port)}, allowed: PORT[-PORT][/tcp|/udp|/sctp]`);
  return `${match[1] ?? ''}/${(match[2] ?? 'tcp').toLowerCase()}`;
}

/** A relative path starts at the one before. */
function workdir(before = '/', path: string): string {
  const all = path.startsWith('/') ? path : `${before}/${path}`;
  const parts: string[] = [];
  for (const part of all.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}
