import { remove } from '@tsc-box/engine/runtime';
import { booleanValue } from '../../args/flag.ts';
import { idOf, toggle, type Verb } from '../verb.ts';

export const deleteVerb: Verb = {
  name: 'delete', usage: 'ID', help: 'remove a container that has stopped', flags: [toggle('force', 'kill it first; one that is not there is no error', { short: 'f' })], words: [1, 1],
  async run({ parsed, runtime }) {
    await remove(runtime(), idOf(parsed), booleanValue(parsed, 'force'));
    return 0;
  },
};
