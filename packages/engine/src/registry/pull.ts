/** Pulls an image into the store. */
import { choosePlatform, familiarReference, formatReference, isConfigType, parseImageConfig, parseReference, type BoxError, type Descriptor, type ImageManifest, type Platform, type Reference } from '@tsc-box/model';
import { BoxError as Failure } from '@tsc-box/model';
import { ownPlatform } from '../images/platform.ts';
import { parseJsonBytes } from '../store/documents.ts';
import { SOURCE_DIGEST_ANNOTATION } from '../store/find.ts';
import type { ImageStore, Lease, StoredImage } from '../store/types.ts';
import { openRepository, type RepositoryClient } from './client.ts';
import { downloadBlob } from './download.ts';
import { endpointOf, mirrorEndpoint, type Endpoint } from './endpoint.ts';
import { fetchManifest, headManifest, type FetchedManifest } from './manifests.ts';
import { connectionOf, type RegistryOptions } from './options.ts';
import { eachOf, type BlobProgress } from './progress.ts';

export interface PullOptions extends RegistryOptions {
  readonly store: ImageStore;
  /** Default: this machine's. `all`: every one that the image has. */
  readonly platform?: Platform | 'all';
  /** Parallel downloads. Default: 4. */
  readonly parallel?: number;
  readonly onProgress?: (progress: BlobProgress) => void;
  readonly onWarning?: (text: string) => void;
}

export interface PullResult {
  /** As it is kept: `docker.io/library/debian:latest`. */
  readonly name: string;
  /** What the tag stands for in the registry: of the manifest or the index. */
  readonly digest: string;
  /** It was there already. */
  readonly upToDate: boolean;
  readonly image: StoredImage;
}

const INDEX_DEPTH_MAX = 4;
/** More layers than overlayfs takes, and than any image has. */
const LAYERS_MAX = 1000;

/**
 * @throws BoxError ERR_TSCBOX_REFERENCE_INVALID, ERR_TSCBOX_IMAGE_NOT_FOUND where it has no such platform, ERR_TSCBOX_DIGEST_MISMATCH;
 * RegistryError for what the registry refuses. What has come stays for the next pull; no name is set.
 */
export async function pullImage(text: string, options: PullOptions): Promise<PullResult> {
  const reference = parseReference(text);
  const endpoints = [...(options.mirrors?.[reference.registry] ?? []).map((mirror) => mirrorEndpoint(mirror, options.plainHttp ?? [])), endpointOf(reference.registry, options.plainHttp ?? [])];
  for (const [index, endpoint] of endpoints.entries()) {
    try {
      return await pullFrom(endpoint, reference, options);
    } catch (error) {
      const isLast = index === endpoints.length - 1;
      if (isLast || !(error instanceof Failure) || options.signal?.aborted === true) throw error;
      options.onWarning?.(`mirror ${endpoint.origin} can't give ${familiarReference(reference)}: ${error.message}`);
    }
  }
  throw new Failure({ code: 'ERR_TSCBOX_INTERNAL', attempted: 'choose a registry' });
}

async function pullFrom(endpoint: Endpoint, reference: Reference, options: PullOptions): Promise<PullResult> {
  const name = formatReference(reference);
  const client = openRepository({ ...connectionOf(options), endpoint, repository: reference.repository, attempted: `pull ${name}`, actions: 'pull' });
  const known = await alreadyThere(client, reference, name, options);
  if (known !== undefined) return known;
  const top = await fetchManifest(client, reference.digest ?? reference.tag ?? 'latest');
  const lease = await options.store.lease();
  try {
    const target = await fetchTarget(client, lease, top, options, name);
    await options.store.addImage(name, target);
    return { name, digest: top.descriptor.digest, upToDate: false, image: await options.store.resolve(name, platformOption(options)) };
  } finally {
    await lease.release();
  }
}

const platformOption = ({ platform }: PullOptions): { readonly platform?: Platform } => (platform === undefined || platform === 'all' ? {} : { platform });

/** Asks for the tag's digest only, where the store has an image of that name and platform. */
async function alreadyThere(client: RepositoryClient, { digest, tag }: Reference, name: string, options: PullOptions): Promise<PullResult | undefined> {
  if (options.platform === 'all') return undefined;
  const image = (await options.store.list()).find((found) => found.name === name);
  if (image === undefined) return undefined;
  const current = digest ?? (await headManifest(client, tag ?? 'latest'));
  const source = image.target.annotations?.[SOURCE_DIGEST_ANNOTATION];
  if (current === undefined || (current !== image.target.digest && current !== source)) return undefined;
  const wanted = options.platform ?? ownPlatform();
  if (source !== undefined && choosesOther(image.platform, wanted)) return undefined;
  return (await isWhole(options.store, image)) ? { name, digest: current, upToDate: true, image } : undefined;
}

