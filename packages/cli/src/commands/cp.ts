/** `tsc-box cp`: files between a container and this machine. */
import { UsageError } from '@tsc-box/model';
import type { CopyOptions } from '@tsc-box/engine';
import { booleanValue } from '../args/flag.ts';
import { helpHint } from '../args/parse.ts';
import { checkOutput, readArchive, writeArchive } from '../io/archive.ts';
import type { Cli, Run } from './command.ts';

export const cp: Run = async (parsed, cli) => {
  const [source = '', target = ''] = parsed.positionals;
  const [from, to] = [splitName(source), splitName(target)];
  const options: CopyOptions = { archive: booleanValue(parsed, 'archive'), follow: booleanValue(parsed, 'followLink'), onWarning: (text) => cli.warn(text) };
  const images = await (await cli.engine()).images();
  if (from !== undefined && to !== undefined) throw mistake('found two containers, allowed: one', 'copy to this machine first');
  if (from !== undefined) {
    if (target !== '-') await images.copyFrom(from.container, from.path, needed(target), cli.cwd, options);
    else await archiveOut(cli, () => images.archiveOf(from.container, from.path, options));
    return 0;
  }
  if (to === undefined) throw mistake('found no container, allowed: CONTAINER:PATH as the one or the other');
  if (source === '-') await images.extractTo(to.container, readArchive('-', cli.cwd, 'copy an archive'), to.path, options);
  else await images.copyTo(to.container, needed(source), to.path, cli.cwd, options);
  return 0;
};

async function archiveOut(cli: Cli, archive: () => Promise<AsyncIterable<Uint8Array>>): Promise<void> {
  checkOutput(undefined, 'copy to standard output');
  await writeArchive(await archive(), undefined, cli.cwd);
}

/** What has a colon is a container's, unless it starts as a path does: docker's rule. */
function splitName(text: string): { readonly container: string; readonly path: string } | undefined {
  const colon = text.startsWith('/') || text.startsWith('.') ? -1 : text.indexOf(':');
  if (colon < 0) return undefined;
  const [container, path] = [text.slice(0, colon), text.slice(colon + 1)];
  if (container === '' || path === '') throw mistake(`found "${text}", allowed: CONTAINER:PATH`);
  return { container, path };
}

function needed(path: string): string {
  if (path === '') throw mistake('found an empty path');
  return path;
}

const mistake = (detail: string, hint?: string): UsageError => new UsageError({ attempted: 'read the command line', detail, hint: hint ?? helpHint('cp') });
