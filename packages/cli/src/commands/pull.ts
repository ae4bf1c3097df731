/** `tsc-box pull` and `tsc-box push`. */
import { familiarReference, parsePlatform, parseReference, UsageError } from '@tsc-box/model';
import { booleanValue, listValue, stringValue, type Parsed } from '../args/flag.ts';
import { openProgress } from '../report/progress.ts';
import type { Cli, Run } from './command.ts';

export const pull: Run = async (parsed, cli) => {
  const text = parsed.positionals[0] ?? '';
  const quiet = booleanValue(parsed, 'quiet');
  const platform = stringValue(parsed, 'platform');
  const images = await (await cli.engine()).images();
  const progress = await openProgress(quiet);
  try {
    const result = await images.pull(text, {
      ...connection(parsed, cli), ...(platform === undefined ? {} : { platform: platform === 'all' ? 'all' : parsePlatform(platform) }),
      mirrors: mirrorsOf(listValue(parsed, 'mirror')), onProgress: (blob) => progress.blob(blob), onWarning: (warning) => cli.warn(warning),
    });
    progress.end();
    const name = familiarReference(parseReference(result.name));
    if (quiet) cli.write(`${name}\n`);
    else cli.write(`Digest: ${result.digest}\nStatus: ${result.upToDate ? 'Image is up to date for' : 'Downloaded newer image for'} ${name}\n${result.name}\n`);
    return 0;
  } finally {
    progress.end();
  }
};

export const push: Run = async (parsed, cli) => {
  const [source = '', destination] = parsed.positionals;
  const quiet = booleanValue(parsed, 'quiet');
  const platform = stringValue(parsed, 'platform');
  const images = await (await cli.engine()).images();
  const progress = await openProgress(quiet);
  try {
    const result = await images.push(source, destination, { ...connection(parsed, cli), ...(platform === undefined ? {} : { platform: parsePlatform(platform) }), onProgress: (blob) => progress.blob(blob) });
    progress.end();
    cli.write(quiet ? `${result.name}\n` : `${result.name}: digest: ${result.digest}\n`);
    return 0;
  } finally {
    progress.end();
  }
};

function connection(parsed: Parsed, { env }: Cli): { readonly env: Cli['env']; readonly plainHttp: readonly string[] } {
  return { env, plainHttp: listValue(parsed, 'plainHttp') };
}

/** `HOST` is one of docker.io; `REGISTRY=HOST` of another. In the order given. */
function mirrorsOf(texts: readonly string[]): Record<string, readonly string[]> {
  const mirrors: Record<string, readonly string[]> = {};
  for (const text of texts) {
    const equals = text.indexOf('=');
    const [registry, host] = equals < 0 ? ['docker.io', text] : [text.slice(0, equals), text.slice(equals + 1)];
    if (registry === '' || host === '') throw new UsageError({ attempted: 'read --mirror', detail: `found "${text}", allowed: HOST or REGISTRY=HOST` });
    mirrors[registry] = [...(mirrors[registry] ?? []), host];
  }
  return mirrors;
}
