/** `tsc-box diff`: what a container changed. */
import { booleanValue } from '../args/flag.ts';
import type { Run } from './command.ts';

export const diff: Run = async (parsed, cli) => {
  const changes = (await cli.engine()).diff(parsed.positionals[0] ?? '');
  // A path may hold a newline; quoted then, so that a line stays a path.
  const show = (path: string): string => (/\p{Cc}/u.test(path) ? JSON.stringify(path) : path);
  cli.write(booleanValue(parsed, 'json') ? `${JSON.stringify(changes)}\n` : changes.map(({ kind, path }) => `${kind} ${show(path)}\n`).join(''));
  return 0;
};
