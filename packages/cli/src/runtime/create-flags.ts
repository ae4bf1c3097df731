/** Flags that `create` and `run` share, and the request that they make. */
import type { CreateRequest } from '@tsc-box/engine/runtime';
import { booleanValue, stringValue, type Flag, type Parsed } from '../args/flag.ts';
import { countOf, flag, idOf, toggle, type Globals } from './verb.ts';

export const CREATE_FLAGS: readonly Flag[] = [
  flag('bundle', 'directory with config.json (default: the current one)', { short: 'b', value: 'DIR', complete: 'directory' }),
  flag('config', 'configuration in place of config.json of the bundle', { short: 'f', value: 'FILE', complete: 'file' }),
  flag('pid-file', "file that gets the process's pid", { value: 'FILE', complete: 'file' }),
  flag('console-socket', 'unix socket that gets the terminal', { value: 'PATH', complete: 'file' }),
  flag('preserve-fds', 'so many descriptors from 3 on go to the container', { value: 'N' }),
  toggle('no-pivot', 'switch the root by MS_MOVE and chroot'),
  toggle('no-new-keyring', 'share the session keyring of the caller (it always is)'),
];

export function createRequest(parsed: Parsed, { withoutCgroup }: Globals): CreateRequest {
  const pidFile = stringValue(parsed, 'pid-file');
  const consoleSocket = stringValue(parsed, 'console-socket');
  const listen = process.env['LISTEN_FDS'] ?? '';
  const config = stringValue(parsed, 'config');
  const preserveFds = countOf(parsed, 'preserve-fds');
  return {
    id: idOf(parsed), bundle: stringValue(parsed, 'bundle') ?? process.cwd(), noPivot: booleanValue(parsed, 'no-pivot'), withoutCgroup, listenFds: /^\d{1,4}$/.test(listen) ? Number(listen) : 0,
    ...(config === undefined ? {} : { config }), ...(pidFile === undefined ? {} : { pidFile }), ...(consoleSocket === undefined ? {} : { consoleSocket }), ...(preserveFds === undefined ? {} : { preserveFds }),
  };
}
