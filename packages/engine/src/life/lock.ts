/** One at a time starts, stops or removes a container. */
import type { Parts } from '../containers/run.ts';
import { fileLock } from '../store/lock.ts';

export function whileLocked<T>({ directories }: Pick<Parts, 'directories'>, id: string, action: () => Promise<T>): Promise<T> {
  return fileLock(`${directories.locks}/${id}`, { what: `the container ${id.slice(0, 12)}` }).hold(action);
}
