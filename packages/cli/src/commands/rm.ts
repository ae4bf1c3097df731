/** `tsc-box rm`: removes containers; one that can't be does not keep the others. */
import { EXIT_CODES } from '@tsc-box/model';
import { booleanValue } from '../args/flag.ts';
import type { Run } from './command.ts';

export const rm: Run = async (parsed, cli) => {
  const engine = await cli.engine();
  let code = 0;
  for (const name of parsed.positionals) {
    try {
      engine.remove(name, { force: booleanValue(parsed, 'force') });
      cli.write(`${name}\n`);
    } catch (error) {
      cli.report(error);
      code = EXIT_CODES.failure;
    }
  }
  return code;
};
