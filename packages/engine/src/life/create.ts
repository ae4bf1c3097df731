/** `create`: a container that is recorded and does not run yet. */
import { checkContainerName, UsageError } from '@tsc-box/model';
import { launchRecord } from '../containers/launch-record.ts';
import { prepare } from '../containers/prepare.ts';
import { abandon, createdRecord, makeFiles, makeVolumeSources, newId, type Parts } from '../containers/run.ts';
import type { ContainerState } from '../containers/types.ts';
import { requireUpperFilesystem } from '../containers/upper-filesystem.ts';
import type { CreateRequest } from './types.ts';

/** @throws UsageError where policies contradict each other; what `run` throws before its launch */
export async function createContainer(parts: Parts, request: CreateRequest): Promise<ContainerState> {
  const { restart } = request;
  if (request.remove === true && restart !== undefined && restart.name !== 'no') throw new UsageError({ attempted: 'read --restart', detail: `found --rm and --restart ${restart.name}, allowed: one of them` });
  const name = request.options.name === undefined ? undefined : checkContainerName(request.options.name);
  const id = newId();
  const prepared = await prepare(parts, request, id);
  try {
    if (prepared.planned.root.kind === 'overlay') requireUpperFilesystem(parts.directories.root, parts.system.facts(), prepared.userns);
    makeVolumeSources(prepared.createDirectories);
    const created = parts.store.create(id, name, (claimed) => ({ ...createdRecord(parts, prepared, request, { id, name: claimed }), detached: true }));
    try {
      makeFiles(parts.directories, parts.store.directoryOf(id), prepared);
      // Also of one that is removed at its end: it starts from this record.
      parts.store.write(id, 'launch', launchRecord(prepared, { interactive: request.options.interactive === true, again: true, runRoot: parts.directories.runRoot }));
      if (restart !== undefined) parts.store.replace(id, 'settings', { restart });
    } catch (error) {
      abandon(parts, created, undefined);
      throw error;
    }
    for (const text of prepared.warnings) request.onWarning?.(text);
    return { ...created, ...(restart === undefined ? {} : { restart }), status: 'created' };
  } finally {
    await prepared.release();
  }
}
