import { spawnSync } from 'node:child_process';
import { pidsOf } from '@tsc-box/engine/runtime';
import { SyscallError } from '@tsc-box/model';
import { stringValue } from '../../args/flag.ts';
import { flag, idOf, type Verb } from '../verb.ts';

export const psVerb: Verb = {
  name: 'ps', usage: 'ID [PS-OPTIONS]', help: 'list the processes of a container', words: [1, Infinity], stopAtWord: true,
  flags: [flag('format', 'table or json', { short: 'f', choices: ['table', 'json'] })],
  async run({ parsed, runtime, write }) {
    // `ps ID --format json` is the order that containerd uses too.
    const words = parsed.positionals.slice(1);
    const at = words.findIndex((word) => word === '--format' || word === '-f');
    const format = stringValue(parsed, 'format') ?? (at < 0 ? words.find((word) => word.startsWith('--format='))?.slice(9) : words[at + 1]);
    const pids = pidsOf(runtime(), idOf(parsed));
    if (format === 'json') write(`${JSON.stringify(pids)}\n`);
    else write(table(words.length === 0 ? ['-ef'] : words, pids));
    return 0;
  },
};

/** Lines of ps(1) about these processes. */
function table(options: readonly string[], pids: readonly number[]): string {
  const { status, stdout, stderr, error } = spawnSync('ps', options, { encoding: 'utf8' });
  if (error !== undefined || status !== 0) throw new SyscallError({ attempted: `run ps ${options.join(' ')}`, detail: error === undefined ? stderr.trim() : error.message, hint: 'use --format json' });
  const [head = '', ...lines] = stdout.trimEnd().split('\n');
  const column = head.trim().split(/\s+/).indexOf('PID');
  const wanted = new Set(pids.map(String));
  return [head, ...lines.filter((line) => wanted.has(line.trim().split(/\s+/)[column] ?? ''))].map((line) => `${line}\n`).join('');
}
