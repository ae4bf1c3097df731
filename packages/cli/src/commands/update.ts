/** `tsc-box update`: other limits, or another restart policy, for containers that are there. */
import { UsageError } from '@tsc-box/model';
import { stringValue } from '../args/flag.ts';
import { helpHint } from '../args/parse.ts';
import type { Run } from './command.ts';
import { forEach } from './each.ts';
import { parseRestart } from './restart-policy.ts';

export const update: Run = async (parsed, cli) => {
  const { restart: text, ...limits } = Object.fromEntries(Object.keys(parsed.values).filter((key) => UPDATE_KEYS.includes(key)).map((key) => [key, stringValue(parsed, key)]));
  const given = Object.entries(limits).filter(([, value]) => value !== undefined);
  if (text === undefined && given.length === 0) throw new UsageError({ attempted: 'read the command line', detail: 'nothing is given to change', hint: helpHint('update') });
  const restart = text === undefined ? undefined : parseRestart(text);
  const life = await (await cli.engine()).life();
  return forEach(parsed.positionals, cli, (name) => {
    if (given.length > 0) life.update(name, Object.fromEntries(given));
    if (restart !== undefined) life.setRestart(name, restart);
  });
};

/** Keys of RunOptions, and `restart`. */
export const UPDATE_KEYS: readonly string[] = ['memory', 'memorySwap', 'memoryReservation', 'cpus', 'cpuShares', 'cpuPeriod', 'cpuQuota', 'cpusetCpus', 'cpusetMems', 'pidsLimit', 'restart'];
