/** Reads an OCI image layout: image-spec 1.1, image-layout.md, image-index.md, manifest.md. */
import { BoxError, parseImageConfig } from '@tsc-box/model';
import { checkBytes, digestOf, formatDigest, type Digest } from './digest.ts';
import { imageNotFound, readSmall } from './file-range.ts';
import { formatPlatform, fits, platformOf, type Platform } from './platform.ts';
import { JsonValue, parseJson } from './shape.ts';
import type { ImageLayer, ReadableImage } from './types.ts';

/** Of a manifest, an index or a configuration. Registries have the same limit. */
const METADATA_BYTES_MAX = 4 << 20;
const INDEX_DEPTH_MAX = 4;
const REF_NAME = 'org.opencontainers.image.ref.name';
/** The full name, as `docker save` and BuildKit write it. */
const CONTAINERD_NAME = 'io.containerd.image.name';

const INDEX_TYPES: ReadonlySet<string> = new Set(['application/vnd.oci.image.index.v1+json', 'application/vnd.docker.distribution.manifest.list.v2+json']);
const MANIFEST_TYPES: ReadonlySet<string> = new Set(['application/vnd.oci.image.manifest.v1+json', 'application/vnd.docker.distribution.manifest.v2+json']);
const CONFIG_TYPES: ReadonlySet<string> = new Set(['application/vnd.oci.image.config.v1+json', 'application/vnd.docker.container.image.v1+json']);
const LAYER_TYPE = /^application\/vnd\.(oci\.image\.layer\.(nondistributable\.)?v1\.tar(\+(gzip|zstd))?|docker\.image\.rootfs\.(diff|foreign\.diff)\.tar(\.(gzip|zstd))?)$/;

interface Descriptor {
  readonly json: JsonValue;
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
}

/** @throws BoxError where the layout has no such image, or is not valid. */
export async function readOciLayout(directory: string, tag: string | undefined, platform: Platform): Promise<ReadableImage> {
  const name = `oci:${directory}${tag === undefined ? '' : `:${tag}`}`;
  await checkMarker(directory);
  const index = await readSmall(`${directory}/index.json`, METADATA_BYTES_MAX);
  if (index === undefined) throw imageNotFound(`read the image layout "${directory}"`, `${directory}/index.json`);
  const manifests = parseJson(index, `${directory}/index.json`).field('manifests').list();
  const named = tag === undefined ? manifests : manifests.filter((json) => hasTag(json, tag));
  if (named.length === 0) throw noSuchTag(name, directory, manifests);
  const manifest = await findManifest(directory, choose(named, platform, name, tag === undefined), platform, name);
  const config = manifest.field('config');
  const described = descriptorOf(config);
  if (!CONFIG_TYPES.has(described.mediaType)) config.field('mediaType').fail(`one of an image: ${[...CONFIG_TYPES].join(', ')}`);
  const image = parseImageConfig(parseJson(await readBlob(directory, described), `the configuration of ${name}`).value);
  return { name, config: image, layers: layersOf(directory, manifest, image.rootfs.diff_ids, name) };
}

async function checkMarker(directory: string): Promise<void> {
  const path = `${directory}/oci-layout`;
  const marker = await readSmall(path, METADATA_BYTES_MAX);
  if (marker === undefined) throw imageNotFound(`read the image layout "${directory}"`, path, 'an OCI image layout is a directory with a file oci-layout, index.json and blobs');
  const version = parseJson(marker, path).field('imageLayoutVersion');
  if (!version.text().startsWith('1.')) version.fail('1.x');
}

function annotation(json: JsonValue, key: string): string | undefined {
  const annotations = json.field('annotations');
  return annotations.isMissing ? undefined : annotations.field(key).optionalText();
}

const hasTag = (json: JsonValue, tag: string): boolean => annotation(json, REF_NAME) === tag || annotation(json, CONTAINERD_NAME) === tag;

