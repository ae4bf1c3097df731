/** Pushes an image of the store. */
import { BoxError, formatReference, isForeignLayer, parseReference, type Descriptor, type Manifest, type Platform, type Reference } from '@tsc-box/model';
import { parseManifest } from '@tsc-box/model';
import { parseJsonBytes } from '../store/documents.ts';
import type { ImageStore } from '../store/types.ts';
import { openRepository, type RepositoryClient } from './client.ts';
import { endpointOf } from './endpoint.ts';
import { putManifest } from './manifests.ts';
import { connectionOf, type RegistryOptions } from './options.ts';
import { eachOf, type BlobProgress } from './progress.ts';
import { uploadBlob } from './upload.ts';

export interface PushOptions extends RegistryOptions {
  readonly store: ImageStore;
  /** One of an image of several. Default: the index with all of them, where the store has them all. */
  readonly platform?: Platform;
  /** Parallel uploads. Default: 4. */
  readonly parallel?: number;
  readonly onProgress?: (progress: BlobProgress) => void;
}

export interface PushResult {
  readonly name: string;
  readonly digest: string;
}

/** `destination` defaults to the image's own name. @throws RegistryError for what the registry refuses. */
export async function pushImage(source: string, destination: string | undefined, options: PushOptions): Promise<PushResult> {
  const { store } = options;
  const image = await store.resolve(source, options.platform === undefined ? {} : { platform: options.platform });
  const reference = destination === undefined ? image.reference : parseReference(destination);
  if (reference === undefined) throw new BoxError({ code: 'ERR_TSCBOX_REFERENCE_INVALID', attempted: `push ${source}`, detail: `its name ${JSON.stringify(image.name ?? '')} is no reference`, hint: 'say where to, such as registry.example.com/name:tag' });
  if (destination !== undefined && reference.digest !== undefined) throw new BoxError({ code: 'ERR_TSCBOX_REFERENCE_INVALID', attempted: `push to ${destination}`, detail: 'found a digest, allowed: NAME[:TAG]' });
  const lease = await store.lease();
  try {
    const target = options.platform === undefined && (await hasAll(store, image.target)) ? image.target : image.manifestDescriptor;
    const client = openRepository({ ...connectionOf(options), endpoint: endpointOf(reference.registry, options.plainHttp ?? []), repository: reference.repository, attempted: `push ${formatReference(reference)}`, actions: 'pull,push' });
    await lease.protect(await digestsOf(store, target));
    await pushManifest(client, target, reference.tag ?? target.digest, await mountSources(store, reference), options);
    return { name: formatReference(reference), digest: target.digest };
  } finally {
    await lease.release();
  }
}

async function read(store: ImageStore, descriptor: Descriptor): Promise<{ readonly bytes: Uint8Array; readonly manifest: Manifest }> {
  const bytes = await store.readDocument(descriptor);
  return { bytes, manifest: parseManifest(parseJsonBytes(bytes, `manifest ${descriptor.digest}`), descriptor.mediaType) };
}

async function hasAll(store: ImageStore, target: Descriptor): Promise<boolean> {
  if (!(await store.hasBlob(target.digest))) return false;
  const { manifest } = await read(store, target);
  const parts = manifest.kind === 'index' ? manifest.manifests : [manifest.config, ...manifest.layers.filter(({ mediaType }) => !isForeignLayer(mediaType))];
  for (const part of parts) if (!(await (manifest.kind === 'index' ? hasAll(store, part) : store.hasBlob(part.digest)))) return false;
  return true;
}

async function digestsOf(store: ImageStore, target: Descriptor): Promise<string[]> {
  const { manifest } = await read(store, target);
  if (manifest.kind === 'manifest') return [target.digest, manifest.config.digest, ...manifest.layers.map(({ digest }) => digest)];
  return [target.digest, ...(await Promise.all(manifest.manifests.map((child) => digestsOf(store, child)))).flat()];
}

/** Blobs by digest, with the repositories of the same registry that images with them have come from or gone to. */
async function mountSources(store: ImageStore, { registry, repository }: Reference): Promise<ReadonlyMap<string, readonly string[]>> {
  const sources = new Map<string, string[]>();
  for (const { reference, manifest } of await store.list()) {
    if (reference?.registry !== registry || reference.repository === repository) continue;
    for (const { digest } of [manifest.config, ...manifest.layers]) sources.set(digest, [...(sources.get(digest) ?? []), reference.repository]);
  }
  return sources;
}

async function pushManifest(client: RepositoryClient, descriptor: Descriptor, reference: string, mounts: ReadonlyMap<string, readonly string[]>, options: PushOptions): Promise<void> {
  const { bytes, manifest } = await read(options.store, descriptor);
  if (manifest.kind === 'index') for (const child of manifest.manifests) await pushManifest(client, child, child.digest, mounts, options);
  else {
    // What may not be given on stays where its address says (image-spec layer.md, "Non-Distributable Layers").
    const layers = [...new Map(manifest.layers.filter(({ mediaType }) => !isForeignLayer(mediaType)).map((layer) => [layer.digest, layer])).values()];
    const push = (part: Descriptor, kind: BlobProgress['kind']): Promise<void> => uploadBlob(client, options.store, part, mounts.get(part.digest) ?? [], (state, current) => options.onProgress?.({ digest: part.digest, kind, state, current, total: part.size }));
    await eachOf(layers, options.parallel ?? 4, (layer) => push(layer, 'layer'));
    await push(manifest.config, 'config');
  }
  await putManifest(client, reference, bytes, descriptor);
}
