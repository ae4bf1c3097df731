/** What kinds of root there are, and those that need no thought: a directory, and the layers of an image. */
import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { UnsupportedError, type OverlayRoot, type RootPlan, type SpecMount } from '@tsc-box/model';
import { ETC_NAMES, type EtcFiles } from './etc-files.ts';
import type { LayoutEntry, Owner } from './layout.ts';

/** A root, and what must be made and mounted for it. */
export interface PlannedRoot {
  readonly root: RootPlan;
  readonly layout: readonly LayoutEntry[];
  /** Before the spec's own mounts. */
  readonly first: readonly SpecMount[];
  /** After them. */
  readonly last: readonly SpecMount[];
  /** What the sources of these mounts are. */
  readonly sources: Readonly<Record<string, 'file' | 'directory'>>;
  readonly warnings: readonly string[];
  /** A lower directory shared by containers, to be there before `layout` is made. */
  readonly skeleton?: { readonly path: string; readonly layout: readonly LayoutEntry[] };
}

export interface RootContext {
  /** The container's own directory. */
  readonly directory: string;
  /** Beginning of the names of its files in the run directory, which is in memory on most machines. */
  readonly runFiles: string;
  readonly mountpoint: string;
  /** A user namespace is made: the container's root on the host. Undefined: the launching process itself. */
  readonly owner: Owner | undefined;
  readonly userns: boolean;
  /** Undefined for a bundle, which is run as it is. */
  readonly etc: EtcFiles | undefined;
}

export interface Attributes {
  readonly mode: number;
  /** Undefined: the launching process's own. */
  readonly owner: Owner | undefined;
}

/** Of a directory of the host or of a layer, as the container is to see it. In a user namespace all is given to its root. */
export function attributesOf(context: RootContext, path: string): Attributes {
  const { mode, uid, gid } = lstatSync(path);
  return { mode: mode & 0o7777, owner: context.userns ? context.owner : otherThanOurs({ uid, gid }) };
}

const otherThanOurs = ({ uid, gid }: Owner): Owner | undefined => (uid === process.geteuid?.() && gid === process.getegid?.() ? undefined : { uid, gid });

/** `index`: number of the pair of directories. The top of a union has the attributes of its upper directory, so that gets those of the lower one. */
export function overlayAt(context: RootContext, at: string, lowerdirs: readonly string[], index: number, top: Attributes): { readonly overlay: OverlayRoot; readonly layout: readonly LayoutEntry[] } {
  const suffix = index === 0 ? '' : String(index);
  const [upperdir, workdir] = [`${context.directory}/upper${suffix}`, `${context.directory}/work${suffix}`];
  return {
    overlay: { at, lowerdirs, upperdir, workdir },
    layout: [{ kind: 'directory', path: upperdir, ...top }, { kind: 'directory', path: workdir, mode: 0o700, owner: context.owner }],
  };
}

/** `--rootfs` and `--bundle`: the directory as it lies. Its own files are covered only where they are there already. */
export function planDirectoryRoot(context: RootContext, path: string, always: readonly string[]): PlannedRoot {
  const root: RootPlan = { kind: 'directory', path };
  if (context.etc === undefined) return { root, layout: [], first: [], last: [], sources: {}, warnings: [] };
  const places = ETC_NAMES.map((name) => [name, followLinks(path, `/etc/${name}`)] as const);
  const covered = places.filter(([name, place]) => always.includes(name) || lstatSync(`${path}${place}`, { throwIfNoEntry: false })?.isFile() === true);
  return { root, first: [], ...etcMounts(context, covered), warnings: [] };
}

const LINKS_MAX = 40;

/**
 * Where a file of the root lies when it is a link, as /etc/resolv.conf often is (podman#12667): nothing can be mounted on the link itself.
 * Only names are computed here, none leaving the root; that no directory on the way leads outside is seen to when it is mounted.
 */
