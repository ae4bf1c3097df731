import { readFileSync } from 'node:fs';
import { exec, parseProcess } from '@tsc-box/engine/runtime';
import { imageEnv, mergeEnv, normalizeCapability, UsageError, type Spec, type SpecProcess } from '@tsc-box/model';
import { booleanValue, listValue, stringValue, type Parsed } from '../../args/flag.ts';
import { waitInForeground } from '../relay.ts';
import { countOf, flag, idOf, toggle, type Verb } from '../verb.ts';

export const execVerb: Verb = {
  name: 'exec', usage: 'ID [COMMAND…]', help: 'run one more process in a container', stopAtWord: true, words: [1, Infinity], failure: 255,
  flags: [
    flag('process', 'file with the process (as in config.json)', { short: 'p', value: 'FILE', complete: 'file' }),
    flag('console-socket', 'unix socket that gets the terminal', { value: 'PATH', complete: 'file' }),
    flag('pid-file', "file that gets the process's pid", { value: 'FILE', complete: 'file' }),
    flag('cwd', 'working directory', { value: 'DIR' }), flag('env', 'environment variable', { short: 'e', kind: 'list', value: 'NAME=VALUE' }),
    flag('user', 'UID[:GID]', { short: 'u', value: 'UID' }), flag('additional-gids', 'supplementary group', { short: 'g', kind: 'list', value: 'GID' }),
    flag('cap', 'one more capability', { short: 'c', kind: 'list', value: 'NAME' }), flag('preserve-fds', 'so many descriptors from 3 on go to the process', { value: 'N' }),
    toggle('tty', 'with a terminal', { short: 't' }), toggle('detach', 'do not wait', { short: 'd' }), toggle('no-new-privs', 'set no_new_privs'), toggle('ignore-paused', 'also in a paused container'),
  ],
  async run({ parsed, runtime }) {
    const detach = booleanValue(parsed, 'detach');
    const file = stringValue(parsed, 'process');
    const [consoleSocket, pidFile, preserveFds] = [stringValue(parsed, 'console-socket'), stringValue(parsed, 'pid-file'), countOf(parsed, 'preserve-fds')];
    const launched = exec(runtime(), {
      id: idOf(parsed), detach, ignorePaused: booleanValue(parsed, 'ignore-paused'),
      ...(consoleSocket === undefined ? {} : { consoleSocket }), ...(pidFile === undefined ? {} : { pidFile }), ...(preserveFds === undefined ? {} : { preserveFds }),
    }, (spec) => (file === undefined ? processOf(parsed, spec) : parseProcess(JSON.parse(readFileSync(file, 'utf8')))));
    return detach ? 0 : waitInForeground(launched);
  },
};

/** The container's own process with what the flags say over it, as runc has it. */
function processOf(parsed: Parsed, spec: Spec): SpecProcess {
  const args = parsed.positionals.slice(1);
  if (args.length === 0) throw new UsageError({ attempted: 'exec', detail: 'process args cannot be empty', hint: 'name a command, or give --process FILE' });
  const { consoleSize: _size, ...own } = spec.process ?? { cwd: '/', user: { uid: 0, gid: 0 } };
  const [uid, gid] = (stringValue(parsed, 'user') ?? '').split(':');
  const extra = listValue(parsed, 'cap').map(normalizeCapability);
  const sets = own.capabilities ?? {};
  const add = (names: readonly string[] = []): string[] => [...new Set([...names, ...extra])];
  const groups = listValue(parsed, 'additional-gids').map((text) => numberOf(text, 'additional-gids'));
  return {
    ...own, args, terminal: booleanValue(parsed, 'tty'), cwd: stringValue(parsed, 'cwd') ?? own.cwd, env: mergeEnv(imageEnv(own.env ?? []), imageEnv(listValue(parsed, 'env'))),
    user: {
      ...own.user, ...(uid === undefined || uid === '' ? {} : { uid: numberOf(uid, 'user') }), ...(gid === undefined ? {} : { gid: numberOf(gid, 'user') }),
      ...(groups.length === 0 ? {} : { additionalGids: [...(own.user.additionalGids ?? []), ...groups] }),
    },
    ...(booleanValue(parsed, 'no-new-privs') ? { noNewPrivileges: true } : {}),
    ...(extra.length === 0 ? {} : { capabilities: { bounding: add(sets.bounding), effective: add(sets.effective), permitted: add(sets.permitted), inheritable: sets.inheritable ?? [], ambient: sets.ambient ?? [] } }),
  };
}

/** Ids are numbers: names are for engines, which know the files of the image. */
function numberOf(text: string, name: string): number {
  if (/^\d{1,10}$/.test(text) && Number(text) < 0xffff_ffff) return Number(text);
  throw new UsageError({ attempted: `read --${name}`, detail: `found "${text}", allowed: numbers from 0 to 4294967294` });
}
