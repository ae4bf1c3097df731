/** `tsc-box apply`: changes of a container become those of this machine. */
import { resolvePath, type AppliedChange } from '@tsc-box/model';
import { booleanValue } from '../args/flag.ts';
import type { Cli, Run } from './command.ts';

/** Exit code: something was left as it is, or failed. */
export const NOT_ALL = 1;

export const apply: Run = async (parsed, cli) => {
  const [container = '', ...paths] = parsed.positionals;
  const results = await (await cli.engine()).apply(container, {
    ...(paths.length === 0 ? {} : { paths: paths.map((path) => resolvePath(cli.cwd, path)) }),
    force: booleanValue(parsed, 'force'), dryRun: booleanValue(parsed, 'dryRun'), onWarning: (text) => cli.warn(text),
  });
  cli.write(booleanValue(parsed, 'json') ? `${JSON.stringify(results)}\n` : results.map((result) => `${lineOf(result)}\n`).join(''));
  return isDone(results) ? 0 : NOT_ALL;
};

export const isDone = (results: readonly AppliedChange[]): boolean => results.every(({ outcome }) => outcome === 'applied');

export const lineOf = ({ path, outcome, reason }: AppliedChange): string => `${outcome} ${showPath(path)}${reason === undefined ? '' : `: ${reason}`}`;

/** A path may hold a newline; quoted then, so that a line stays a path. */
export const showPath = (path: string): string => (/\p{Cc}/u.test(path) ? JSON.stringify(path) : path);

/** Told on standard error, where the command's own output isn't. */
export function tell(cli: Cli, results: readonly AppliedChange[]): void {
  for (const result of results) if (result.outcome !== 'applied') cli.warn(lineOf(result));
}
