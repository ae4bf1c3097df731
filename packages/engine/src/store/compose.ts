/** New images from parts: layers, a configuration, a manifest. For load, import and commit. */
import { createHash, type Hash } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { MEDIA_TYPES, type Descriptor, type ImageConfig, type ImageManifest } from '@tsc-box/model';
import { decompress } from '../images/decompress.ts';
import type { ImageStore, Lease } from './types.ts';

export interface ComposedLayer {
  readonly descriptor: Descriptor;
  /** Digest of the uncompressed archive. */
  readonly diffId: string;
}

export async function* bytesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

async function* hashed(source: AsyncIterable<Uint8Array>, hash: Hash): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
}

/** `tar` is plain or compressed. gzip is written without time and name, so that the same layer always has the same digest with one zlib. */
export async function addLayer(lease: Lease, tar: AsyncIterable<Uint8Array>, compression: 'gzip' | 'none' = 'gzip'): Promise<ComposedLayer> {
  const hash = createHash('sha256');
  const plain = hashed(decompress(tar), hash);
  const written = await lease.writeBlob(compression === 'none' ? plain : await gzip(plain));
  const mediaType = compression === 'none' ? MEDIA_TYPES.ociLayer : MEDIA_TYPES.ociLayerGzip;
  return { descriptor: { mediaType, ...written }, diffId: `sha256:${hash.digest('hex')}` };
}

async function gzip(source: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const { createGzip } = await import('node:zlib');
  return pipeline(Readable.from(source), createGzip({ chunkSize: 256 << 10 }), () => undefined);
}

/** Writes configuration and manifest. The image gets its name by `store.addImage`, while the lease is held. */
export async function writeImage(lease: Lease, config: ImageConfig | Readonly<Record<string, unknown>>, layers: readonly Descriptor[]): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(config));
  return writeManifest(lease, { mediaType: MEDIA_TYPES.ociConfig, ...(await lease.writeBlob(bytesOf(bytes))) }, layers, config);
}

export async function writeManifest(lease: Lease, config: Descriptor, layers: readonly Descriptor[], { os, architecture, variant }: { readonly os?: unknown; readonly architecture?: unknown; readonly variant?: unknown }): Promise<Descriptor> {
  const manifest: ImageManifest = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers };
  const written = await lease.writeBlob(bytesOf(Buffer.from(JSON.stringify(manifest))));
  const platform = typeof os === 'string' && typeof architecture === 'string' ? { platform: { os, architecture, ...(typeof variant === 'string' && variant !== '' ? { variant } : {}) } } : {};
  return { mediaType: MEDIA_TYPES.ociManifest, ...written, ...platform };
}

export interface ImportOptions {
  /** Whole, as it is kept: `docker.io/library/debian:latest`. */
  readonly name?: string;
  readonly platform: { readonly os: string; readonly architecture: string; readonly variant?: string };
  /** Command, environment and so on. */
  readonly config?: ImageConfig['config'];
  readonly message?: string;
  /** ISO 8601. Left out by default, so that the same archive always gives the same image. */
  readonly created?: string;
}

/** An image of one layer from a root file system as a tar stream, plain or compressed: `docker import`. */
export async function importImage(store: ImageStore, tar: AsyncIterable<Uint8Array>, { name, platform, config, message = 'Imported', created }: ImportOptions): Promise<Descriptor> {
  const lease = await store.lease();
  try {
    const { descriptor, diffId } = await addLayer(lease, tar);
    const time = created === undefined ? {} : { created };
    const image = { ...time, ...platform, ...(config === undefined ? {} : { config }), rootfs: { type: 'layers', diff_ids: [diffId] }, history: [{ ...time, comment: message }] };
    const target = await writeImage(lease, image, [descriptor]);
    await store.addImage(name, target);
    return target;
  } finally {
    await lease.release();
  }
}