function noSuchTag(name: string, directory: string, manifests: readonly JsonValue[]): BoxError {
  const tags = [...new Set(manifests.map((json) => annotation(json, REF_NAME) ?? annotation(json, CONTAINERD_NAME)).filter((tag) => tag !== undefined))];
  const detail = manifests.length === 0 ? 'the layout holds no image' : `its tags are: ${tags.length === 0 ? 'none' : tags.join(', ')}`;
  return new BoxError({ code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', attempted: `find ${name}`, detail, path: directory, hint: tags.length === 0 ? undefined : `use oci:${directory}:${tags[0] ?? ''}` });
}

/** Attestations and signatures lie beside the images of an index. */
function isImage(json: JsonValue): boolean {
  const platform = platformOf(json);
  return (platform === undefined || platform.os !== 'unknown') && annotation(json, 'vnd.docker.reference.type') === undefined && json.field('artifactType').isMissing;
}

function choose(manifests: readonly JsonValue[], platform: Platform, name: string, anyTag: boolean): Descriptor {
  const images = manifests.filter(isImage);
  const offered = images.map((json) => ({ json, platform: platformOf(json) }));
  const fitting = offered.filter((each) => each.platform === undefined || fits(platform, each.platform));
  const [first, second] = fitting;
  if (first === undefined) {
    const platforms = offered.flatMap((each) => (each.platform === undefined ? [] : [formatPlatform(each.platform)]));
    throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', attempted: `find ${name} for ${formatPlatform(platform)}`, detail: `it is there for: ${platforms.join(', ') || 'nothing'}` });
  }
  if (second !== undefined && anyTag && new Set(fitting.map(({ json }) => json.field('digest').text())).size > 1) {
    const tags = fitting.map(({ json }) => annotation(json, REF_NAME) ?? annotation(json, CONTAINERD_NAME)).filter((tag) => tag !== undefined);
    throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', attempted: `find ${name}`, detail: `the layout holds ${String(fitting.length)} images`, hint: `say which: ${name}:TAG, with one of ${tags.join(', ') || 'no tag: the layout has none'}` });
  }
  return descriptorOf(first.json);
}

/** Down through nested indexes. */
async function findManifest(directory: string, from: Descriptor, platform: Platform, name: string): Promise<JsonValue> {
  let descriptor = from;
  for (let depth = 0; depth < INDEX_DEPTH_MAX; depth += 1) {
    const isIndex = INDEX_TYPES.has(descriptor.mediaType);
    if (!isIndex && !MANIFEST_TYPES.has(descriptor.mediaType)) descriptor.json.field('mediaType').fail('an image manifest or an image index');
    const json = parseJson(await readBlob(directory, descriptor), `${formatDigest(descriptor.digest)} of ${name}`);
    const stated = json.field('mediaType').optionalText();
    // Read as one thing here and as another elsewhere: CVE-2021-41190.
    if (stated !== undefined && stated !== descriptor.mediaType) json.field('mediaType').fail(descriptor.mediaType);
    if (!json.field(isIndex ? 'layers' : 'manifests').isMissing) json.field(isIndex ? 'layers' : 'manifests').fail('nothing here');
    if (!isIndex) return json;
    descriptor = choose(json.field('manifests').list(), platform, name, false);
  }
  throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read ${name}`, detail: `indexes are nested more than ${String(INDEX_DEPTH_MAX)} times` });
}

function descriptorOf(json: JsonValue): Descriptor {
  return { json, mediaType: json.field('mediaType').text(), digest: digestOf(json.field('digest')), size: json.field('size').size() };
}

const blobPath = (directory: string, { algorithm, hex }: Digest): string => `${directory}/blobs/${algorithm}/${hex}`;

async function readBlob(directory: string, { json, digest, size }: Descriptor): Promise<Uint8Array> {
  const path = blobPath(directory, digest);
  if (size > METADATA_BYTES_MAX) json.field('size').fail(`up to ${String(METADATA_BYTES_MAX)}`);
  const bytes = await readSmall(path, METADATA_BYTES_MAX);
  if (bytes === undefined) throw imageNotFound(`read ${formatDigest(digest)}`, path, 'the image layout is not complete');
  checkBytes(formatDigest(digest), bytes, digest, path);
  if (bytes.length !== size) json.field('size').fail(String(bytes.length));
  return bytes;
}

function layersOf(directory: string, manifest: JsonValue, diffIds: readonly string[], name: string): ImageLayer[] {
  const layers = manifest.field('layers').list().map(descriptorOf);
  if (layers.length !== diffIds.length) {
    throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read ${name}`, detail: `its manifest has ${String(layers.length)} layers, its configuration ${String(diffIds.length)} diff_ids` });
  }
  const place = `the configuration of ${name}: rootfs.diff_ids`;
  return layers.map(({ json, mediaType, digest, size }, index) => {
    if (!LAYER_TYPE.test(mediaType)) json.field('mediaType').fail('a layer: a tar archive, plain, gzip or zstd');
    return { diffId: digestOf(new JsonValue(diffIds[index], `${place}[${String(index)}]`)), digest, size, range: { path: blobPath(directory, digest), start: 0 } };
  });
}
