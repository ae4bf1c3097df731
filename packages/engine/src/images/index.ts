/** Images: where they come from, and their layers as directories. */
export { parseSource, type ImageSource } from './source.ts';
export { openImage, type LayerProgress, type OpenImage, type OpenImageOptions } from './open-image.ts';
export { formatPlatform, ownPlatform, type Platform } from './platform.ts';
export { sweepLayers } from './layer-store.ts';
