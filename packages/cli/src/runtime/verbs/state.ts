import { queryState } from '@tsc-box/engine/runtime';
import { idOf, type Verb } from '../verb.ts';

export const stateVerb: Verb = {
  name: 'state', usage: 'ID', help: 'print the state of a container as JSON', flags: [], words: [1, 1],
  async run({ parsed, runtime, write }) {
    write(`${JSON.stringify(queryState(runtime(), idOf(parsed)), undefined, 2)}\n`);
    return 0;
  },
};
