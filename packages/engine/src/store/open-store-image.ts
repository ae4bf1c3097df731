/** An image of the store as directories that overlayfs can mount. */
import { BoxError, layerCompression } from '@tsc-box/model';
import { chainIds, formatDigest, tryParseDigest, type Digest } from '../images/digest.ts';
import { openLayers, type OpenImage, type OpenImageOptions } from '../images/open-image.ts';
import type { ImageLayer } from '../images/types.ts';
import { LAYER_LEASE } from './names.ts';
import type { ImageStore, StoredImage } from './types.ts';

export interface OpenStoreImage extends OpenImage {
  readonly image: StoredImage;
  /** Lets `gc` have the layers, once a container's record names them. */
  release(): Promise<void>;
}

/** @throws BoxError for images that are missing, damaged or hostile. */
export async function openStoreImage(store: ImageStore, text: string, options: OpenImageOptions): Promise<OpenStoreImage> {
  const image = await store.resolve(text, options.platform === undefined ? {} : { platform: options.platform });
  const name = image.name ?? image.id;
  const layers = image.manifest.layers.map((layer, index): ImageLayer => {
    if (layerCompression(layer.mediaType) === undefined) throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `open image ${JSON.stringify(name)}`, detail: `found a layer of type ${layer.mediaType}, allowed: tar archives, plain, gzip or zstd` });
    return { diffId: digestOf(image.config.rootfs.diff_ids[index], name), digest: digestOf(layer.digest, name), size: layer.size, range: { path: store.blobPath(layer.digest), start: 0 } };
  });
  if (image.config.rootfs.diff_ids.length !== layers.length) throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `open image ${JSON.stringify(name)}`, detail: `its manifest has ${String(layers.length)} layers, its configuration ${String(image.config.rootfs.diff_ids.length)} diff_ids` });
  const lease = await store.lease();
  try {
    await lease.protect([...chainIds(layers.map(({ diffId }) => diffId)).map((id) => `${LAYER_LEASE}${id}`), ...layers.flatMap(({ digest }) => (digest === undefined ? [] : [formatDigest(digest)]))]);
    return { ...(await openLayers({ name, config: image.config, layers }, options)), image, release: () => lease.release() };
  } catch (error) {
    await lease.release();
    throw error;
  }
}

function digestOf(text: string | undefined, name: string): Digest {
  const digest = text === undefined ? undefined : tryParseDigest(text);
  if (digest === undefined) throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `open image ${JSON.stringify(name)}`, detail: `found the digest ${JSON.stringify(text ?? '')}, allowed: sha256: and 64 hexadecimal digits, or sha512: and 128` });
  return digest;
}
