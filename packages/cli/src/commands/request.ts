/** From a parsed command line to what the engine is asked. */
import { UsageError } from '@tsc-box/model';
import type { RunRequest } from '@tsc-box/engine';
import { booleanValue, listValue, stringValue, type Parsed } from '../args/flag.ts';
import { helpHint } from '../args/parse.ts';
import { REQUEST_KEYS } from '../args/run-flags.ts';
import type { Cli } from './command.ts';

/** @throws UsageError when it isn't clear what to run. */
export function requestFrom(command: string, parsed: Parsed, cli: Pick<Cli, 'env' | 'cwd' | 'warn'>): RunRequest {
  const rootfs = stringValue(parsed, 'rootfs');
  const bundle = stringValue(parsed, 'bundle');
  if (rootfs !== undefined && bundle !== undefined) throw mistake(command, 'found both --rootfs and --bundle, allowed: one of them');
  const own = rootfs !== undefined || bundle !== undefined;
  const [image, ...rest] = parsed.positionals;
  if (!own && (image === undefined || image === '')) throw mistake(command, 'no image is given: host, NAME[:TAG], oci:DIR or docker-archive:FILE, or --rootfs DIR or --bundle DIR in its place');
  const source = rootfs !== undefined ? { rootfs } : bundle !== undefined ? { bundle } : { image: image ?? '' };
  const options = Object.fromEntries(Object.entries(parsed.values).filter(([key]) => !REQUEST_KEYS.includes(key)));
  return {
    ...source, options, command: own ? parsed.positionals : rest,
    ...pullOptions(parsed), hostEnv: cli.env, cwd: cli.cwd, remove: booleanValue(parsed, 'remove'), onWarning: (text) => cli.warn(text),
  };
}

function pullOptions(parsed: Parsed): Pick<RunRequest, 'pull' | 'platform' | 'plainHttp'> {
  const pull = stringValue(parsed, 'pull');
  const platform = stringValue(parsed, 'platform');
  const plainHttp = listValue(parsed, 'plainHttp');
  return { ...(pull === 'missing' || pull === 'always' || pull === 'never' ? { pull } : {}), ...(platform === undefined ? {} : { platform }), ...(plainHttp.length === 0 ? {} : { plainHttp }) };
}

function mistake(command: string, detail: string): UsageError {
  return new UsageError({ attempted: 'read the command line', detail, hint: helpHint(command) });
}
