/** `tsc-box images`: the images of the store. */
import { familiarName, UsageError } from '@tsc-box/model';
import type { StoredImage } from '@tsc-box/engine';
import { booleanValue, listValue, stringValue, type Parsed } from '../args/flag.ts';
import { humanDuration } from '../report/age.ts';
import { humanSize } from '../report/bytes.ts';
import { formatTable } from '../report/table.ts';
import type { Run } from './command.ts';

const SHORT_ID = 12;

export const images: Run = async (parsed, cli) => {
  const store = await (await cli.engine()).images();
  const keep = filters(parsed);
  const found = (await store.list()).filter((image) => keep.every((one) => one(image))).sort(newestFirst);
  const whole = booleanValue(parsed, 'noTrunc');
  if (booleanValue(parsed, 'quiet')) cli.write([...new Set(found.map(({ id }) => `${whole ? id : shortId(id)}\n`))].join(''));
  else if (stringValue(parsed, 'format') === 'json') cli.write(found.map((image) => `${JSON.stringify(publicImage(image))}\n`).join(''));
  else cli.write(formatImages(found, { whole, digests: booleanValue(parsed, 'digests') }, Date.now()));
  return 0;
};

export const shortId = (id: string): string => id.slice(id.indexOf(':') + 1).slice(0, SHORT_ID);

function newestFirst(a: StoredImage, b: StoredImage): number {
  const [x, y] = [a.config.created ?? '', b.config.created ?? ''];
  return x < y ? 1 : x > y ? -1 : (a.name ?? '') < (b.name ?? '') ? -1 : 1;
}

const repositoryOf = ({ reference, name }: StoredImage): string => (reference === undefined ? (name ?? '<none>') : familiarName(reference));
const tagOf = ({ reference }: StoredImage): string => reference?.tag ?? '<none>';

/** What programs may rely on. */
function publicImage(image: StoredImage): object {
  return { Repository: repositoryOf(image), Tag: tagOf(image), Digest: image.target.digest, ID: image.id, CreatedAt: image.config.created ?? '', Size: image.size, Platform: `${image.platform.os}/${image.platform.architecture}` };
}

export function formatImages(found: readonly StoredImage[], { whole, digests }: { readonly whole: boolean; readonly digests: boolean }, now: number): string {
  const rows = found.map((image) => [
    repositoryOf(image), tagOf(image), ...(digests ? [image.target.digest] : []), whole ? image.id : shortId(image.id), ageOf(image.config.created, now), humanSize(image.size),
  ]);
  return formatTable([['REPOSITORY', 'TAG', ...(digests ? ['DIGEST'] : []), 'IMAGE ID', 'CREATED', 'SIZE'], ...rows]);
}

/** `created` is what the image says: it may be nothing, or no time. */
export function ageOf(created: string | undefined, now: number): string {
  const at = Date.parse(created ?? '');
  return Number.isNaN(at) ? 'N/A' : `${humanDuration(now - at)} ago`;
}

type Keep = (image: StoredImage) => boolean;

/** @throws UsageError for filters that there are not. */
function filters(parsed: Parsed): readonly Keep[] {
  const [pattern] = parsed.positionals;
  return [...(pattern === undefined ? [] : [matches(pattern)]), ...listValue(parsed, 'filter').map(filter)];
}

function filter(text: string): Keep {
  const [, key = '', value = ''] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  const fail = (allowed: string): UsageError => new UsageError({ attempted: 'read --filter', detail: `found "${text}", allowed: ${allowed}` });
  if (key === 'dangling') {
    if (!['true', 'false', '1', '0'].includes(value)) throw fail('dangling=true or dangling=false');
    return ({ name }) => (name === undefined) === (value === 'true' || value === '1');
  }
  if (key === 'reference') return matches(value);
  if (key === 'label') {
    const equals = value.indexOf('=');
    const label = equals < 0 ? value : value.slice(0, equals);
    return ({ config }) => {
      const found = config.config?.Labels?.[label];
      return found !== undefined && (equals < 0 || found === value.slice(equals + 1));
    };
  }
  throw fail('dangling=true|false, reference=PATTERN, label=KEY[=VALUE]');
}

/** `NAME` or `NAME:TAG`; `*` stands for anything but a slash. */
function matches(pattern: string): Keep {
  const hasTag = /:[^/]*$/.test(pattern);
  const expression = new RegExp(`^${pattern.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*').replaceAll('?', '[^/]')}$`);
  return (image) => expression.test(hasTag ? `${repositoryOf(image)}:${tagOf(image)}` : repositoryOf(image));
}
