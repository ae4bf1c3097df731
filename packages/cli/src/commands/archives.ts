/** `tsc-box load`, `save`, `import` and `export`: images and roots as archives. */
import { familiarReference, parsePlatform, parseReference, UsageError } from '@tsc-box/model';
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { booleanValue, listValue, stringValue } from '../args/flag.ts';
import { checkOutput, readArchive, writeArchive } from '../io/archive.ts';
import type { Run } from './command.ts';

export const load: Run = async (parsed, cli) => {
  const input = stringValue(parsed, 'input');
  const name = stringValue(parsed, 'name');
  const options = name === undefined ? {} : { name };
  const images = await (await cli.engine()).images();
  const isDirectory = input !== undefined && input !== '-' && existsSync(resolve(cli.cwd, input)) && statSync(resolve(cli.cwd, input)).isDirectory();
  const loaded = input !== undefined && input !== '-' && (isDirectory || existsSync(resolve(cli.cwd, input))) ? await images.load(resolve(cli.cwd, input), options) : await images.loadStream(readArchive(input, cli.cwd, 'load an image'), options);
  const quiet = booleanValue(parsed, 'quiet');
  for (const image of loaded) {
    const shown = image.name === undefined ? (await images.store.resolve(image.digest)).id : familiarReference(parseReference(image.name));
    cli.write(quiet ? `${shown}\n` : `Loaded image${image.name === undefined ? ' ID' : ''}: ${shown}\n`);
  }
  return 0;
};

export const save: Run = async (parsed, cli) => {
  const output = stringValue(parsed, 'output');
  checkOutput(output, 'save images');
  const platform = stringValue(parsed, 'platform');
  const images = await (await cli.engine()).images();
  await writeArchive(images.save(parsed.positionals, { format: stringValue(parsed, 'format') === 'oci' ? 'oci' : 'docker', ...(platform === undefined ? {} : { platform: parsePlatform(platform) }) }), output, cli.cwd);
  return 0;
};

export const importImage: Run = async (parsed, cli) => {
  const [file = '', name] = parsed.positionals;
  if (/^https?:\/\//.test(file)) throw new UsageError({ attempted: `import ${file}`, detail: 'found an address, allowed: FILE or - for standard input', hint: `fetch it first: curl -fL ${file} | tsc-box import - ${name ?? 'NAME'}` });
  const message = stringValue(parsed, 'message');
  const platform = stringValue(parsed, 'platform');
  const images = await (await cli.engine()).images();
  const { id } = await images.import(readArchive(file, cli.cwd, 'import a root'), {
    changes: listValue(parsed, 'change'), ...(name === undefined ? {} : { name }), ...(message === undefined ? {} : { message }), ...(platform === undefined ? {} : { platform }),
  });
  cli.write(`${id}\n`);
  return 0;
};
