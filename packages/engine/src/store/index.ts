/** The image store. */
export { openImageStore, type StoreOptions } from './store.ts';
export { loadArchive, loadImages, type LoadedImage, type LoadOptions } from './load.ts';
export { saveImages, type SaveOptions } from './save.ts';
export { addLayer, importImage, writeImage, type ComposedLayer, type ImportOptions } from './compose.ts';
export { openStoreImage, type OpenStoreImage } from './open-store-image.ts';
export type { ExpectedBlob, GcOptions, GcResult, ImageStore, Ingest, Lease, RemovedNames, StoredImage, StoreProblem, WrittenBlob } from './types.ts';