const choosesOther = (found: Platform, wanted: Platform): boolean => found.os !== wanted.os || found.architecture !== wanted.architecture || (wanted.variant !== undefined && found.variant !== wanted.variant);

async function isWhole(store: ImageStore, { manifest }: StoredImage): Promise<boolean> {
  for (const { digest } of [manifest.config, ...manifest.layers]) if (!(await store.hasBlob(digest))) return false;
  return true;
}

/** Fetches all that is wanted; what index.json is to point to. */
async function fetchTarget(client: RepositoryClient, lease: Lease, top: FetchedManifest, options: PullOptions, name: string): Promise<Descriptor> {
  if (top.manifest.kind === 'index' && options.platform === 'all') {
    for (const child of top.manifest.manifests) await fetchAll(client, lease, await fetchManifest(client, child.digest, child), options);
    await writeManifest(lease, top);
    return top.descriptor;
  }
  let chosen = top;
  for (let depth = 0; chosen.manifest.kind === 'index'; depth += 1) {
    if (depth === INDEX_DEPTH_MAX) throw client.failure(`more than ${String(INDEX_DEPTH_MAX)} indexes inside each other`);
    const child = choosePlatform(chosen.manifest.manifests, options.platform === undefined || options.platform === 'all' ? ownPlatform() : options.platform, name);
    chosen = await fetchManifest(client, child.digest, child);
  }
  const config = await fetchAll(client, lease, chosen, options);
  const platform = chosen.descriptor.platform ?? config;
  return { ...chosen.descriptor, ...(platform === undefined ? {} : { platform }), ...(chosen === top ? {} : { annotations: { [SOURCE_DIGEST_ANNOTATION]: top.descriptor.digest } }) };
}

const writeManifest = (lease: Lease, { bytes, descriptor }: FetchedManifest): Promise<unknown> => lease.writeBlob((async function* (): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
})(), descriptor);

/** A manifest with its configuration and layers. The platform of its configuration. */
async function fetchAll(client: RepositoryClient, lease: Lease, fetched: FetchedManifest, options: PullOptions): Promise<Platform | undefined> {
  const { manifest } = fetched;
  if (manifest.kind === 'index') {
    for (const child of manifest.manifests) await fetchAll(client, lease, await fetchManifest(client, child.digest, child), options);
    await writeManifest(lease, fetched);
    return undefined;
  }
  if (manifest.layers.length > LAYERS_MAX) throw client.failure(`the image has ${String(manifest.layers.length)} layers, allowed: ${String(LAYERS_MAX)}`);
  await lease.protect([fetched.descriptor.digest, ...[manifest.config, ...manifest.layers].map(({ digest }) => digest)]);
  await download(client, lease, manifest.config, 'config', options);
  const platform = await checkConfig(manifest, options.store);
  const layers = [...new Map(manifest.layers.map((layer) => [layer.digest, layer])).values()];
  for (const layer of layers) options.onProgress?.({ digest: layer.digest, kind: 'layer', state: 'waiting', current: 0, total: layer.size });
  await eachOf(layers, options.parallel ?? 4, (layer) => download(client, lease, layer, 'layer', options));
  // ORDER: the manifest last, so that whoever sees it finds all that it names.
  await writeManifest(lease, fetched);
  return platform;
}

function download(client: RepositoryClient, lease: Lease, descriptor: Descriptor, kind: BlobProgress['kind'], { onProgress }: PullOptions): Promise<void> {
  return downloadBlob(client, lease, descriptor, (state, current) => onProgress?.({ digest: descriptor.digest, kind, state, current, total: descriptor.size }));
}

/** Before the layers are fetched: an image whose parts don't fit together is refused early. Artifacts have other configurations. */
async function checkConfig({ config, layers }: ImageManifest, store: ImageStore): Promise<Platform | undefined> {
  if (!isConfigType(config.mediaType)) return undefined;
  const { rootfs, os, architecture, variant } = parseImageConfig(parseJsonBytes(await store.readDocument(config), `configuration ${config.digest}`));
  if (rootfs.diff_ids.length !== layers.length) {
    const error: BoxError = new Failure({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read configuration ${config.digest}`, detail: `it names ${String(rootfs.diff_ids.length)} layers, the manifest ${String(layers.length)}` });
    throw error;
  }
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}
