/** Opens what a `TreeView` names, with links resolved inside it. */
import { closeSync, constants, fstatSync, openSync, readlinkSync } from 'node:fs';
import { BoxError, byteStringOf, type TreeView } from '@tsc-box/model';
import { isRunning } from '../launch/process-identity.ts';
import { errnoOf } from './host-errors.ts';
import { openInRoot } from './syscalls.unsafe.ts';
import { UnionDirectory, type UnionEntry } from './union-directory.ts';

const { O_DIRECTORY, O_RDONLY } = constants;
const O_PATH = 0o10000000;
const LINKS_MAX = 40;

/** A directory, or another object in the directory that holds it. The caller closes `directory`. */
export type Opened =
  | { readonly kind: 'directory'; readonly directory: UnionDirectory; /** Below the root of a union of layers, links resolved: a byte string. */ readonly at: string }
  | { readonly kind: 'object'; readonly directory: UnionDirectory; readonly entry: UnionEntry };

/** Undefined where nothing is. */
export function openTree(view: TreeView, path: string, follow: boolean): Opened | undefined {
  const bytes = byteStringOf(path);
  if (view.kind === 'layers') return openInUnion(UnionDirectory.ofPaths(view.layers), bytes, follow);
  const root = openRoot(view);
  try {
    return openLive(root, bytes, follow);
  } finally {
    closeSync(root);
  }
}

function openRoot(view: Exclude<TreeView, { readonly kind: 'layers' }>): number {
  if (view.kind === 'directory') return openSync(view.path, O_PATH | O_DIRECTORY);
  const fail = (errno?: string, cause?: unknown): BoxError => new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `open the root of process ${String(view.pid)}`, detail: errno === undefined ? 'it has ended' : undefined, errno, cause });
  let fd: number;
  try {
    fd = openSync(`/proc/${String(view.pid)}/root`, O_PATH | O_DIRECTORY);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw fail(code === 'ENOENT' ? undefined : code, error);
  }
  // Pids are used again: what was opened is only its root if it still runs now.
  if (isRunning(view.pid, view.startTime)) return fd;
  closeSync(fd);
  throw fail();
}

/** The kernel resolves the path; a component of the last name is only looked at without links. */
function openLive(root: number, path: string, follow: boolean): Opened | undefined {
  const target = tryOpen(root, path, follow);
  if (target === undefined) return undefined;
  const stat = fstatSync(target, { bigint: true });
  if (stat.isDirectory()) return { kind: 'directory', directory: new UnionDirectory([target]), at: '' };
  closeSync(target);
  // The parent of what a link leads to is found by following the link by hand.
  let [parent, name] = splitPath(path);
  for (let links = 0; links < LINKS_MAX; links += 1) {
    const at = tryOpen(root, parent === '' ? '/' : parent, true);
    if (at === undefined) return undefined;
    const directory = new UnionDirectory([at]);
    const found = directory.find(name);
    if (found === undefined || !follow || !found.stat.isSymbolicLink()) {
      if (found !== undefined && !found.stat.isDirectory()) return { kind: 'object', directory, entry: found };
      directory.close();
      return undefined;
    }
    const to = readlinkSync(Buffer.from(`/proc/self/fd/${String(at)}/${name}`, 'latin1'), 'latin1');
    directory.close();
    [parent, name] = splitPath(to.startsWith('/') ? to : `${parent}/${to}`);
  }
  return undefined;
}

function tryOpen(root: number, path: string, follow: boolean): number | undefined {
  try {
    return openInRoot(root, path.replace(/^\/+/, ''), follow);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP') return undefined;
    throw error;
  }
}

function splitPath(path: string): [parent: string, name: string] {
  const plain = path.replace(/\/+$/, '');
  const slash = plain.lastIndexOf('/');
  return slash < 0 ? ['', plain] : [plain.slice(0, slash), plain.slice(slash + 1)];
}

/** Component by component, as path_resolution(7) says. Takes `root` over. */
function openInUnion(root: UnionDirectory, path: string, follow: boolean): Opened | undefined {
  const stack: UnionDirectory[] = [root];
  const names: string[] = [];
  const todo = path.split('/').reverse();
  let links = 0;
  const drop = (keep: UnionDirectory | undefined): void => {
    for (const directory of stack) if (directory !== keep) directory.close();
  };
  try {
    for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
      if (name === '' || name === '.') continue;
      if (name === '..') {
        if (stack.length > 1) stack.pop()?.close();
        names.pop();
        continue;
      }
      const here = stack.at(-1) ?? root;
      const next = here.child(name);
      if (next !== undefined) {
        stack.push(next);
        names.push(name);
        continue;
      }
      const found = here.find(name);
      const isLast = todo.every((component) => component === '');
      const mustBeDirectory = todo.length > 0;
      if (found === undefined || (!found.stat.isSymbolicLink() && mustBeDirectory)) return endNothing(drop);
      if (!found.stat.isSymbolicLink() || (isLast && !follow && !mustBeDirectory)) {
        drop(here);
        return { kind: 'object', directory: here, entry: found };
      }
      links += 1;
      if (links > LINKS_MAX) return endNothing(drop);
      const target = readlinkSync(Buffer.from(`/proc/self/fd/${String(found.fd)}/${name}`, 'latin1'), 'latin1');
      if (target.startsWith('/')) {
        while (stack.length > 1) stack.pop()?.close();
        names.length = 0;
      }
      todo.push(...target.split('/').reverse());
    }
  } catch (error) {
    drop(undefined);
    throw error;
  }
  const directory = stack.at(-1) ?? root;
  drop(directory);
  return { kind: 'directory', directory, at: names.join('/') };
}

function endNothing(drop: (keep: undefined) => void): undefined {
  drop(undefined);
  return undefined;
}

export const openReadable = (fd: number, name: string): number => openSync(Buffer.from(`/proc/self/fd/${String(fd)}/${name}`, 'latin1'), O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
