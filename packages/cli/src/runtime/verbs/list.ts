import { list } from '@tsc-box/engine/runtime';
import { booleanValue, stringValue } from '../../args/flag.ts';
import { formatTable } from '../../report/table.ts';
import { flag, toggle, type Verb } from '../verb.ts';

export const listVerb: Verb = {
  name: 'list', usage: '', help: 'list the containers of this root', words: [0, 0],
  flags: [flag('format', 'table or json', { short: 'f', choices: ['table', 'json'] }), toggle('quiet', 'IDs only', { short: 'q' })],
  async run({ parsed, runtime, write }) {
    const states = list(runtime());
    if (booleanValue(parsed, 'quiet')) write(states.map(({ id }) => `${id}\n`).join(''));
    else if (stringValue(parsed, 'format') === 'json') write(`${JSON.stringify(states)}\n`);
    else write(formatTable([['ID', 'PID', 'STATUS', 'BUNDLE', 'CREATED', 'OWNER'], ...states.map(({ id, pid, status, bundle, created, owner }) => [id, String(pid), status, bundle, created, owner])]));
    return 0;
  },
};
