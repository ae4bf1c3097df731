/** The image of a `run`: from the store, and pulled where it is not there. */
import { BoxError, familiarReference, parsePlatform, parseReference, UsageError, type LayerExtractor } from '@tsc-box/model';
import type { PullPolicy } from '../containers/types.ts';
import type { LayerProgress } from '../images/index.ts';
import { openStoreImage, type ImageStore, type OpenStoreImage } from '../store/index.ts';
import type { BlobProgress } from '../registry/index.ts';

export interface RunImageOptions {
  readonly store: ImageStore;
  readonly layersRoot: string;
  readonly extractor: LayerExtractor;
  /** Default: `missing`, as docker has it. */
  readonly pull?: PullPolicy;
  readonly platform?: string;
  readonly plainHttp?: readonly string[];
  readonly onProgress?: (text: string) => void;
  readonly onBlob?: (progress: BlobProgress) => void;
  readonly onWarning?: (text: string) => void;
}

/** @throws BoxError ERR_TSCBOX_IMAGE_NOT_FOUND with `never`; what pulling throws otherwise. */
export async function openRunImage(text: string, options: RunImageOptions): Promise<OpenStoreImage> {
  const { store, layersRoot, extractor, pull = 'missing', onProgress, onWarning } = options;
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const open = async (): Promise<OpenStoreImage> => {
    const image = await openStoreImage(store, text, { layersRoot, extractor, ...(options.onBlob === undefined ? {} : { onBytes: unpackingOf(options.onBlob) }), ...(platform === undefined ? {} : { platform }), ...(onProgress === undefined ? {} : { onProgress }), ...(onWarning === undefined ? {} : { onWarning }) });
    if (platform === undefined || platform.architecture === image.image.platform.architecture) return image;
    await image.release();
    throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', attempted: `find image ${JSON.stringify(text)}`, detail: `the store has it for ${image.image.platform.os}/${image.image.platform.architecture}, asked for: ${options.platform ?? ''}` });
  };
  if (pull !== 'always') {
    try {
      return await open();
    } catch (error) {
      if (pull === 'never' || !isMissing(error)) throw error;
    }
  }
  const reference = pullable(text);
  onProgress?.(`image ${reference} is not in the store: pulling it`);
  const { pullImage } = await import('../registry/index.ts');
  await pullImage(text, { store, ...(platform === undefined ? {} : { platform }), ...(options.plainHttp === undefined ? {} : { plainHttp: options.plainHttp }), ...(options.onBlob === undefined ? {} : { onProgress: options.onBlob }), ...(onWarning === undefined ? {} : { onWarning }) });
  return open();
}

/** Layers are told by their number: while it is unpacked, an image is one. */
function unpackingOf(onBlob: (progress: BlobProgress) => void): (progress: LayerProgress) => void {
  return ({ layer, layers, bytes, totalBytes }) => onBlob({ digest: `layer ${String(layer)} of ${String(layers)}`, kind: 'layer', state: bytes < totalBytes ? 'unpacking' : 'unpacked', current: bytes, total: totalBytes });
}

/** @throws where the text is no reference, so that nothing is asked of a registry. */
function pullable(text: string): string {
  if (text.startsWith('sha256:')) throw new UsageError({ attempted: `run image ${JSON.stringify(text)}`, detail: 'no image of the store has that id, and an id can not be pulled' });
  return familiarReference(parseReference(text));
}

const isMissing = (error: unknown): boolean => error instanceof BoxError && error.code === 'ERR_TSCBOX_IMAGE_NOT_FOUND';
