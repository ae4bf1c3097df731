/** `-v`, `--mount` and `--tmpfs`: docs.docker.com "Bind mounts", "tmpfs mounts"; the mounts they become are the ones docker makes. */
import { UnsupportedError, UsageError } from '../errors/box-error.ts';
import { parsePropagation } from '../spec/mount-options.ts';
import type { SpecMount } from '../spec/spec.ts';
import { parseOctal, parseSize } from './numbers.ts';
import { cleanPath, resolvePath } from './paths.ts';
import type { OptionContext } from './run-options.ts';

/** A mount that the user asked for. */
export interface UserMount {
  readonly mount: SpecMount & { readonly destination: string };
  /** Source of a bind mount: what it is on the host; `missing` is made as a directory. */
  readonly source?: { readonly path: string; readonly kind: 'file' | 'directory' | 'missing' };
}

/** Words of `-v` that only mean something to Docker Desktop's file sharing: docker on Linux takes and passes over them. */
const DESKTOP_WORDS = new Set(['consistent', 'cached', 'delegated']);
const TMPFS_DEFAULTS = ['noexec', 'nosuid', 'nodev'];
const TMPFS_FLAGS: readonly (readonly [string, string])[] = [
  ['ro', 'rw'], ['noexec', 'exec'], ['nosuid', 'suid'], ['nodev', 'dev'], ['noatime', 'atime'], ['nodiratime', 'diratime'], ['nosymfollow', 'symfollow'],
];
const TMPFS_KEYS = ['size', 'mode', 'uid', 'gid', 'nr_inodes', 'nr_blocks', 'mpol', 'huge'];

/**
 * `-v SOURCE:DESTINATION[:OPTIONS]`.
 * @throws UsageError for what docker refuses too, UnsupportedError for named and anonymous volumes and SELinux labels.
 */
export function parseVolume(text: string, context: OptionContext): UserMount {
  const fail = (detail: string, hint?: string): UsageError => new UsageError({ attempted: 'read -v', detail, hint });
  const parts = text.split(':');
  const [source = '', target = '', words = ''] = parts;
  if (parts.length > 3) throw fail(`found "${text}" with ${parts.length - 1} colons, allowed: SOURCE:DESTINATION[:OPTIONS]`, 'for paths with a colon use --mount type=bind,source=…,target=…');
  if (parts.length === 1 && source.startsWith('/')) throw new UnsupportedError({ attempted: `read -v "${text}"`, detail: 'anonymous volumes are not built', hint: `name a directory of the host, -v DIR:${source}, or use --tmpfs ${source}` });
  if (source === '' || target === '') throw fail(`found "${text}", allowed: SOURCE:DESTINATION[:OPTIONS], both not empty`);
  if (!source.startsWith('/') && !source.startsWith('.')) throw new UnsupportedError({ attempted: `read -v "${text}"`, detail: `named volumes ("${source}") are not built`, hint: `for a directory here write -v ./${source}:${target}` });
  const path = resolvePath(context.cwd, source);
  const found = context.hostPath(path);
  const mount = { destination: destinationOf(target, '-v'), type: 'bind', source: path, options: volumeOptions(words, text, context) };
  return { mount, source: { path, kind: found?.kind ?? 'missing' } };
}

function volumeOptions(words: string, text: string, context: OptionContext): string[] {
  const fail = (detail: string): UsageError => new UsageError({ attempted: `read -v "${text}"`, detail });
  let readonly: boolean | undefined;
  let propagation = 'rprivate';
  let bind: 'bind' | 'rbind' = 'rbind';
  const attributes: string[] = [];
  for (const word of words.split(',').filter((item) => item !== '')) {
    if (word === 'ro' || word === 'rw') {
      if (readonly !== undefined && readonly !== (word === 'ro')) throw fail('found ro and rw, allowed: one of them');
      readonly = word === 'ro';
    } else if (word === 'z' || word === 'Z') checkRelabel(context, `-v "${text}"`);
    else if (word === 'bind' || word === 'rbind') bind = word;
    else if (['nosuid', 'suid', 'nodev', 'dev', 'noexec', 'exec'].includes(word)) attributes.push(word);
    else if (parsePropagation(word) !== undefined) propagation = word;
    else if (!DESKTOP_WORDS.has(word)) throw fail(`found "${word}", allowed: ro, rw, z, Z, bind, rbind, noexec, nosuid, nodev, private, rprivate, shared, rshared, slave, rslave, unbindable, runbindable`);
  }
  return [bind, propagation, ...(readonly === true ? [readonlyWord(bind === 'rbind')] : []), ...attributes];
}

