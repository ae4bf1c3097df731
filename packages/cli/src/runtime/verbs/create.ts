import { create } from '@tsc-box/engine/runtime';
import { CREATE_FLAGS, createRequest } from '../create-flags.ts';
import type { Verb } from '../verb.ts';

export const createVerb: Verb = {
  name: 'create', usage: 'ID', help: 'set a container up; its process waits for start', flags: CREATE_FLAGS, words: [1, 1],
  async run({ parsed, globals, runtime }) {
    create(runtime(), createRequest(parsed, globals));
    return 0;
  },
};
