/** `tsc-box rmi` and `tsc-box tag`. */
import { EXIT_CODES, familiarReference, parseReference } from '@tsc-box/model';
import { booleanValue } from '../args/flag.ts';
import type { Run } from './command.ts';

export const tag: Run = async (parsed, cli) => {
  const [source = '', name = ''] = parsed.positionals;
  await (await (await cli.engine()).images()).tag(source, name);
  return 0;
};

export const rmi: Run = async (parsed, cli) => {
  const images = await (await cli.engine()).images();
  const force = booleanValue(parsed, 'force');
  let code = 0;
  let deleted = 0;
  for (const name of parsed.positionals) {
    try {
      const removed = await images.remove(name, { force });
      cli.write([...removed.untagged.map((one) => `Untagged: ${familiar(one)}\n`), ...removed.deleted.map((id) => `Deleted: ${id}\n`)].join(''));
      deleted += removed.deleted.length;
    } catch (error) {
      cli.report(error);
      code = EXIT_CODES.failure;
    }
  }
  if (deleted === 0 || booleanValue(parsed, 'noPrune')) return code;
  try {
    await images.gc();
  } catch (error) {
    // The images are removed; only their space is not free yet.
    cli.warn(error instanceof Error ? error.message : String(error));
  }
  return code;
};

function familiar(name: string): string {
  try {
    return familiarReference(parseReference(name));
  } catch {
    return name;
  }
}
