/** `cp` between a container and this machine: docker's rules, `docker cp` of the docker manual, "Description". */
import { basename, dirname, resolve } from 'node:path';
import { BoxError, UsageError, type TreeArchiver, type TreeIds, type TreeStat, type TreeView } from '@tsc-box/model';
import type { Parts } from '../containers/run.ts';
import type { ContainerState } from '../containers/types.ts';
import { treeOf } from './container-tree.ts';
import type { CopyOptions } from './types.ts';

/** One end of a copy. */
interface End {
  readonly label: string;
  /** The tree and the path in it, for a path of this end. */
  readonly tree: (path: string) => { readonly view: TreeView; readonly path: string; readonly ids: TreeIds | undefined };
  readonly local: boolean;
}

const containerEnd = (state: ContainerState): End => ({ label: `${state.name}:`, tree: (path) => treeOf(state, path.startsWith('/') ? path : `/${path}`), local: false });
const localEnd: End = { label: '', tree: (path) => ({ view: { kind: 'directory', path: '/' }, path, ids: undefined }), local: true };

/** Keeps a slash or "/." at the end, which `resolve` would drop and which means something here. */
function absolute(path: string, cwd: string): string {
  const tail = /(?:\/\.|\/)$/.exec(path)?.[0] ?? '';
  const whole = resolve(cwd, path);
  return whole === '/' ? (tail === '/.' ? '/.' : '/') : `${whole}${tail}`;
}

export async function copyFromContainer(parts: Parts, state: ContainerState, from: string, to: string, cwd: string, options: CopyOptions = {}): Promise<void> {
  return copy(await parts.system.archiver(), containerEnd(state), from, localEnd, absolute(to, cwd), options);
}

export async function copyToContainer(parts: Parts, state: ContainerState, from: string, to: string, cwd: string, options: CopyOptions = {}): Promise<void> {
  requireWritable(state);
  return copy(await parts.system.archiver(), localEnd, absolute(from, cwd), containerEnd(state), to, options);
}

/** As a tar: an object under its own name, a directory's content with `/.`. */
export async function archiveOfContainer(parts: Parts, state: ContainerState, path: string, { follow = false }: CopyOptions = {}): Promise<AsyncIterable<Uint8Array>> {
  const archiver = await parts.system.archiver();
  const end = containerEnd(state);
  lookAt(archiver, end, path, follow);
  const tree = end.tree(path);
  return archiver.pack(tree.view, tree.path, { name: nameFor(path), follow, ...(tree.ids === undefined ? {} : { ids: tree.ids }) });
}

/** A tar into a directory of the container. */
export async function extractToContainer(parts: Parts, state: ContainerState, source: AsyncIterable<Uint8Array>, directory: string, { archive = false, onWarning }: CopyOptions = {}): Promise<void> {
  requireWritable(state);
  const archiver = await parts.system.archiver();
  const tree = containerEnd(state).tree(directory);
  await archiver.unpack(source, tree.view, tree.path, { ...(tree.ids === undefined ? {} : { ids: tree.ids }), ...(archive ? {} : { owner: ROOT }), ...(onWarning === undefined ? {} : { onWarning }) });
}

const ROOT = { uid: 0, gid: 0 };

/** What a container's root was mounted from must stay as it is: the machine's own files are no container's. */
function requireWritable(state: ContainerState): void {
  if (state.status === 'running' || state.root.kind === 'directory' || state.image !== 'host') return;
  if (state.root.overlays.length > 1) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `copy into the container "${state.name}"`, detail: 'it has ended, and its root is put together from several unions', hint: 'copy while it runs' });
}

const nameFor = (path: string): string => (path === '/' || path.endsWith('/.') || path === '.' ? '.' : basename(path));

function lookAt(archiver: TreeArchiver, end: End, path: string, follow: boolean): TreeStat {
  const { view, path: inside } = end.tree(path);
  const mustBeDirectory = /\/\.?$/.test(path);
  const found = archiver.stat(view, inside.replace(/(.)\/+$/, '$1'), { follow: follow || mustBeDirectory });
  const shown = `${end.label}${path}`;
  if (found === undefined) throw new UsageError({ attempted: `copy "${shown}"`, errno: 'ENOENT', detail: 'there is no such file or directory', path });
  if (mustBeDirectory && found.kind !== 'directory') throw new UsageError({ attempted: `copy "${shown}"`, errno: 'ENOTDIR', detail: 'it is no directory', path });
  return found;
}

async function copy(archiver: TreeArchiver, source: End, from: string, target: End, to: string, { archive = false, follow = false, onWarning }: CopyOptions): Promise<void> {
  const found = lookAt(archiver, source, from, follow);
  const { directory, name } = place(archiver, found, from, target, to);
  const tree = source.tree(from);
  const into = target.tree(directory);
  const packed = archiver.pack(tree.view, tree.path.replace(/(.)\/+$/, '$1'), { name, follow: follow || /\/\.?$/.test(from), ...(tree.ids === undefined ? {} : { ids: tree.ids }) });
  await archiver.unpack(packed, into.view, into.path, {
    ...(into.ids === undefined ? {} : { ids: into.ids }), ...(archive && (!target.local || process.geteuid?.() === 0) ? {} : { owner: target.local ? ownOwner() : ROOT }), ...(onWarning === undefined ? {} : { onWarning }),
  });
}

/** Of this machine: files are the caller's anyway, and only root has to say so. */
const ownOwner = (): { readonly uid: number; readonly gid: number } => (process.geteuid?.() === 0 ? { uid: 0, gid: process.getegid?.() ?? 0 } : ROOT);

/** Into which directory, and under which name; `.` for a directory's content. */
function place(archiver: TreeArchiver, source: TreeStat, from: string, target: End, to: string): { readonly directory: string; readonly name: string } {
  const { view, path } = target.tree(to);
  const there = archiver.stat(view, path, { follow: true });
  const fail = (detail: string): UsageError => new UsageError({ attempted: `copy "${from}" to "${target.label}${to}"`, detail });
  const isDirectory = source.kind === 'directory';
  if (there?.kind === 'directory') return { directory: to, name: nameFor(from) };
  if (there !== undefined) {
    if (isDirectory) throw fail('a directory can not take the place of a file');
    if (/\/\.?$/.test(to)) throw fail('the destination is no directory');
    return { directory: dirname(to), name: basename(to) };
  }
  if (!isDirectory && to.endsWith('/')) throw fail('there is no such directory');
  const plain = to.replace(/\/\.?$/, '');
  const parent = dirname(plain);
  const parentTree = target.tree(parent);
  if (archiver.stat(parentTree.view, parentTree.path, { follow: true })?.kind !== 'directory') throw fail(`there is no directory "${parent}"`);
  return { directory: parent, name: basename(plain) };
}
