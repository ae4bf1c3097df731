/** `apply`: what a container changed in its copy of this machine is done to the machine itself. */
import { BoxError, cleanPath, isWithin, UnsupportedError, UsageError, type AppliedChange, type System } from '@tsc-box/model';
import { diffContainer } from './diff.ts';
import type { ApplyRequest, ContainerState } from './types.ts';

/**
 * @throws BoxError ERR_TSCBOX_STATE while it runs; UnsupportedError for another image than `host`; UsageError for a path that it did not change
 */
export async function applyContainer(system: System, state: ContainerState, { paths, ...options }: ApplyRequest): Promise<AppliedChange[]> {
  const attempted = `apply the changes of "${state.name}"`;
  if (state.status === 'running') throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted, detail: 'it runs', hint: `wait for its end, or: tsc-box stop ${state.name}` });
  if (state.image !== 'host' || state.root.kind !== 'overlay') throw new UnsupportedError({ attempted, detail: `its image is "${state.image}", allowed: host`, reason: 'only that shows files of this machine', hint: 'tsc-box cp copies files out of any container' });
  if (state.idMaps !== undefined && system.facts().privileged && !state.rootless) throw new UnsupportedError({ attempted, reason: 'its files belong to users of its own user namespace, who are nobody on this machine', hint: 'run it without --userns' });
  const chosen = paths?.map((path) => chosenPath(attempted, path));
  checkChosen(attempted, chosen, system, state);
  const archiver = await system.archiver();
  const since = Date.parse(state.createdAt);
  const results: AppliedChange[] = [];
  for (const { at, upperdir } of state.root.overlays) {
    results.push(...(await archiver.apply({ target: at, upperdir }, { ...options, since, ...(chosen === undefined ? {} : { paths: chosen }) })));
  }
  return results.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

function chosenPath(attempted: string, path: string): string {
  if (!path.startsWith('/')) throw new UsageError({ attempted, detail: `found the path "${path}", allowed: absolute paths` });
  return cleanPath(path);
}

function checkChosen(attempted: string, chosen: readonly string[] | undefined, system: System, state: ContainerState): void {
  if (chosen === undefined) return;
  const changed = diffContainer(system, state);
  const missing = chosen.find((path) => !changed.some((change) => isWithin(change.path, path)));
  if (missing !== undefined) throw new UsageError({ attempted, detail: `nothing was changed at "${missing}"`, path: missing, hint: `tsc-box diff ${state.name} lists what was` });
}
