import { features } from '@tsc-box/engine/runtime';
import type { Verb } from '../verb.ts';

export const featuresVerb: Verb = {
  name: 'features', usage: '', help: 'print what this runtime does here as JSON', flags: [], words: [0, 0],
  async run({ runtime, write }) {
    write(`${JSON.stringify(features(runtime().system.facts()), undefined, 2)}\n`);
    return 0;
  },
};
