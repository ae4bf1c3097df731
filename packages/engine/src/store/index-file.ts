/** `index.json`: the names of the store's images. Fields that we don't know are kept as they are. */
import { readFile } from 'node:fs/promises';
import { BoxError, MANIFEST_BYTES_MAX, parseManifest, REF_NAME_ANNOTATION, type Descriptor } from '@tsc-box/model';
import { errnoOf, stateError, writeDurably } from './durable.ts';
import type { StorePaths } from './paths.ts';

/** One entry, checked, and as it stands in the file. */
export interface IndexEntry {
  readonly name: string | undefined;
  readonly descriptor: Descriptor;
  readonly raw: Readonly<Record<string, unknown>>;
}

export interface IndexFile {
  readonly entries: readonly IndexEntry[];
  readonly rest: Readonly<Record<string, unknown>>;
}

/** Empty where there is no file. @throws BoxError ERR_TSCBOX_IMAGE_INVALID */
export async function readIndex({ index }: StorePaths): Promise<IndexFile> {
  let text: string;
  try {
    text = await readFile(index, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return { entries: [], rest: {} };
    throw stateError(`read "${index}"`, index, error);
  }
  // Thousands of images fit; a document of no end does not.
  if (text.length > 16 * MANIFEST_BYTES_MAX) throw damaged(index, `it has ${String(text.length)} characters`);
  try {
    const raw = JSON.parse(text) as Record<string, unknown>;
    const parsed = parseManifest(raw);
    if (parsed.kind !== 'index') throw damaged(index, 'it is a manifest, not an index');
    const { manifests, ...rest } = raw;
    const rawEntries = manifests as readonly Readonly<Record<string, unknown>>[];
    return { rest, entries: parsed.manifests.map((descriptor, number) => ({ name: descriptor.annotations?.[REF_NAME_ANNOTATION], descriptor, raw: rawEntries[number] ?? {} })) };
  } catch (error) {
    if (error instanceof BoxError && error.path !== undefined) throw error;
    throw damaged(index, error instanceof Error ? error.message : String(error), error);
  }
}

/** ORDER: only under the store's lock. */
export async function writeIndex(paths: StorePaths, { entries, rest }: IndexFile): Promise<void> {
  const document = { schemaVersion: 2, ...rest, manifests: entries.map(({ raw }) => raw) };
  await writeDurably(paths.index, `${JSON.stringify(document)}\n`, paths.ingest);
}

export function newEntry(name: string | undefined, { digest, size, mediaType, platform, annotations }: Descriptor): IndexEntry {
  const { [REF_NAME_ANNOTATION]: _, ...others } = annotations ?? {};
  const all = name === undefined ? others : { ...others, [REF_NAME_ANNOTATION]: name };
  const raw = { mediaType, digest, size, ...(platform === undefined ? {} : { platform }), ...(Object.keys(all).length === 0 ? {} : { annotations: all }) };
  return { name, descriptor: raw, raw };
}

function damaged(path: string, detail: string, cause?: unknown): BoxError {
  return new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read "${path}"`, detail, path, cause });
}