/** Docker makes a read-only bind read-only all the way down, so that a mount below it can't be written to. */
function readonlyWord(recursive: boolean): 'rro' | 'ro' {
  return recursive ? 'rro' : 'ro';
}

/** Without SELinux there is nothing to relabel: docker takes the word there too. */
function checkRelabel({ facts }: OptionContext, what: string): void {
  if (facts.lsm.includes('selinux')) throw new UnsupportedError({ attempted: `read ${what}`, detail: 'files are not relabelled for SELinux by this version', hint: 'label them yourself: chcon -Rt container_file_t DIR' });
}

function destinationOf(target: string, option: string): string {
  if (!target.startsWith('/')) throw new UsageError({ attempted: `read ${option}`, detail: `found the destination "${target}", allowed: an absolute path in the container` });
  const destination = cleanPath(target);
  if (destination === '/') throw new UsageError({ attempted: `read ${option}`, detail: `found the destination "${target}", allowed: a path below / (the root itself is --rootfs)` });
  return destination;
}

/** `--tmpfs PATH[:OPTIONS]`: noexec, nosuid and nodev unless told otherwise, sticky and writable to all as tmpfs(5) has it. */
export function parseTmpfs(text: string): UserMount {
  const colon = text.indexOf(':');
  const target = colon < 0 ? text : text.slice(0, colon);
  const words = colon < 0 ? [] : text.slice(colon + 1).split(',').filter((word) => word !== '');
  return { mount: tmpfsMount(destinationOf(target, '--tmpfs'), words) };
}

function tmpfsMount(destination: string, words: readonly string[]): UserMount['mount'] {
  const options = [...TMPFS_DEFAULTS, 'mode=1777'];
  const drop = (matches: (option: string) => boolean): void => {
    for (let at = options.length - 1; at >= 0; at -= 1) if (matches(options[at] ?? '')) options.splice(at, 1);
  };
  for (const word of words) {
    const pair = TMPFS_FLAGS.find((flags) => flags.includes(word));
    const key = word.slice(0, Math.max(word.indexOf('='), 0));
    if (pair !== undefined) drop((option) => pair.includes(option));
    else if (TMPFS_KEYS.includes(key)) drop((option) => option.startsWith(`${key}=`));
    else throw new UsageError({ attempted: 'read --tmpfs', detail: `found "${word}", allowed: ${TMPFS_FLAGS.flat().join(', ')}, and ${TMPFS_KEYS.join('=, ')}=` });
    options.push(pair === undefined ? checkTmpfsValue(key, word) : word);
  }
  return { destination, type: 'tmpfs', source: 'tmpfs', options };
}

function checkTmpfsValue(key: string, word: string): string {
  const value = word.slice(key.length + 1);
  if (key === 'mode') return `mode=${parseOctal(value, '--tmpfs mode', 0o7777).toString(8)}`;
  // The kernel knows k, m, g and %; docker's own spellings (64mb, 64MiB) are turned into bytes.
  if (key === 'size' && !/^\d+(?:[kKmMgGtT]|%)?$/.test(value)) return `size=${parseSize(value, '--tmpfs size')}`;
  return word;
}

/** A line of comma separated values, quoted with `"` where a value holds a comma: RFC 4180, as docker reads --mount. */
export function splitCsv(text: string): string[] {
  const fields: string[] = [];
  let field = '';
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === '"' && quoted && text.charAt(at + 1) === '"') {
      field += '"';
      at += 1;
    } else if (char === '"' && (quoted || field === '')) quoted = !quoted;
    else if (char === ',' && !quoted) {
      fields.push(field);
      field = '';
    } else field += char;
  }
  if (quoted) throw new UsageError({ attempted: 'read --mount', detail: `found an open quote in ${JSON.stringify(text)}, allowed: quotes in pairs` });
  return [...fields, field];
}

const MOUNT_KEYS: Readonly<Record<string, string>> = {
  type: 'type', source: 'source', src: 'source', target: 'target', dst: 'target', destination: 'target', readonly: 'readonly', ro: 'readonly', 'bind-propagation': 'bind-propagation',
  'bind-recursive': 'bind-recursive', 'bind-nonrecursive': 'bind-nonrecursive', 'tmpfs-size': 'tmpfs-size', 'tmpfs-mode': 'tmpfs-mode', consistency: 'consistency',
};
const FLAG_KEYS = new Set(['readonly', 'bind-nonrecursive']);

