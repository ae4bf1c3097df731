/** `tsc-box stop`, `restart` and `kill`. */
import { parseSignal, UsageError } from '@tsc-box/model';
import { stringValue, type Parsed } from '../args/flag.ts';
import type { Run } from './command.ts';
import { forEach } from './each.ts';

const SECOND_MS = 1000;
const SECONDS_MAX = 2_000_000;

export const stop: Run = async (parsed, cli) => {
  const options = stopOptions(parsed);
  const life = await (await cli.engine()).life();
  return forEach(parsed.positionals, cli, (name) => life.stop(name, options));
};

export const restart: Run = async (parsed, cli) => {
  const options = stopOptions(parsed);
  const life = await (await cli.engine()).life();
  return forEach(parsed.positionals, cli, (name) => life.restart(name, options));
};

export const kill: Run = async (parsed, cli) => {
  const signal = signalOf(parsed);
  const life = await (await cli.engine()).life();
  return forEach(parsed.positionals, cli, (name) => life.kill(name, signal));
};

function stopOptions(parsed: Parsed): { readonly timeoutMs?: number; readonly signal?: number } {
  const time = stringValue(parsed, 'time');
  if (time !== undefined && !(/^-?\d+$/.test(time) && Number(time) >= -1 && Number(time) <= SECONDS_MAX)) throw new UsageError({ attempted: 'read --time', detail: `found "${time}", allowed: whole seconds from 0 to ${String(SECONDS_MAX)}, or -1 to wait as long as it takes` });
  const signal = signalOf(parsed);
  return { ...(time === undefined ? {} : { timeoutMs: Number(time) * SECOND_MS }), ...(signal === undefined ? {} : { signal }) };
}

function signalOf(parsed: Parsed): number | undefined {
  const text = stringValue(parsed, 'signal');
  return text === undefined ? undefined : parseSignal(text);
}
