/** Commands on several containers: one that fails does not keep the others. */
import { EXIT_CODES } from '@tsc-box/model';
import type { Cli } from './command.ts';

/** Prints each name when it is done. The exit code is 125 when one failed. */
export async function forEach(names: readonly string[], cli: Cli, action: (name: string) => unknown): Promise<number> {
  let code = 0;
  for (const name of names) {
    try {
      await action(name);
      cli.write(`${name}\n`);
    } catch (error) {
      cli.report(error);
      code = EXIT_CODES.failure;
    }
  }
  return code;
}
