import { start } from '@tsc-box/engine/runtime';
import { idOf, type Verb } from '../verb.ts';

export const startVerb: Verb = {
  name: 'start', usage: 'ID', help: 'let the process of a created container execute its command', flags: [], words: [1, 1],
  async run({ parsed, runtime }) {
    await start(runtime(), idOf(parsed));
    return 0;
  },
};