/**
 * `--mount type=bind,source=…,target=…[,readonly]` and `--mount type=tmpfs,target=…`.
 * @throws UsageError for unknown keys, keys of the other type, a source that is not there.
 */
export function parseMount(text: string, context: OptionContext): UserMount {
  const fail = (detail: string, hint?: string): UsageError => new UsageError({ attempted: `read --mount ${JSON.stringify(text)}`, detail, hint });
  const values = mountValues(text, fail);
  const type = values.get('type') ?? 'volume';
  if (type !== 'bind' && type !== 'tmpfs') throw new UnsupportedError({ attempted: `read --mount ${JSON.stringify(text)}`, detail: `found type "${type}"${values.has('type') ? '' : ' (the default)'}, allowed: bind, tmpfs`, hint: 'for a directory of the host: --mount type=bind,source=DIR,target=PATH' });
  for (const key of values.keys()) if (key.includes('-') && !key.startsWith(`${type}-`)) throw fail(`found "${key}" with type ${type}, allowed: keys of its own type`);
  const target = values.get('target') ?? '';
  if (target === '') throw fail('found no target, allowed: target=PATH');
  const destination = destinationOf(target, '--mount');
  const readonly = values.get('readonly') === 'true';
  if (type === 'tmpfs') {
    if (values.has('source')) throw fail('found a source with type tmpfs, allowed: none');
    const [size, mode] = [values.get('tmpfs-size'), values.get('tmpfs-mode')];
    return { mount: tmpfsMount(destination, [...(readonly ? ['ro'] : []), ...(mode === undefined ? [] : [`mode=${mode}`]), ...(size === undefined ? [] : [`size=${parseSize(size, 'tmpfs-size')}`])]) };
  }
  const source = values.get('source') ?? '';
  if (!source.startsWith('/') && !source.startsWith('.')) throw fail(`found source "${source}", allowed: an absolute path, or one that starts with "."`);
  const path = resolvePath(context.cwd, source);
  const found = context.hostPath(path);
  if (found === undefined) throw new UsageError({ attempted: `read --mount ${JSON.stringify(text)}`, path, detail: `found no "${path}" on the host, allowed: a source that is there`, hint: `make it: mkdir -p ${JSON.stringify(path)}` });
  return { mount: { destination, type: 'bind', source: path, options: bindOptions(values, readonly, fail) }, source: { path, kind: found.kind } };
}

function mountValues(text: string, fail: (detail: string) => UsageError): Map<string, string> {
  const values = new Map<string, string>();
  for (const field of splitCsv(text)) {
    const equals = field.indexOf('=');
    const word = (equals < 0 ? field : field.slice(0, equals)).trim().toLowerCase();
    const key = Object.hasOwn(MOUNT_KEYS, word) ? MOUNT_KEYS[word] : undefined;
    if (key === undefined) throw fail(`found the key "${word}", allowed: ${Object.keys(MOUNT_KEYS).join(', ')}`);
    const value = equals < 0 ? undefined : field.slice(equals + 1);
    if (value === undefined && !FLAG_KEYS.has(key)) throw fail(`found "${word}" without a value, allowed: ${word}=VALUE`);
    if (values.has(key)) throw fail(`found "${key}" twice, allowed: once`);
    values.set(key, FLAG_KEYS.has(key) ? String(parseFlag(value, word, fail)) : (value ?? ''));
  }
  return values;
}

function parseFlag(value: string | undefined, word: string, fail: (detail: string) => UsageError): boolean {
  if (value === undefined || value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw fail(`found ${word}=${value}, allowed: true, false, 1, 0`);
}

function bindOptions(values: ReadonlyMap<string, string>, readonly: boolean, fail: (detail: string) => UsageError): string[] {
  const propagation = values.get('bind-propagation') ?? 'rprivate';
  if (parsePropagation(propagation) === undefined) throw fail(`found bind-propagation=${propagation}, allowed: private, rprivate, shared, rshared, slave, rslave`);
  const recursive = values.get('bind-recursive') ?? (values.get('bind-nonrecursive') === 'true' ? 'disabled' : 'enabled');
  if (!['enabled', 'disabled', 'writable', 'readonly'].includes(recursive)) throw fail(`found bind-recursive=${recursive}, allowed: enabled, disabled, writable, readonly`);
  if ((recursive === 'writable' || recursive === 'readonly') && !readonly) throw fail(`found bind-recursive=${recursive} without readonly, allowed: both together`);
  const bind = recursive === 'disabled' ? 'bind' : 'rbind';
  return [bind, propagation, ...(readonly ? [readonlyWord(recursive === 'enabled' || recursive === 'readonly')] : [])];
}
