/** How the engine asks a System to unpack a layer. */

export interface ExtractLimits {
  /** Bytes of file data that a layer may write, holes not counted. */
  readonly outputBytes: number;
  /** Size of one file, holes counted. */
  readonly fileBytes: number;
  readonly entries: number;
  /** Components of one path. */
  readonly depth: number;
}

export const DEFAULT_EXTRACT_LIMITS: ExtractLimits = { outputBytes: 64 * 2 ** 30, fileBytes: 2 ** 42, entries: 2_000_000, depth: 1024 };

export interface ExtractOptions {
  /** Directories of the layers below, top first. Whiteouts, implied parents and hard links depend on them. */
  readonly lowerdirs?: readonly string[];
  readonly limits?: Partial<ExtractLimits>;
  /** Called once per kind of thing that could not be kept, such as devices without privileges. */
  readonly onWarning?: (message: string) => void;
  /** Write everything to disk before it returns, so that a crash after a rename leaves no half layer. */
  readonly sync?: boolean;
}

export interface LayerExtractor {
  /** Unpacks an uncompressed layer tar into `directory`, which is empty, in the form that overlayfs mounts. */
  extract(stream: AsyncIterable<Uint8Array>, directory: string, options: ExtractOptions): Promise<void>;
}
