import { kill } from '@tsc-box/engine/runtime';
import { parseSignal } from '@tsc-box/model';
import { booleanValue } from '../../args/flag.ts';
import { idOf, toggle, type Verb } from '../verb.ts';

export const killVerb: Verb = {
  name: 'kill', usage: 'ID [SIGNAL]', help: 'send a signal (default: TERM) to the process of a container', flags: [toggle('all', 'to every process of the container', { short: 'a' })], words: [1, 2],
  async run({ parsed, runtime }) {
    kill(runtime(), idOf(parsed), parseSignal(parsed.positionals[1] ?? 'TERM'), booleanValue(parsed, 'all'));
    return 0;
  },
};
