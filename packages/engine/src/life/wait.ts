/** `wait`: until a container has ended, whoever launched it. */
import { BoxError, type ExitStatus } from '@tsc-box/model';
import { findContainer } from '../containers/find.ts';
import { settle } from '../containers/remove.ts';
import type { Parts } from '../containers/run.ts';
import type { ContainerState } from '../containers/types.ts';
import { watchFiles } from './logs.ts';

export async function waitForEnd(parts: Parts, nameOrId: string, signal?: AbortSignal): Promise<ExitStatus> {
  const first = findContainer(parts.store, nameOrId);
  const end = await endOf(parts, first, signal);
  settle(parts, end);
  // The end on record tells of an OOM kill too.
  const { exitCode, signal: by, oomKilled } = end.remove ? end : (parts.store.read(end.id) ?? end);
  if (exitCode === undefined) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `wait for the container "${end.name}"`, detail: end.error ?? 'how it ended is not known' });
  return { code: exitCode, ...(by === undefined ? {} : { signal: by }), ...(oomKilled === true ? { oomKilled } : {}) };
}

/** The state in which it has ended. Of one that is removed meanwhile: the last that was seen, with what its exit file said. */
export async function endOf(parts: Parts, first: ContainerState, signal?: AbortSignal): Promise<ContainerState> {
  const { store, directories } = parts;
  if (first.status === 'exited') return first;
  const changes = watchFiles([`${directories.exits}/${first.id}`, store.directoryOf(first.id)], signal);
  try {
    for (;;) {
      const state = store.read(first.id);
      if (state === undefined) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `wait for the container "${first.name}"`, detail: 'it was removed meanwhile' });
      if (state.status === 'exited') return state;
      signal?.throwIfAborted();
      await changes.next();
    }
  } finally {
    changes.close();
  }
}
