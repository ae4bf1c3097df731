/** The image store. */
export { openImageStore, type StoreOptions } from './store.ts';
export type { ExpectedBlob, GcOptions, GcResult, ImageStore, Ingest, Lease, RemovedNames, StoredImage, StoreProblem, WrittenBlob } from './types.ts';
