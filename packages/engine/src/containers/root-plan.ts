/** What kinds of root there are, and those that need no thought: a directory, and the layers of an image. */
import { lstatSync } from 'node:fs';
import type { OverlayRoot, RootPlan, SpecMount } from '@tsc-box/model';
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

/** `index`: number of the pair in the container's directory. `attributesOf`: the directory whose mode and owner the union's top gets. */
export function overlayAt(context: RootContext, at: string, lowerdirs: readonly string[], index: number, attributesOf: string = lowerdirs[0] ?? '/'): { readonly overlay: OverlayRoot; readonly layout: readonly LayoutEntry[] } {
  const suffix = index === 0 ? '' : String(index);
  const [upperdir, workdir] = [`${context.directory}/upper${suffix}`, `${context.directory}/work${suffix}`];
  return {
    overlay: { at, lowerdirs, upperdir, workdir },
    layout: [upperDirectory(context, upperdir, attributesOf), { kind: 'directory', path: workdir, mode: 0o700, owner: context.owner }],
  };
}

/** The top directory of a union has the attributes of its upper directory: those of the lower one are given to it. */
function upperDirectory(context: RootContext, path: string, lower: string): LayoutEntry {
  const { mode, uid, gid } = lstatSync(lower);
  if (context.userns) return { kind: 'directory', path, mode: mode & 0o7777, owner: context.owner };
  return { kind: 'directory', path, mode: mode & 0o7777, owner: uid === process.geteuid?.() && gid === process.getegid?.() ? undefined : { uid, gid } };
}

/** `--rootfs` and `--bundle`: the directory as it lies. Its own files are covered only where they are there already. */
export function planDirectoryRoot(context: RootContext, path: string, always: readonly string[]): PlannedRoot {
  const root: RootPlan = { kind: 'directory', path };
  if (context.etc === undefined) return { root, layout: [], first: [], last: [], sources: {}, warnings: [] };
  const names = ETC_NAMES.filter((name) => always.includes(name) || lstatSync(`${path}/etc/${name}`, { throwIfNoEntry: false })?.isFile() === true);
  return { root, first: [], ...etcMounts(context, names.map((name) => [name, `/etc/${name}`])), warnings: [] };
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

/** An image's layers, top first, under an init layer: never part of a diff or a commit. */
export function planLayersRoot(context: RootContext, layers: readonly string[]): PlannedRoot {
  const init = `${context.directory}/init`;
  const { overlay, layout } = overlayAt(context, '/', [init, ...layers], 0);
  const top = lstatSync(layers[0] ?? '/');
  const owner = context.userns ? context.owner : ownerOf(top);
  const entries: LayoutEntry[] = [{ kind: 'directory', path: init, mode: layers.length === 0 ? 0o755 : top.mode & 0o7777, owner }];
  for (const name of MOUNT_POINTS) if (replaceable(layers, name)) entries.push({ kind: 'directory', path: `${init}/${name}`, mode: 0o755, owner: context.owner });
  if (replaceable(layers, 'etc')) entries.push(...initEtc(context, `${init}/etc`, layers));
  const [upper, work] = layout;
  const uppers: LayoutEntry[] = upper?.kind === 'directory' && work !== undefined ? [{ ...upper, mode: layers.length === 0 ? 0o755 : top.mode & 0o7777, owner }, work] : [];
  return { root: { kind: 'overlay', mountpoint: context.mountpoint, overlays: [overlay] }, layout: [...entries, ...uppers], first: [], last: [], sources: {}, warnings: [] };
}

const ownerOf = ({ uid, gid }: Owner): Owner | undefined => (uid === process.geteuid?.() && gid === process.getegid?.() ? undefined : { uid, gid });

/** The topmost layer that has the name decides what it is. A link or a file of the image stays. */
function topmost(layers: readonly string[], name: string): ReturnType<typeof lstatSync> {
  for (const layer of layers) {
    const stat = lstatSync(`${layer}/${name}`, { throwIfNoEntry: false });
    if (stat !== undefined) return stat;
  }
  return undefined;
}

function replaceable(layers: readonly string[], name: string): boolean {
  const stat = topmost(layers, name);
  return stat === undefined || stat.isDirectory() || stat.isCharacterDevice();
}

/** ORDER of a union: the init layer's directory gives /etc its attributes, so it gets those of the image's. */
function initEtc(context: RootContext, path: string, layers: readonly string[]): LayoutEntry[] {
  const image = topmost(layers, 'etc');
  const known = image?.isDirectory() === true ? image : undefined;
  const owner = context.userns || known === undefined ? context.owner : ownerOf({ uid: Number(known.uid), gid: Number(known.gid) });
  const files = ETC_NAMES.map((name): LayoutEntry => ({ kind: 'file', path: `${path}/${name}`, mode: 0o644, data: context.etc?.[name] ?? '', owner: context.owner }));
  return [{ kind: 'directory', path, mode: known === undefined ? 0o755 : Number(known.mode) & 0o7777, owner }, ...files, { kind: 'symlink', path: `${path}/mtab`, target: '/proc/mounts' }];
}
