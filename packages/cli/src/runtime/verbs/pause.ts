import { pause } from '@tsc-box/engine/runtime';
import { idOf, type Verb } from '../verb.ts';

export const pauseVerb: Verb = {
  name: 'pause', usage: 'ID', help: 'stop every process of a container', flags: [], words: [1, 1],
  async run({ parsed, runtime }) {
    pause(runtime(), idOf(parsed));
    return 0;
  },
};
