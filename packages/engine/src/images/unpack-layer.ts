/** From a layer's blob to its directory, with both digests verified (T12). */
import { BoxError, type ExtractOptions, type LayerExtractor } from '@tsc-box/model';
import { decompress } from './decompress.ts';
import { checkDigest, formatDigest, Meter, type Digest } from './digest.ts';
import { streamRange } from './file-range.ts';
import type { ImageLayer } from './types.ts';

export interface UnpackOptions extends ExtractOptions {
  /** Called with the bytes of the blob that are done. */
  readonly onBytes?: (bytes: number) => void;
}

/** Unpacks into an empty directory. What lies there is only good when nothing was thrown. */
export async function unpackLayer(layer: ImageLayer, directory: string, extractor: LayerExtractor, options: UnpackOptions): Promise<void> {
  const blob = new Meter(layer.digest?.algorithm ?? 'sha256');
  const archive = new Meter(layer.diffId.algorithm);
  const reported = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of streamRange(layer.range)) {
      yield chunk;
      options.onBytes?.(blob.bytes);
    }
  };
  try {
    await extractor.extract(archive.through(decompress(blob.through(reported()))), directory, options);
  } catch (error) {
    if (error instanceof BoxError && error.code === 'ERR_TSCBOX_LAYER_INVALID') await explain(layer);
    throw error;
  }
  checkSize(layer, blob.bytes);
  if (layer.digest !== undefined) checkDigest(`layer ${formatDigest(layer.digest)}`, blob.digest(), layer.digest, layer.range.path);
  checkDigest(`the content of the layer with DiffID ${formatDigest(layer.diffId)}`, archive.digest(), layer.diffId, layer.range.path);
}

function checkSize({ digest, size, range }: ImageLayer, found: number): void {
  if (found === size) return;
  throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read layer ${describe(digest, range.path)}`, detail: `found ${String(found)} bytes, expected ${String(size)}`, path: range.path });
}

const describe = (digest: Digest | undefined, path: string): string => (digest === undefined ? `of "${path}"` : formatDigest(digest));

/** An archive that can't be read may only be a damaged download: then that is the error. */
async function explain(layer: ImageLayer): Promise<void> {
  if (layer.digest === undefined) return;
  const meter = new Meter(layer.digest.algorithm);
  for await (const _ of meter.through(streamRange(layer.range))) continue;
  checkDigest(`layer ${formatDigest(layer.digest)}`, meter.digest(), layer.digest, layer.range.path);
}
