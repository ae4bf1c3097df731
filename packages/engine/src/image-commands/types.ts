/** What a caller of `Engine.images()` sees: all that docker's image commands do. */
import type { Descriptor, ImageHistory } from '@tsc-box/model';
import type { BlobProgress, Credentials, LoginResult, PullOptions, PullResult, PushOptions, PushResult, RegistryOptions } from '../registry/index.ts';
import type { GcResult, ImageStore, LoadedImage, LoadOptions, RemovedNames, SaveOptions, StoredImage, StoreProblem } from '../store/index.ts';

export type { BlobProgress, GcResult, ImageStore, LoadedImage, PullResult, PushResult, RemovedNames, StoredImage, StoreProblem };

/** One line of `docker history`, newest first. */
export interface HistoryLine {
  /** The image's id for the newest line; undefined else: layers of an image have no ids of their own. */
  readonly id: string | undefined;
  readonly created: string | undefined;
  readonly createdBy: string;
  /** Bytes of the layer as it lies in the store; 0 for lines without a layer. */
  readonly size: number;
  readonly comment: string;
}

export interface CommitOptions {
  /** Whole reference or short form. Without it the image has an id only. */
  readonly name?: string;
  readonly author?: string;
  readonly message?: string;
  /** Instructions as in a Dockerfile, such as `CMD ["sh"]`. */
  readonly changes?: readonly string[];
  /** ISO 8601. Default: now. */
  readonly created?: string;
  /** Stop the container's processes meanwhile. Default: true. */
  readonly pause?: boolean;
}

export interface ImportCommandOptions {
  readonly name?: string;
  readonly message?: string;
  readonly changes?: readonly string[];
  readonly platform?: string;
  readonly created?: string;
}

export interface MadeImage {
  /** `sha256:…` of the configuration. */
  readonly id: string;
  readonly target: Descriptor;
}

/** A layer of `tsc-box layers`, top first. */
export interface LayerReport {
  /** `rw`: the container's own; `init`: its /etc/hosts and the like; `ro+wh`: of the image, and may hide what is below. */
  readonly role: 'rw' | 'init' | 'ro+wh';
  /** Directory of the unpacked layer. */
  readonly path: string;
  readonly chainId?: string;
  readonly diffId?: string;
  /** Of the blob. */
  readonly digest?: string;
  /** Of the blob, bytes. */
  readonly blobSize?: number;
  readonly createdBy?: string;
  /** Bytes of its files. */
  readonly size: number;
  readonly added: number;
  readonly changed: number;
  readonly deleted: number;
  /** Bytes of its files that layers above hide. */
  readonly wasted: number;
}

/** One layer's part in what a path shows, top first. */
export interface WhyStep {
  /** 0 is the top. */
  readonly layer: number;
  readonly role: LayerReport['role'];
  readonly found: 'file' | 'directory' | 'symlink' | 'other' | 'whiteout' | 'opaque directory';
  /** This is what is seen; merged directories have several. */
  readonly visible: boolean;
  /** Why it is not: path and layer of what hides it. */
  readonly hiddenBy?: { readonly layer: number; readonly path: string; readonly found: string };
}

export interface CopyOptions {
  /** Owners are kept; else all is root's in the container, and the caller's on this machine. */
  readonly archive?: boolean;
  /** A link at the source stands for what it leads to. */
  readonly follow?: boolean;
  readonly onWarning?: (text: string) => void;
}

export interface LayersOptions {
  readonly onProgress?: (text: string) => void;
}

export interface Images {
  readonly store: ImageStore;
  /** Tries the credentials at the registry, and keeps them where docker keeps them. */
  login(registry: string, credentials: Credentials & { readonly kind: 'basic' }, options?: RegistryOptions): Promise<LoginResult>;
  /** Forgets them. Returns where they were; undefined when there were none. */
  logout(registry: string, options?: RegistryOptions): Promise<string | undefined>;
  pull(name: string, options?: Omit<PullOptions, 'store'>): Promise<PullResult>;
  push(name: string, destination?: string, options?: Omit<PushOptions, 'store'>): Promise<PushResult>;
  list(): Promise<StoredImage[]>;
  tag(source: string, name: string): Promise<void>;
  /** @throws BoxError ERR_TSCBOX_STATE where a container uses the image, unless `force` and none runs. */
  remove(name: string, options?: { readonly force?: boolean }): Promise<RemovedNames>;
  /** `path`: a directory or a file. */
  load(path: string, options?: LoadOptions): Promise<LoadedImage[]>;
  loadStream(source: AsyncIterable<Uint8Array>, options?: LoadOptions): Promise<LoadedImage[]>;
  save(names: readonly string[], options?: SaveOptions): AsyncIterable<Uint8Array>;
  /** As docker shows it. */
  inspect(name: string): Promise<Readonly<Record<string, unknown>>>;
  history(name: string): Promise<HistoryLine[]>;
  import(source: AsyncIterable<Uint8Array>, options?: ImportCommandOptions): Promise<MadeImage>;
  /** An image of a container's changes on its image. */
  commit(container: string, options?: CommitOptions): Promise<MadeImage>;
  /** The container's root as a tar. */
  export(container: string): Promise<AsyncIterable<Uint8Array>>;
  /** docker's rules on slashes at the end; relative paths of this machine start at `cwd`, those of the container at its root. */
  copyFrom(container: string, from: string, to: string, cwd: string, options?: CopyOptions): Promise<void>;
  copyTo(container: string, from: string, to: string, cwd: string, options?: CopyOptions): Promise<void>;
  archiveOf(container: string, path: string, options?: CopyOptions): Promise<AsyncIterable<Uint8Array>>;
  extractTo(container: string, source: AsyncIterable<Uint8Array>, directory: string, options?: CopyOptions): Promise<void>;
  /** Of an image or a container, top first. Unpacks the image where needed. */
  layers(name: string, options?: LayersOptions): Promise<LayerReport[]>;
  why(name: string, path: string, options?: LayersOptions): Promise<WhyStep[]>;
  /** Blobs and unpacked layers that nothing needs. `dangling`: before, images without a name; `all`: also named ones that no container was made from. */
  gc(options?: { readonly dryRun?: boolean; readonly dangling?: boolean; readonly all?: boolean }): Promise<GcResult & { readonly images: readonly string[] }>;
  fsck(options?: { readonly repair?: boolean }): Promise<StoreProblem[]>;
}

export type { ImageHistory };
