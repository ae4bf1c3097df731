/** What a container changed, over all the unions its root is made of. */
import { BoxError, type Change, type OverlayRoot, type System } from '@tsc-box/model';
import type { ContainerState } from './types.ts';

/** @throws BoxError ERR_TSCBOX_STATE for a container on a plain directory. */
export function diffContainer(system: System, state: ContainerState): Change[] {
  if (state.root.kind === 'directory') {
    throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `show the changes of "${state.name}"`, detail: `it runs on the directory "${state.root.path}" itself, not on layers: there is nothing to compare with`, path: state.root.path });
  }
  const changes = new Map<string, Change>();
  for (const overlay of state.root.overlays) {
    const found = diffOverlay(system, overlay);
    if (found.length > 0) for (const path of parentsOf(overlay.at)) if (!changes.has(path)) changes.set(path, { kind: 'C', path });
    for (const change of found) changes.set(change.path, change);
  }
  return [...changes.values()].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

function diffOverlay(system: System, { at, upperdir, lowerdirs }: OverlayRoot): Change[] {
  const prefix = at === '/' ? '' : at;
  try {
    return system.diffLayers(upperdir, lowerdirs).map(({ kind, path }) => ({ kind, path: `${prefix}${path}` }));
  } catch (error) {
    if (!(error instanceof BoxError) || error.errno !== 'EACCES' || system.facts().privileged) throw error;
    throw new BoxError({
      code: 'ERR_TSCBOX_STATE', attempted: 'read what the container changed', errno: error.errno, path: error.path, detail: `uid ${system.facts().uid} may not read ${error.path === undefined ? 'a directory' : `"${error.path}"`}`,
      reason: 'the container closed it, or gave it to another of its users', cause: error,
    });
  }
}

/** A change in a directory changes it, and those above it: `/home/a` → `/home`, `/home/a`. The root is never listed. */
function parentsOf(at: string): string[] {
  const parts = at.split('/').filter((part) => part !== '');
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
}
