/** `openImage`: an image's configuration, and its layers as directories that overlayfs can mount. */
import { InternalError, type ExtractLimits, type ImageConfig, type LayerExtractor } from '@tsc-box/model';
import { chainIds, formatDigest } from './digest.ts';
import { LayerStore } from './layer-store.ts';
import { ownPlatform, type Platform } from './platform.ts';
import type { ImageSource } from './source.ts';
import type { ReadableImage } from './types.ts';

export interface LayerProgress {
  /** Counted from 1. */
  readonly layer: number;
  readonly layers: number;
  /** Bytes of the layer as it lies in the image. */
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface OpenImageOptions {
  /** Directory of the unpacked layers. Made when missing. */
  readonly layersRoot: string;
  readonly extractor: LayerExtractor;
  /** This machine's when absent. */
  readonly platform?: Platform;
  readonly limits?: Partial<ExtractLimits>;
  /** Once a layer that is not there yet. */
  readonly onProgress?: (text: string) => void;
  readonly onBytes?: (progress: LayerProgress) => void;
  /** What of a layer could not be kept. */
  readonly onWarning?: (text: string) => void;
  /** Layers are written to disk before they appear. True when absent. */
  readonly sync?: boolean;
}

export interface OpenImage {
  /** Undefined for the host's own root. */
  readonly config: ImageConfig | undefined;
  /** Top first. */
  readonly lowerdirs: string[];
  /** Bottom first, `sha256:…`. */
  readonly diffIds: string[];
  /** Bottom first, hexadecimal digits: names of the layers' directories. */
  readonly chainIds: string[];
}

/** Layers that are there already are not read again. @throws BoxError for images that are missing, damaged or hostile. */
export async function openImage(source: ImageSource, options: OpenImageOptions): Promise<OpenImage> {
  if (source.kind === 'host') return { config: undefined, lowerdirs: ['/'], diffIds: [], chainIds: [] };
  if (source.kind === 'oci') return openLayers(await readOci(source.directory, source.tag, options), options);
  return withPlainArchive(source.file, options, async (file) => {
    const { readDockerArchive } = await import('./docker-archive.ts');
    return openLayers(await readDockerArchive(file, source.reference), options);
  });
}

async function readOci(directory: string, tag: string | undefined, options: OpenImageOptions): Promise<ReadableImage> {
  const { readOciLayout } = await import('./oci-layout.ts');
  return readOciLayout(directory, tag, options.platform ?? ownPlatform());
}

/** `docker save | gzip` makes archives that can't be read at will: they are decompressed beside the layers first. */
async function withPlainArchive(file: string, options: OpenImageOptions, use: (file: string) => Promise<OpenImage>): Promise<OpenImage> {
  const { decompressedCopy, isCompressed } = await import('./compressed-archive.ts');
  if (!(await isCompressed(file))) return use(file);
  const store = new LayerStore(options.layersRoot);
  store.prepare();
  options.onProgress?.(`decompressing ${file}`);
  const temporary = store.makeTemporary();
  try {
    return await use(await decompressedCopy(file, temporary));
  } finally {
    store.discard(temporary);
  }
}

export async function openLayers(image: ReadableImage, options: OpenImageOptions): Promise<OpenImage> {
  const store = new LayerStore(options.layersRoot);
  const ids = chainIds(image.layers.map(({ diffId }) => diffId));
  if (!ids.every((id) => store.has(id))) await unpackMissing(image, ids, store, options);
  return { config: image.config, lowerdirs: ids.map((id) => store.pathOf(id)).reverse(), diffIds: image.layers.map(({ diffId }) => formatDigest(diffId)), chainIds: ids };
}

/** Bottom first: what a layer hides depends on those below. Locks are taken in the same order by all, so none waits for another in a ring. */
async function unpackMissing(image: ReadableImage, ids: readonly string[], store: LayerStore, options: OpenImageOptions): Promise<void> {
  store.prepare();
  const below: string[] = [];
  for (const [index, id] of ids.entries()) {
    const unlock = await store.lock(id);
    try {
      if (unlock !== undefined && !store.has(id)) await unpackOne(image, index, id, below, store, options);
    } finally {
      unlock?.();
    }
    below.unshift(store.pathOf(id));
  }
}

async function unpackOne(image: ReadableImage, index: number, id: string, below: readonly string[], store: LayerStore, options: OpenImageOptions): Promise<void> {
  const layer = image.layers[index];
  if (layer === undefined) throw new InternalError('unpack a layer', 'there are more ids than layers');
  const { onBytes, onWarning, limits, sync = true } = options;
  const [number, layers] = [index + 1, image.layers.length];
  options.onProgress?.(`unpacking layer ${String(number)} of ${String(layers)} (${formatBytes(layer.size)})`);
  const { unpackLayer } = await import('./unpack-layer.ts');
  const temporary = store.makeTemporary();
  try {
    await unpackLayer(layer, temporary, options.extractor, {
      lowerdirs: below, sync,
      ...(limits === undefined ? {} : { limits }),
      ...(onWarning === undefined ? {} : { onWarning }),
      ...(onBytes === undefined ? {} : { onBytes: (bytes: number) => onBytes({ layer: number, layers, bytes, totalBytes: layer.size }) }),
    });
    store.publish(temporary, id);
  } catch (error) {
    store.discard(temporary);
    throw error;
  }
}

function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const exponent = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${(bytes / 1024 ** exponent).toFixed(exponent === 0 ? 0 : 1)} ${units[exponent] ?? ''}`;
}