function followLinks(root: string, path: string): string {
  let place = path;
  for (let links = 0; links < LINKS_MAX; links += 1) {
    if (lstatSync(`${root}${place}`, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return place;
    place = resolve(dirname(place), readlinkSync(`${root}${place}`));
  }
  return path;
}

/** `/etc/hosts` and the like as files of the run directory, mounted one by one. */
export function etcMounts(context: RootContext, places: readonly (readonly [name: keyof EtcFiles, destination: string])[]): Pick<PlannedRoot, 'layout' | 'last' | 'sources'> {
  const files = places.map(([name, destination]) => ({ path: `${context.runFiles}.${name}`, destination, data: context.etc?.[name] ?? '' }));
  return {
    layout: files.map(({ path, data }): LayoutEntry => ({ kind: 'file', path, mode: 0o644, data, owner: context.owner })),
    last: files.map(({ path, destination }): SpecMount => ({ destination, type: 'bind', source: path, options: ['bind', 'rprivate'] })),
    sources: Object.fromEntries(files.map(({ path }) => [path, 'file'] as const)),
  };
}

/** Directories that every container mounts on: they must not show up in its diff. */
const MOUNT_POINTS = ['dev', 'proc', 'sys'];

/** fs/overlayfs/params.h, OVL_MAX_STACK: lower layers of one mount. */
const LOWER_MAX = 500;

/**
 * An image's layers, top first, under an init layer: never part of a diff or a commit. Where the image leaves no room for one more layer,
 * what would be in it is in the writable layer, and then part of both.
 * @throws UnsupportedError for more layers than overlayfs mounts
 */
export function planLayersRoot(context: RootContext, layers: readonly string[]): PlannedRoot {
  if (layers.length > LOWER_MAX) throw new UnsupportedError({ attempted: 'mount the layers of the image', detail: `it has ${String(layers.length)}, overlayfs takes at most ${String(LOWER_MAX)}`, hint: 'build it with fewer layers, or flatten it: tsc-box export and tsc-box import' });
  const isFull = layers.length === LOWER_MAX;
  const init = `${context.directory}/${isFull ? 'upper' : 'init'}`;
  const top = layers[0] === undefined ? { mode: 0o755, owner: context.owner } : attributesOf(context, layers[0]);
  const { overlay, layout } = overlayAt(context, '/', isFull ? layers : [init, ...layers], 0, top);
  const entries: LayoutEntry[] = [];
  for (const name of MOUNT_POINTS) if (replaceable(layers, name)) entries.push({ kind: 'directory', path: `${init}/${name}`, mode: 0o755, owner: context.owner });
  if (replaceable(layers, 'etc')) entries.push(...initEtc(context, `${init}/etc`, layers));
  const all: LayoutEntry[] = isFull ? [...layout, ...entries] : [{ kind: 'directory', path: init, ...top }, ...entries, ...layout];
  return { root: { kind: 'overlay', mountpoint: context.mountpoint, overlays: [overlay] }, layout: all, first: [], last: [], sources: {}, warnings: [] };
}

/** The topmost layer that has the name decides what it is. */
function topmost(layers: readonly string[], name: string): { readonly path: string; readonly stat: Stats } | undefined {
  for (const layer of layers) {
    const path = `${layer}/${name}`;
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat !== undefined) return { path, stat };
  }
  return undefined;
}

/** A link or a file of the image stays; a whiteout (a character device) is nothing. */
function replaceable(layers: readonly string[], name: string): boolean {
  const found = topmost(layers, name);
  return found === undefined || found.stat.isDirectory() || found.stat.isCharacterDevice();
}

/** The init layer's directory gives /etc its attributes, so it gets those of the image's. */
function initEtc(context: RootContext, path: string, layers: readonly string[]): LayoutEntry[] {
  const image = topmost(layers, 'etc');
  const attributes = image?.stat.isDirectory() === true ? attributesOf(context, image.path) : { mode: 0o755, owner: context.owner };
  const files = ETC_NAMES.map((name): LayoutEntry => ({ kind: 'file', path: `${path}/${name}`, mode: 0o644, data: context.etc?.[name] ?? '', owner: context.owner }));
  return [{ kind: 'directory', path, ...attributes }, ...files, { kind: 'symlink', path: `${path}/mtab`, target: '/proc/mounts' }];
}
