import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultSpec } from '@tsc-box/engine/runtime';
import { SyscallError } from '@tsc-box/model';
import { booleanValue, stringValue } from '../../args/flag.ts';
import { flag, toggle, type Verb } from '../verb.ts';

export const specVerb: Verb = {
  name: 'spec', usage: '', help: 'write a config.json to begin with', words: [0, 0],
  flags: [flag('bundle', 'directory that gets it (default: the current one)', { short: 'b', value: 'DIR', complete: 'directory' }), toggle('rootless', 'for an ordinary user')],
  async run({ parsed }) {
    const path = join(stringValue(parsed, 'bundle') ?? '.', 'config.json');
    const spec = defaultSpec(booleanValue(parsed, 'rootless') ? { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 } : undefined);
    try {
      writeFileSync(path, `${JSON.stringify(spec, undefined, 2)}\n`, { flag: 'wx' });
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') throw new SyscallError({ attempted: `write "${path}"`, errno: 'EEXIST', path, detail: `File ${path} exists. Remove it first` });
      throw error;
    }
    return 0;
  },
};
