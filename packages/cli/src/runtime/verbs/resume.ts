import { resume } from '@tsc-box/engine/runtime';
import { idOf, type Verb } from '../verb.ts';

export const resumeVerb: Verb = {
  name: 'resume', usage: 'ID', help: 'let the processes of a paused container go on', flags: [], words: [1, 1],
  async run({ parsed, runtime }) {
    resume(runtime(), idOf(parsed));
    return 0;
  },
};
