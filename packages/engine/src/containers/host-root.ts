/**
 * The root of the `host` image: this machine's own, copy-on-write.
 *
 * As root of the machine, `/` itself is the lower directory and each further local file system gets a union of its own.
 * In a user namespace overlayfs refuses a lower directory with mounts below it, since those are locked to it (mount_namespaces(7));
 * so directories on the way to a mount are copied, empty, into a skeleton, and each directory in them without mounts below gets a
 * union. Links and small files in such directories are copied too.
 *
 * The engine's own directory lies below `/` and so can't be a lower directory beside it (overlayfs: ELOOP): hosts, hostname and
 * resolv.conf are mounted as single files.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, type Stats } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { UnsupportedError, type OverlayRoot, type SpecMount } from '@tsc-box/model';
import { ETC_NAMES, type EtcName } from './etc-files.ts';
import { FRESH, isBelow, type HostMount } from './host-mounts.ts';
import type { LayoutEntry, Owner } from './layout.ts';
import { attributesOf, etcMounts, overlayAt, type PlannedRoot, type RootContext } from './root-plan.ts';

/** What the tree of the host asks for, before a container is known. */
export interface HostShape {
  /** Where unions go, parents first. The first is `/`. */
  readonly unions: readonly { readonly at: string; readonly lowerdir: string }[];
  /** Shown as they are, read-only. */
  readonly binds: readonly { readonly path: string; readonly kind: 'file' | 'directory' }[];
  /** Entries of the skeleton, paths relative to it: only in a user namespace. */
  readonly skeleton: readonly LayoutEntry[];
  readonly warnings: readonly string[];
}

/**
 * For an ordinary user: overlayfs can copy nothing up through a directory whose owner the user namespace does not know (EOVERFLOW), such
 * as /home, which is root's. So the user's own directories get unions of their own: the topmost one on the way to each of `paths`.
 */
export function withOwnUnions(shape: HostShape, uid: number, paths: readonly string[]): HostShape {
  const unions = [...shape.unions];
  for (const path of paths) {
    const own = topmostOwn(path, uid);
    if (own === undefined || unions.some(({ at }) => at === own || isBelow(at, own)) || FRESH.some((fresh) => isBelow(own, fresh))) continue;
    // It must be seen in one of them: what lies elsewhere is not shown, or only to be read.
    if (unions.some(({ at }) => at !== '/' && isBelow(own, at)) && !shape.binds.some((bind) => own === bind.path || isBelow(own, bind.path))) unions.push({ at: own, lowerdir: own });
  }
  return unions.length === shape.unions.length ? shape : { ...shape, unions };
}

