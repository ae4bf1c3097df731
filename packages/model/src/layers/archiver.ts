/** How the engine asks a System to read and write trees of files: commit, export, cp, and what layers hold. Paths are text. */

/** A tree, with everything resolved inside it: no link leads out. */
export type TreeView =
  /** As a union of these directories shows it, top first. Written to the first one, which no mount may use meanwhile. */
  | { readonly kind: 'layers'; readonly layers: readonly string[] }
  /** As a running process sees it. */
  | { readonly kind: 'process'; readonly pid: number; readonly startTime: number }
  | { readonly kind: 'directory'; readonly path: string };

export interface IdRangeMap {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

/** Ids of a user namespace. Archives have those inside. */
export interface TreeIds {
  readonly uids: readonly IdRangeMap[];
  readonly gids: readonly IdRangeMap[];
}

export interface TreeStat {
  readonly kind: 'file' | 'directory' | 'symlink' | 'other';
}

export interface PackOptions {
  readonly ids?: TreeIds;
}

export interface PackTreeOptions extends PackOptions {
  /** What the object is called in the archive; `.`: a directory's content. */
  readonly name: string;
  /** A link stands for what it leads to. */
  readonly follow?: boolean;
}

export interface UnpackOptions {
  readonly ids?: TreeIds;
  /** All is given to this owner (of inside), in place of the archive's. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly onWarning?: (text: string) => void;
}

/** What one layer holds. */
export interface LayerUsage {
  /** Bytes of its files, each inode once. */
  readonly size: number;
  /** Bytes of its files that layers above hide. */
  readonly wasted: number;
}

export interface LayerTrace {
  readonly found: 'file' | 'directory' | 'symlink' | 'other' | 'whiteout' | 'opaque directory' | undefined;
  readonly visible: boolean;
  readonly hiddenBy?: { readonly layer: number; readonly path: string; readonly found: string };
}

/** A directory of this machine, and what an overlay's upper directory changed in it. */
export interface ChangedTree {
  readonly upperdir: string;
  /** Absolute: the directory that was the lower one, and the path under which results name it. */
  readonly target: string;
}

export interface ApplyOptions {
  /** Milliseconds since 1970: what changed on this machine after it is a conflict. */
  readonly since: number;
  /** Only these, with all below them: absolute, of this machine. Default: all. */
  readonly paths?: readonly string[];
  /** Conflicts too: what was changed meanwhile is overwritten. */
  readonly force?: boolean;
  /** Only tell. */
  readonly dryRun?: boolean;
  readonly onWarning?: (text: string) => void;
}

/** What became of one change. */
export interface AppliedChange {
  readonly path: string;
  readonly outcome: 'applied' | 'conflict' | 'failed';
  /** Of a conflict or a failure. */
  readonly reason?: string;
}

export interface TreeArchiver {
  /**
   * Changes the machine's directory as the upper directory says: each file at once by a rename, with owner, mode, times, links and extended
   * attributes, never through a link. Conflicts are found before anything is written. What can't be done is told and does not keep the rest.
   */
  apply(tree: ChangedTree, options: ApplyOptions): Promise<readonly AppliedChange[]>;
  /** Undefined where nothing is. */
  stat(view: TreeView, path: string, options?: { readonly follow?: boolean }): TreeStat | undefined;
  /**
   * What an overlay's upper directory changes in the layers below it (top first), as a layer archive: rules G1 to G4, K4. All that was copied up
   * is in it, as with docker's overlay2: a file that was changed and got its old size and time back must not be lost.
   * @throws BoxError for names that a layer can't hold.
   */
  packChanges(upperdir: string, lowerdirs: readonly string[], options?: PackOptions): AsyncIterable<Uint8Array>;
  /** @throws BoxError where nothing is at `path`. */
  pack(view: TreeView, path: string, options: PackTreeOptions): AsyncIterable<Uint8Array>;
  /** Into an existing directory. What is there stays unless the archive has it too; a directory is never replaced by something else. */
  unpack(stream: AsyncIterable<Uint8Array>, view: TreeView, directory: string, options?: UnpackOptions): Promise<void>;
  /** Stops all processes of a control group; returns how to let them go on. */
  freeze(cgroupPath: string): () => void;
  /** By layer, top first. */
  usage(layers: readonly string[]): readonly LayerUsage[];
  trace(layers: readonly string[], path: string): readonly LayerTrace[];
}
