import { create, remove, start } from '@tsc-box/engine/runtime';
import { booleanValue } from '../../args/flag.ts';
import { CREATE_FLAGS, createRequest } from '../create-flags.ts';
import { waitInForeground } from '../relay.ts';
import { idOf, toggle, type Verb } from '../verb.ts';

export const runVerb: Verb = {
  name: 'run', usage: 'ID', help: 'create, start, and wait for its end',
  flags: [...CREATE_FLAGS, toggle('detach', 'do not wait', { short: 'd' }), toggle('keep', 'do not delete the container at its end')], words: [1, 1],
  async run({ parsed, globals, runtime }) {
    const opened = runtime();
    const id = idOf(parsed);
    const detach = booleanValue(parsed, 'detach');
    const launched = create(opened, { ...createRequest(parsed, globals), foreground: !detach });
    try {
      await start(opened, id);
    } catch (error) {
      await remove(opened, id, true);
      throw error;
    }
    if (detach) return 0;
    const code = await waitInForeground(launched);
    if (!booleanValue(parsed, 'keep')) await remove(opened, id, true);
    return code;
  },
};
