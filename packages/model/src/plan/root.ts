/** How a container's root is put together: what the engine tells the compiler beside the spec. */

/** One overlay mount. Paths are of the host, absolute; `lowerdirs` top first. */
export interface OverlayRoot {
  /** Where inside the container: `/` for the root itself. */
  readonly at: string;
  readonly lowerdirs: readonly string[];
  readonly upperdir: string;
  readonly workdir: string;
}

export type RootPlan =
  /** A directory used as it is, bind-mounted on itself (`--rootfs`, `--bundle`). */
  | { readonly kind: 'directory'; readonly path: string }
  /** A union of layers, mounted at `mountpoint`; the first overlay is `/`, others (other file systems of the host) below it. */
  | { readonly kind: 'overlay'; readonly mountpoint: string; readonly overlays: readonly OverlayRoot[] };
