/** What a caller of the image store sees. */
import type { Descriptor, ImageConfig, ImageManifest, Platform, Reference } from '@tsc-box/model';

/** An image of the store, for one platform. */
export interface StoredImage {
  /** As index.json has it: a whole reference, or any name that another tool gave it. */
  readonly name: string | undefined;
  /** Where the name is a reference. */
  readonly reference: Reference | undefined;
  /** What index.json points to: a manifest, or an index of several platforms. */
  readonly target: Descriptor;
  /** Of the one platform. */
  readonly manifestDescriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
  /** Digest of the configuration: what docker calls the image id. */
  readonly id: string;
  readonly platform: Platform;
  /** Of all blobs, as they lie, in bytes. */
  readonly size: number;
}

/** What a blob must turn out to be. */
export interface ExpectedBlob {
  readonly digest?: string;
  /** Bytes. */
  readonly size?: number;
}

export interface WrittenBlob {
  readonly digest: string;
  readonly size: number;
}

/** A blob that is being written in pieces, with gaps in time between them. */
export interface Ingest {
  /** Bytes that are there. More than 0 at the start when an earlier process left its part. */
  readonly offset: number;
  /** @throws BoxError when more comes than expected, or writing fails; what was written stays. */
  append(source: AsyncIterable<Uint8Array>): Promise<void>;
  /** Begins again at 0. */
  restart(): Promise<void>;
  /** Verifies, syncs and makes it visible. @throws BoxError ERR_TSCBOX_DIGEST_MISMATCH; nothing is left then. */
  commit(): Promise<WrittenBlob>;
  /** Leaves it for a later ingest of the same digest. After `commit` it does nothing. */
  suspend(): Promise<void>;
}

/** Keeps blobs and layers from `gc` until they are named by an image or a container. Ends with its process. */
export interface Lease {
  /** Digests of blobs, or `layer:CHAIN-ID`. Only what is protected before it is looked for is safe. */
  protect(names: readonly string[]): Promise<void>;
  /** Writes a blob and protects it. Where it is already there, `source` is not read. */
  writeBlob(source: AsyncIterable<Uint8Array>, expected?: ExpectedBlob): Promise<WrittenBlob>;
  /** Undefined where the blob is already there. */
  ingest(expected: Required<ExpectedBlob>): Promise<Ingest | undefined>;
  /** For a blob whose digest will be known at its end. */
  ingestNew(): Promise<Ingest>;
  release(): Promise<void>;
}

export interface RemovedNames {
  /** Names that are gone. */
  readonly untagged: readonly string[];
  /** Ids of images that have no name left; their blobs go with the next `gc`. */
  readonly deleted: readonly string[];
}

export interface GcOptions {
  /** Where unpacked layers lie. Without it none are removed. */
  readonly layersRoot?: string;
  /** Chain ids (hexadecimal) that containers stand on. */
  readonly layersInUse?: () => Iterable<string>;
  /** How an unpacked layer is removed, where files of other ids need help. Default: as this user. */
  readonly removeLayer?: (path: string) => void;
  /** Milliseconds. Blobs that are younger stay: for stores that other tools write to at the same time. Default: 0. */
  readonly ageMsMin?: number;
  /** Only tell. */
  readonly dryRun?: boolean;
}

export interface GcResult {
  readonly blobs: readonly WrittenBlob[];
  /** Chain ids. */
  readonly layers: readonly string[];
  /** Of the blobs and of parts of downloads. */
  readonly freedBytes: number;
}

export interface StoreProblem {
  readonly kind: 'index' | 'missing' | 'corrupt' | 'size' | 'manifest' | 'name';
  readonly digest?: string;
  /** Images that can't be used because of it. */
  readonly images: readonly string[];
  readonly detail: string;
  readonly repaired: boolean;
}

export interface ImageStore {
  /** Absolute: an OCI image layout. */
  readonly root: string;
  /** In the order of index.json. Entries that can't be read are left out: `fsck` tells of them. */
  list(): Promise<StoredImage[]>;
  /** By name, name and digest, or the beginning of an id. @throws BoxError ERR_TSCBOX_IMAGE_NOT_FOUND */
  resolve(text: string, options?: { readonly platform?: Platform }): Promise<StoredImage>;
  /** Names an image whose blobs are all there, taking the name from another. Without a name it is found by its id. @throws BoxError where a blob is missing. */
  addImage(name: string | undefined, target: Descriptor): Promise<void>;
  /** Gives the image another name too. */
  tag(source: string, name: string): Promise<void>;
  /** By name: that name goes. By id: all its names, if there is one or `force`. @throws BoxError ERR_TSCBOX_STATE */
  remove(text: string, options?: { readonly force?: boolean }): Promise<RemovedNames>;
  hasBlob(digest: string): Promise<boolean>;
  /** Of the bytes as they lie; not verified. */
  readBlob(digest: string): AsyncIterable<Uint8Array>;
  /** Whole, and verified. For manifests and configurations. */
  readDocument(descriptor: Pick<Descriptor, 'digest' | 'size'>): Promise<Uint8Array>;
  blobPath(digest: string): string;
  lease(): Promise<Lease>;
  /** Removes what no image, container or lease needs. */
  gc(options?: GcOptions): Promise<GcResult>;
  /** Verifies every digest. With `repair` damaged blobs are removed, so that a pull fetches them again. */
  fsck(options?: { readonly repair?: boolean }): Promise<StoreProblem[]>;
}
