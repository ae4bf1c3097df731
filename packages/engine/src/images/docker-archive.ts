/**
 * Reads what `docker save`, podman, skopeo and BuildKit write as one tar: `manifest.json` names a configuration and layers,
 * which lie in the archive too. moby image/tarexport/load.go. Only headers are read until a layer is wanted.
 */
import type { FileHandle } from 'node:fs/promises';
import { BoxError, parseImageConfig, TarReader, textOf, toByteString, type TarEntry } from '@tsc-box/model';
import { checkBytes, digestOf, tryParseDigest, type Digest } from './digest.ts';
import { imageNotFound, openRegular, readExactly } from './file-range.ts';
import { JsonValue, parseJson } from './shape.ts';
import type { ImageLayer, ReadableImage } from './types.ts';

const METADATA_BYTES_MAX = 4 << 20;
/** A few for each layer. */
const ENTRIES_MAX = 20_000;
const LINKS_MAX = 10;
const BLOCK = 512;

type Member = { readonly kind: 'file'; readonly start: number; readonly size: number } | { readonly kind: 'link'; readonly target: string };

interface Archive {
  readonly path: string;
  readonly name: string;
  readonly file: FileHandle;
  readonly members: ReadonlyMap<string, Member>;
}

/** `path` must be a plain tar. @throws BoxError where it has no such image, or is not valid. */
export async function readDockerArchive(path: string, reference: string | undefined): Promise<ReadableImage> {
  const name = `docker-archive:${path}${reference === undefined ? '' : `:${reference}`}`;
  const opened = await openRegular(path);
  if (opened === undefined) throw imageNotFound(`open ${name}`, path);
  const { file, size } = opened;
  try {
    const archive: Archive = { path, name, file, members: await listMembers(file, size, path) };
    const manifest = parseJson(await readMember(archive, 'manifest.json', 'docker archives hold a file manifest.json: is this one of another kind?'), `manifest.json of ${path}`);
    const image = chooseImage(manifest.list(), reference, name);
    const configName = image.field('Config').text();
    const bytes = await readMember(archive, configName);
    checkName(configName, bytes, path);
    const config = parseImageConfig(parseJson(bytes, `${configName} of ${path}`).value);
    return { name, config, layers: layersOf(archive, image, config.rootfs.diff_ids) };
  } finally {
    await file.close();
  }
}

/** The headers, without the data between them. The last entry of a name counts. */
async function listMembers(file: FileHandle, size: number, path: string): Promise<Map<string, Member>> {
  const members = new Map<string, Member>();
  const reader = new TarReader({ entry: (entry) => addMember(members, entry) }, { entries: ENTRIES_MAX });
  let position = 0;
  while (position < size) {
    const skipped = Math.min(reader.skippable, size - position);
    if (skipped > 0) reader.skip(skipped);
    position += skipped;
    if (position >= size) break;
    const block = await readExactly(file, position, Math.min(BLOCK - (position % BLOCK), size - position), path);
    position += block.length;
    reader.push(block);
  }
  reader.end();
  return members;
}

function addMember(members: Map<string, Member>, entry: TarEntry): void {
  const name = normal(toByteString(entry.name));
  if (entry.type === 'file' && entry.sparse === undefined) members.set(name, { kind: 'file', start: entry.dataOffset, size: entry.storedSize });
  else if (entry.type === 'hardlink') members.set(name, { kind: 'link', target: normal(toByteString(entry.linkName)) });
  // Old dockers wrote a layer that two images share once, with links to it.
  else if (entry.type === 'symlink') members.set(name, { kind: 'link', target: normal(`${name.slice(0, name.lastIndexOf('/') + 1)}${toByteString(entry.linkName)}`) });
}

/** A name in the archive without "." and "..". What leads out of it can't be found in it. */
function normal(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

function findMember({ members, path, name }: Archive, member: string, hint?: string): { readonly start: number; readonly size: number } {
  let at = normal(Buffer.from(member, 'utf8').toString('latin1'));
  for (let links = 0; links < LINKS_MAX; links += 1) {
    const found = members.get(at);
    if (found?.kind === 'file') return found;
    if (found === undefined) throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read ${name}`, detail: `there is no "${textOf(at)}" in it`, path, hint });
    at = found.target;
  }
  throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read ${name}`, detail: `"${member}" is a loop of links`, path });
}

async function readMember(archive: Archive, member: string, hint?: string): Promise<Uint8Array> {
  const { start, size } = findMember(archive, member, hint);
  if (size > METADATA_BYTES_MAX) throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read "${member}" of ${archive.name}`, detail: `it has ${String(size)} bytes, allowed: ${String(METADATA_BYTES_MAX)}`, path: archive.path });
  return readExactly(archive.file, start, size, archive.path);
}

/** `<digest>.json`, or a path of an OCI layout. */
function checkName(configName: string, bytes: Uint8Array, path: string): void {
  const hex = /^(?:blobs\/sha256\/)?([0-9a-f]{64})(?:\.json)?$/.exec(configName)?.[1];
  const digest = hex === undefined ? undefined : tryParseDigest(`sha256:${hex}`);
  if (digest !== undefined) checkBytes(`"${configName}"`, bytes, digest, path);
}

function tagsOf(image: JsonValue): string[] {
  return image.field('RepoTags').optionalList().map((tag) => tag.text());
}

function chooseImage(images: readonly JsonValue[], reference: string | undefined, name: string): JsonValue {
  const known = images.flatMap(tagsOf);
  const refuse = (detail: string): never => {
    throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', attempted: `find ${name}`, detail, hint: known.length === 0 ? undefined : `its images are: ${known.join(', ')}` });
  };
  if (reference === undefined) {
    const [only, second] = images;
    if (only === undefined) return refuse('the archive holds no image');
    return second === undefined ? only : refuse(`the archive holds ${String(images.length)} images: say which, by its name or by @INDEX`);
  }
  const index = /^@([0-9]{1,6})$/.exec(reference)?.[1];
  if (index !== undefined) return images[Number(index)] ?? refuse(`the archive holds ${String(images.length)} images`);
  const wanted = familiar(reference);
  return images.find((image) => tagsOf(image).some((tag) => familiar(tag) === wanted)) ?? refuse('the archive holds no image of that name');
}

/** Docker's short names: `docker.io/library/busybox:latest` is `busybox`. */
function familiar(reference: string): string {
  const name = reference.replace(/^(docker\.io|index\.docker\.io)\/(library\/)?/, '').replace(/^localhost\//, '');
  return /:[^/]+$/.test(name) ? name : `${name}:latest`;
}

function layersOf(archive: Archive, image: JsonValue, diffIds: readonly string[]): ImageLayer[] {
  const layers = image.field('Layers').optionalList();
  if (layers.length !== diffIds.length) {
    throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read ${archive.name}`, detail: `its manifest.json has ${String(layers.length)} layers, its configuration ${String(diffIds.length)} diff_ids`, path: archive.path });
  }
  return layers.map((layer, index) => {
    const member = layer.text();
    const { start, size } = findMember(archive, member);
    return { diffId: digestOf(new JsonValue(diffIds[index], `the configuration of ${archive.name}: rootfs.diff_ids[${String(index)}]`)), digest: digestOfName(member), size, range: { path: archive.path, start, size } };
  });
}

const digestOfName = (member: string): Digest | undefined => {
  const hex = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(member)?.[1];
  return hex === undefined ? undefined : { algorithm: 'sha256', hex };
};
