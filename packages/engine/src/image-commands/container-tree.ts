/** A container's files, whether it runs or not, as a System can read and write them. */
import { BoxError, type TreeIds, type TreeView } from '@tsc-box/model';
import type { Parts } from '../containers/run.ts';
import type { ContainerState } from '../containers/types.ts';

export interface ContainerTree {
  readonly view: TreeView;
  /** In the view. */
  readonly path: string;
  readonly ids: TreeIds | undefined;
}

export const idsOf = ({ idMaps }: ContainerState): TreeIds | undefined => idMaps;

/** A running container is seen with its mounts, as docker's `cp` does; one that has ended as its layers. */
export function treeOf(state: ContainerState, path: string): ContainerTree {
  const ids = idsOf(state);
  if (state.status === 'created') throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `look into the container "${state.name}"`, detail: 'it is being started' });
  // Ids of a process's files are seen as the host has them, from outside its namespace.
  if (state.status === 'running' && state.pid !== undefined && state.startTime !== undefined) return { view: { kind: 'process', pid: state.pid, startTime: state.startTime }, path, ids };
  if (state.root.kind === 'directory') return { view: { kind: 'directory', path: state.root.path }, path, ids };
  const clean = normalize(path);
  const overlays = [...state.root.overlays].sort((a, b) => b.at.length - a.at.length);
  const overlay = overlays.find(({ at }) => at === '/' || clean === at || clean.startsWith(`${at}/`));
  if (overlay === undefined) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `look into the container "${state.name}"`, detail: `none of its unions holds "${path}"` });
  const below = overlay.at === '/' ? path : `${clean.slice(overlay.at.length)}${/\/\.?$/.exec(path)?.[0] ?? ''}`;
  return { view: { kind: 'layers', layers: [overlay.upperdir, ...overlay.lowerdirs] }, path: below, ids };
}

function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** Runs `work` while the container's processes stand still, if it has any. */
export async function whilePaused<T>({ system }: Parts, state: ContainerState, pause: boolean, work: () => Promise<T>): Promise<T> {
  if (!pause || state.status !== 'running' || state.cgroupPath === undefined) return work();
  let thaw: () => void;
  try {
    thaw = (await system.archiver()).freeze(state.cgroupPath);
  } catch (error) {
    throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `pause the container "${state.name}"`, detail: error instanceof Error ? error.message : String(error), hint: 'use --pause=false, and take care that nothing is written meanwhile', cause: error });
  }
  try {
    return await work();
  } finally {
    thaw();
  }
}
