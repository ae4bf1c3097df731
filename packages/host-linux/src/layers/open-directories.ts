/** O_PATH descriptors of the directories of a layer that is being unpacked: the last few stay open. */
import { closeSync } from 'node:fs';
import { openDirectoryBelow } from './syscalls.unsafe.ts';

const OPEN_MAX = 48;

export class OpenDirectories {
  readonly #root: number;
  /** By path, the least recently used first. */
  readonly #open = new Map<string, number>();

  constructor(root: number) {
    this.#root = root;
  }

  /** Valid until the next call. The kernel refuses a path with a symbolic link in it. */
  at(path: string): number {
    if (path === '') return this.#root;
    const known = this.#open.get(path);
    const fd = known ?? openDirectoryBelow(this.#root, path);
    if (known !== undefined) this.#open.delete(path);
    this.#open.set(path, fd);
    if (this.#open.size > OPEN_MAX) this.#closeOldest();
    return fd;
  }

  /** Before the directory at `path` is removed. */
  forget(path: string): void {
    for (const [open, fd] of this.#open) {
      if (open !== path && !open.startsWith(`${path}/`)) continue;
      closeSync(fd);
      this.#open.delete(open);
    }
  }

  close(): void {
    for (const fd of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  #closeOldest(): void {
    for (const [path, fd] of this.#open) {
      closeSync(fd);
      this.#open.delete(path);
      return;
    }
  }
}

export interface Place {
  readonly parent: string;
  readonly name: string;
}

export function placeOf(path: string): Place {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? { parent: '', name: path } : { parent: path.slice(0, slash), name: path.slice(slash + 1) };
}