function topmostOwn(path: string, uid: number): string | undefined {
  let real: string;
  try {
    real = realpathSync(path);
  } catch {
    return undefined;
  }
  const parts = real.split('/').slice(1);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`).find((above) => {
    const stat = lstatQuietly(above);
    return stat?.isDirectory() === true && stat.uid === uid;
  });
}

export function planHostRoot(context: RootContext, shape: HostShape, skeletonPath: string | undefined): PlannedRoot {
  const layout: LayoutEntry[] = [];
  const overlays: OverlayRoot[] = shape.unions.map(({ at, lowerdir }, index) => {
    const made = overlayAt(context, at, [index === 0 && skeletonPath !== undefined ? skeletonPath : lowerdir], index, attributesOf(context, lowerdir));
    layout.push(...made.layout);
    return made.overlay;
  });
  const etc = etcMounts(context, ETC_NAMES.map((name) => [name, placeOf(name)]));
  return {
    root: { kind: 'overlay', mountpoint: context.mountpoint, overlays },
    layout: [...layout, ...etc.layout],
    first: shape.binds.map(({ path }): SpecMount => ({ destination: path, type: 'bind', source: path, options: ['rbind', 'ro', 'rprivate'] })),
    last: etc.last,
    sources: { ...Object.fromEntries(shape.binds.map(({ path, kind }) => [path, kind] as const)), ...etc.sources },
    warnings: shape.warnings,
  };
}

const LINKS_MAX = 40;

/** /etc/resolv.conf is often a link into /run, which is fresh and empty: then the file goes where the link leads. */
function placeOf(name: EtcName): string {
  let place = `/etc/${name}`;
  for (let links = 0; links < LINKS_MAX; links += 1) {
    let target: string;
    try {
      target = readlinkSync(place);
    } catch {
      return place;
    }
    place = resolve(dirname(place), target);
  }
  return `/etc/${name}`;
}

/** For root: no directory is read. */
export function shapeForRoot(mounts: readonly HostMount[]): HostShape {
  // What was unmounted since the list was read is not there any more.
  const unions = mounts.filter(({ use, mountpoint }) => use === 'overlay' && mountpoint !== '/' && lstatQuietly(mountpoint) !== undefined).map(({ mountpoint }) => ({ at: mountpoint, lowerdir: mountpoint }));
  return { unions: [{ at: '/', lowerdir: '/' }, ...unions], binds: bindsOf(mounts), skeleton: [], warnings: [] };
}

function bindsOf(mounts: readonly HostMount[]): HostShape['binds'] {
  return mounts.filter(({ use }) => use === 'bind').map(({ mountpoint }) => ({ path: mountpoint, kind: lstatSync(mountpoint, { throwIfNoEntry: false })?.isDirectory() === false ? 'file' : 'directory' }));
}

/** Each is a mount: the kernel's own limit on mounts is far off, patience is not. */
const UNIONS_MAX = 256;
/** Bytes of files copied into the skeleton: of one, and of all. */
const FILE_MAX = 2 ** 20;
const FILES_MAX = 16 * 2 ** 20;

interface Walk {
  readonly mounts: readonly HostMount[];
  readonly owner: Owner | undefined;
  readonly unions: { at: string; lowerdir: string }[];
  readonly binds: { path: string; kind: 'file' | 'directory' }[];
  readonly skeleton: LayoutEntry[];
  readonly left: string[];
  copied: number;
}

/** For a user namespace. Only directories that hold mounts are read, and small ones to see whether they are empty. */
export function shapeForUserNamespace(mounts: readonly HostMount[], owner: Owner | undefined): HostShape {
  const walk: Walk = { mounts, owner, unions: [{ at: '/', lowerdir: '/' }], binds: [], skeleton: [], left: [], copied: 0 };
  descend(walk, '/');
  if (walk.unions.length > UNIONS_MAX) {
    throw new UnsupportedError({
      attempted: 'show the root of this machine in a user namespace', detail: `its mounts lie among so many directories that ${walk.unions.length} unions are needed, allowed: ${UNIONS_MAX}`,
      hint: 'run as root, or use another image',
    });
  }
  const warnings = walk.left.length === 0 ? [] : [`not shown in the container, as they lie beside mounts and are large: ${walk.left.slice(0, 5).join(', ')}${walk.left.length > 5 ? ` and ${walk.left.length - 5} more` : ''}`];
  return { unions: walk.unions, binds: walk.binds, skeleton: walk.skeleton, warnings };
}

function descend(walk: Walk, directory: string): void {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    return; // What this user can't read it can't see in the container either.
  }
  for (const name of names.sort()) visit(walk, directory === '/' ? `/${name}` : `${directory}/${name}`);
}

function visit(walk: Walk, path: string): void {
  const stat = lstatQuietly(path);
  if (stat === undefined) return;
  const mount = walk.mounts.find(({ mountpoint }) => mountpoint === path);
  if (stat.isSymbolicLink()) walk.skeleton.push({ kind: 'symlink', path, target: readlinkSync(path) });
  else if (stat.isDirectory()) visitDirectory(walk, path, stat, mount);
  else if (stat.isFile()) visitFile(walk, path, stat, mount);
}

function visitDirectory(walk: Walk, path: string, stat: Stats, mount: HostMount | undefined): void {
  const closed = mount?.use === 'hidden' || mount?.use === 'bind' || FRESH.includes(path);
  const descends = !closed && walk.mounts.some(({ mountpoint }) => isBelow(mountpoint, path));
  // What is copied into it must find it writable.
  walk.skeleton.push({ kind: 'directory', path, mode: (stat.mode & 0o7777) | (descends ? 0o700 : 0), owner: walk.owner });
  if (mount?.use === 'bind') walk.binds.push({ path, kind: 'directory' });
  else if (descends) descend(walk, path);
  else if (!closed && !isEmpty(path, stat)) walk.unions.push({ at: path, lowerdir: path });
}

/** A union over an empty directory shows nothing more than the skeleton's own. Directories with subdirectories have more links (or 1: btrfs). */
function isEmpty(path: string, stat: Stats): boolean {
  if (stat.nlink > 2) return false;
  try {
    return readdirSync(path).length === 0;
  } catch {
    return false;
  }
}

function visitFile(walk: Walk, path: string, stat: Stats, mount: HostMount | undefined): void {
  if (mount !== undefined) {
    walk.skeleton.push({ kind: 'file', path, mode: stat.mode & 0o777, data: '', owner: walk.owner });
    if (mount.use === 'bind') walk.binds.push({ path, kind: 'file' });
    return;
  }
  if (stat.size > FILE_MAX || walk.copied + stat.size > FILES_MAX) {
    walk.left.push(path);
    return;
  }
  try {
    walk.skeleton.push({ kind: 'file', path, mode: stat.mode & 0o777, data: readFileSync(path), owner: walk.owner });
    walk.copied += stat.size;
  } catch {
    return; // Unreadable for this user, as it would be in the container.
  }
}

function lstatQuietly(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}
