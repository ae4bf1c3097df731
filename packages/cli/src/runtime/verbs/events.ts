import { setTimeout } from 'node:timers/promises';
import { oomKills, queryState, stats } from '@tsc-box/engine/runtime';
import { UsageError } from '@tsc-box/model';
import { booleanValue, stringValue } from '../../args/flag.ts';
import { flag, idOf, toggle, type Verb } from '../verb.ts';

export const eventsVerb: Verb = {
  name: 'events', usage: 'ID', help: 'print the counters of a container, and when it runs out of memory', words: [1, 1],
  flags: [flag('interval', 'time between counters (default: 5s)', { value: 'TIME' }), toggle('stats', 'print the counters once')],
  async run({ parsed, runtime, write }) {
    const opened = runtime();
    const id = idOf(parsed);
    write(`${JSON.stringify(stats(opened, id))}\n`);
    if (booleanValue(parsed, 'stats')) return 0;
    const interval = intervalOf(stringValue(parsed, 'interval') ?? '5s');
    let seen = oomKills(opened, id);
    for (;;) {
      await setTimeout(interval);
      if (queryState(opened, id).status === 'stopped') return 0;
      const now = oomKills(opened, id);
      if (now > seen) write(`${JSON.stringify({ type: 'oom', id })}\n`);
      seen = now;
      write(`${JSON.stringify(stats(opened, id))}\n`);
    }
  },
};

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function intervalOf(text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  const milliseconds = Number(number) * (UNITS[unit] ?? 0);
  if (milliseconds > 0) return milliseconds;
  throw new UsageError({ attempted: 'read --interval', detail: `found "${text}", allowed: a time above 0 such as 500ms, 5s or 1m` });
}
