/** Manifests and indexes: OCI image-spec 1.1 manifest.md, image-index.md, descriptor.md; Docker schema 2. Schema 1 is refused. */
import { BoxError, SpecError, UnsupportedError } from '../errors/box-error.ts';
import { bad, integer, list, object, record, string, text, type Check } from '../spec/check.ts';
import { isDigest } from './digest.ts';
import { isIndexType, isManifestType, isSchema1Type, MEDIA_TYPES } from './media-types.ts';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly urls?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
  readonly artifactType?: string;
}

export interface ImageManifest {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly config: Descriptor;
  /** Bottom first. */
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly subject?: Descriptor;
  readonly artifactType?: string;
}

export interface ImageIndex {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

export type Manifest = ({ readonly kind: 'manifest' } & ImageManifest) | ({ readonly kind: 'index' } & ImageIndex);

/** Of a manifest or an index: more is an attack (distribution-spec asks registries to take 4 MiB). */
export const MANIFEST_BYTES_MAX: number = 4 * 2 ** 20;
export const REF_NAME_ANNOTATION = 'org.opencontainers.image.ref.name';

const digest: Check<string> = (value, pointer) => {
  const found = string(value, pointer);
  if (!isDigest(found)) throw bad(pointer, value, 'sha256: and 64 lower-case hexadecimal digits, or sha512: and 128');
  return found;
};

const platform = object<Platform>({ os: string, architecture: string, variant: string, 'os.version': string, 'os.features': list(string) }, ['os', 'architecture']);

const descriptor = object<Descriptor>({
  mediaType: text, digest, size: integer(0), urls: list(string), annotations: record(string), platform, artifactType: string,
}, ['mediaType', 'digest', 'size']);

const two: Check<2> = (value, pointer) => {
  if (value !== 2) throw bad(pointer, value, '2');
  return 2;
};

const manifestShape = object<ImageManifest>({
  schemaVersion: two, mediaType: string, config: descriptor, layers: list(descriptor), annotations: record(string), subject: descriptor, artifactType: string,
}, ['schemaVersion', 'config', 'layers']);

const indexShape = object<ImageIndex>({ schemaVersion: two, mediaType: string, manifests: list(descriptor), annotations: record(string) }, ['schemaVersion', 'manifests']);

/**
 * `value` is the parsed JSON; `mediaType` is what the descriptor or the registry called it.
 * A document that could be read as both is refused, and so is one whose own media type differs (CVE-2021-41190).
 * @throws BoxError ERR_TSCBOX_IMAGE_INVALID with the path of the wrong field; UnsupportedError for schema 1.
 */
export function parseManifest(value: unknown, mediaType?: string): Manifest {
  try {
    return parseChecked(value, mediaType);
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read the manifest: ${error.pointer}`, detail: error.detail, cause: error });
  }
}

function parseChecked(value: unknown, told: string | undefined): Manifest {
  const { schemaVersion, mediaType: own, manifests, layers, fsLayers } = looseFields(value);
  if (schemaVersion === 1 || fsLayers !== undefined || (told !== undefined && isSchema1Type(told))) throw schema1();
  if (manifests !== undefined && layers !== undefined) throw bad('(top)', value, '"layers" or "manifests", not both');
  const isOwn = typeof own === 'string' && own !== '';
  if (isOwn && told !== undefined && isKnown(told) && own !== told) throw bad('mediaType', own, `${told}, as it was announced`);
  const mediaType = isOwn ? own : told !== undefined && isKnown(told) ? told : manifests === undefined ? MEDIA_TYPES.ociManifest : MEDIA_TYPES.ociIndex;
  if (isIndexType(mediaType)) return { kind: 'index', ...indexShape(value, ''), mediaType };
  if (isManifestType(mediaType)) return { kind: 'manifest', ...manifestShape(value, ''), mediaType };
  throw bad('mediaType', mediaType, [MEDIA_TYPES.ociManifest, MEDIA_TYPES.ociIndex, MEDIA_TYPES.dockerManifest, MEDIA_TYPES.dockerList].join(', '));
}

const isKnown = (mediaType: string): boolean => isIndexType(mediaType) || isManifestType(mediaType);

function looseFields(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad('', value, 'an object');
  return { ...value };
}

function schema1(): UnsupportedError {
  return new UnsupportedError({
    attempted: 'read the manifest', detail: 'found Docker schema 1, allowed: Docker schema 2 and OCI',
    reason: 'schema 1 was given up in 2017: its layers have no digests of their content', hint: 'push the image again with a newer tool, or copy it with: skopeo copy --format oci',
  });
}
