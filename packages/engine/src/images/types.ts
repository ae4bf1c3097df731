/** An image as its parts, wherever they lie. */
import type { ImageConfig } from '@tsc-box/model';
import type { Digest } from './digest.ts';
import type { FileRange } from './file-range.ts';

export interface ImageLayer {
  /** Of the uncompressed archive. */
  readonly diffId: Digest;
  /** Of the blob as it lies, where the image states it. */
  readonly digest: Digest | undefined;
  /** Bytes as it lies. */
  readonly size: number;
  readonly range: FileRange;
}

export interface ReadableImage {
  /** What errors and progress call it. */
  readonly name: string;
  readonly config: ImageConfig;
  /** Bottom first. */
  readonly layers: readonly ImageLayer[];
}
