/** `tsc-box commit` and `tsc-box export`: a container's files as an image, or as a tar. */
import { listValue, stringValue } from '../args/flag.ts';
import { checkOutput, writeArchive } from '../io/archive.ts';
import type { Run } from './command.ts';

export const commit: Run = async (parsed, cli) => {
  const [container = '', name] = parsed.positionals;
  const author = stringValue(parsed, 'author');
  const message = stringValue(parsed, 'message');
  const { id } = await (await (await cli.engine()).images()).commit(container, {
    changes: listValue(parsed, 'change'), pause: parsed.values['pause'] !== false,
    ...(name === undefined ? {} : { name }), ...(author === undefined ? {} : { author }), ...(message === undefined ? {} : { message }),
  });
  cli.write(`${id}\n`);
  return 0;
};

export const exportContainer: Run = async (parsed, cli) => {
  const output = stringValue(parsed, 'output');
  checkOutput(output, 'export a container');
  await writeArchive(await (await (await cli.engine()).images()).export(parsed.positionals[0] ?? ''), output, cli.cwd);
  return 0;
};
