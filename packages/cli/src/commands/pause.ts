/** `tsc-box pause`, `unpause`, `rename`, `wait`. */
import { EXIT_CODES } from '@tsc-box/model';
import type { Run } from './command.ts';
import { forEach } from './each.ts';

export const pause: Run = async (parsed, cli) => {
  const life = await (await cli.engine()).life();
  return forEach(parsed.positionals, cli, (name) => life.pause(name));
};

export const unpause: Run = async (parsed, cli) => {
  const life = await (await cli.engine()).life();
  return forEach(parsed.positionals, cli, (name) => life.unpause(name));
};

export const rename: Run = async (parsed, cli) => {
  const [old = '', name = ''] = parsed.positionals;
  (await (await cli.engine()).life()).rename(old, name);
  return 0;
};

/** The exit codes, one a line, in the order of the containers. */
export const wait: Run = async (parsed, cli) => {
  const life = await (await cli.engine()).life();
  const waiting = parsed.positionals.map((name) => life.wait(name));
  let failed = false;
  for (const end of waiting) {
    try {
      cli.write(`${String((await end).code)}\n`);
    } catch (error) {
      cli.report(error);
      failed = true;
    }
  }
  return failed ? EXIT_CODES.failure : 0;
};
