/** Finding a container by what a user types. */
import { BoxError } from '@tsc-box/model';
import type { Store } from './store.ts';
import type { ContainerState } from './types.ts';

/** Newest first. */
export function listContainers(store: Store): ContainerState[] {
  const states = store.ids().map((id) => store.read(id)).filter((state) => state !== undefined);
  return states.sort((a, b) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : 0));
}

/** A name wins over the beginning of an id, as with docker. @throws BoxError ERR_TSCBOX_CONTAINER_NOT_FOUND */
export function findContainer(store: Store, nameOrId: string): ContainerState {
  const exact = /^[0-9a-f]{64}$/.test(nameOrId) ? store.read(nameOrId) : undefined;
  if (exact !== undefined) return exact;
  const all = listContainers(store);
  const named = all.find(({ name }) => name === nameOrId);
  if (named !== undefined) return named;
  const matching = nameOrId === '' ? [] : all.filter(({ id }) => id.startsWith(nameOrId));
  const [only] = matching;
  if (only !== undefined && matching.length === 1) return only;
  const attempted = `find the container "${nameOrId}"`;
  if (matching.length > 1) {
    const found = matching.map(({ id, name }) => `${id.slice(0, 12)} (${name})`).join(', ');
    throw new BoxError({ code: 'ERR_TSCBOX_CONTAINER_NOT_FOUND', attempted, detail: `${matching.length} ids begin so: ${found}`, hint: 'give more of the id, or the name' });
  }
  throw new BoxError({ code: 'ERR_TSCBOX_CONTAINER_NOT_FOUND', attempted, detail: 'no container has that name or id', hint: hintFor(all, nameOrId) });
}

function hintFor(all: readonly ContainerState[], wanted: string): string {
  const [nearest] = all.map(({ name }) => ({ name, distance: editDistance(name, wanted) })).sort((a, b) => a.distance - b.distance);
  if (nearest !== undefined && nearest.distance <= Math.max(1, Math.floor(wanted.length / 3))) return `did you mean "${nearest.name}"? tsc-box ps -a lists all`;
  return all.length === 0 ? 'there are no containers here: another --root, or another user?' : 'tsc-box ps -a lists all';
}

/** Levenshtein's: single characters added, removed or changed. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length] ?? 0;
}
