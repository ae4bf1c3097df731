/** Applies to this machine what a container changed in its copy of it. Each object is made beside its place and renamed over it. */
import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync, type BigIntStats } from 'node:fs';
import { BoxError, textOf, type AppliedChange, type ApplyOptions, type ChangedTree } from '@tsc-box/model';
import { attributesToCopy, AttributeWriter } from './attributes.ts';
import { pathInTarget, planApply, type ApplyStep } from './apply-plan.ts';
import { copyObject } from './copy-object.ts';
import { errnoOf } from './host-errors.ts';
import { OpenDirectories, placeOf } from './open-directories.ts';
import { makeDirectory, makeLink, openChildDirectory, pathBelow, removeDirectory, renameIn, syncFileSystem, unlinkName } from './syscalls.unsafe.ts';
import { statAt, UnionDirectory } from './union-directory.ts';

const { O_DIRECTORY, O_RDONLY } = constants;
/** Steps after which others get their turn. */
const TURN = 64;

export async function applyChanges({ upperdir, target }: ChangedTree, { since, paths, force = false, dryRun = false, onWarning }: ApplyOptions): Promise<readonly AppliedChange[]> {
  const chosen = paths?.flatMap((path) => pathInTarget(target, path) ?? []);
  if (chosen?.length === 0) return [];
  const upper = UnionDirectory.ofPaths([upperdir]);
  // Of the many unions of the machine's root most are untouched, and some directories this user may not read.
  if (upper.list().length === 0) {
    upper.close();
    return [];
  }
  const root = openSync(target, O_RDONLY | O_DIRECTORY);
  const name = (path: string): string => `${target === '/' ? '' : target}/${textOf(path)}`;
  const applier = new Applier(upper.top, root, (text) => onWarning?.(text));
  const results: AppliedChange[] = [];
  try {
    const steps = planApply(upper, root, { since: BigInt(Math.floor(since)) * 1_000_000n, paths: chosen });
    for (const [index, step] of steps.entries()) {
      if (index % TURN === TURN - 1) await new Promise<void>((resolve) => void setImmediate(resolve));
      if (step.conflict !== undefined && !force) results.push({ path: name(step.path), outcome: 'conflict', reason: step.conflict });
      else results.push(outcomeOf(name(step.path), dryRun ? undefined : () => applier.perform(step)));
    }
    if (!dryRun) {
      for (const step of [...steps].reverse()) if (step.kind === 'directory' && (force || step.conflict === undefined)) giveAttributes(applier, step, results, name(step.path));
      syncFileSystem(root);
    }
    return results;
  } finally {
    applier.close();
    upper.close();
    closeSync(root);
  }
}

function outcomeOf(path: string, action: (() => void) | undefined): AppliedChange {
  try {
    action?.();
    return { path, outcome: 'applied' };
  } catch (error) {
    return { path, outcome: 'failed', reason: reasonOf(error) };
  }
}

function giveAttributes(applier: Applier, step: ApplyStep & { readonly kind: 'directory' }, results: AppliedChange[], path: string): void {
  const index = results.findIndex((result) => result.path === path);
  if (results[index]?.outcome !== 'applied') return;
  results[index] = outcomeOf(path, () => applier.finish(step));
}

function reasonOf(error: unknown): string {
  const errno = errnoOf(error);
  if (error instanceof NotOurs) return error.message;
  if (errno === undefined) throw error;
  const words: Readonly<Record<string, string>> = {
    EACCES: 'this user may not write there', EPERM: 'this user may not do that', EROFS: 'the file system is read-only', ENOSPC: 'the disk is full', EDQUOT: 'the quota is used up', ENOENT: 'its directory is not there',
    ELOOP: 'a symbolic link lies on the way', ENOTDIR: 'something on the way is no directory', EBUSY: 'it is in use', EXDEV: 'a mount lies on the way',
  };
  return words[errno] === undefined ? (error instanceof BoxError ? error.message : errno) : `${words[errno]} (${errno})`;
}

class NotOurs extends Error {}

class Applier {
  readonly #upper: OpenDirectories;
  readonly #target: OpenDirectories;
  readonly #writer: AttributeWriter;
  /** Where files with several names were put, by inode. */
  readonly #links = new Map<string, string>();
  readonly #uid = process.geteuid?.() ?? 0;

  constructor(upper: number, target: number, warn: (text: string) => void) {
    this.#upper = new OpenDirectories(upper);
    this.#target = new OpenDirectories(target);
    this.#writer = new AttributeWriter(warn);
  }

  close(): void {
    this.#upper.close();
    this.#target.close();
  }

  perform(step: ApplyStep): void {
    const { parent, name } = placeOf(step.path);
    const at = this.#target.at(parent);
    if (step.kind === 'remove') return this.#remove(at, step.path, name);
    this.#checkOwner(step.stat);
    if (step.kind === 'put') return this.#put(step.path, parent, name, step.stat);
    if (step.make) {
      this.#replace(at, step.path, name, (fresh) => makeDirectory(at, fresh));
    } else for (const one of step.clear) this.#remove(this.#target.at(step.path), `${step.path}/${one}`, one);
  }

  /** When all that goes into it is there: writing into it changes its times, and its mode may forbid it. */
  finish(step: ApplyStep & { readonly kind: 'directory' }): void {
    if (!step.make && !step.attributes) return;
    this.#writer.apply(this.#target.at(step.path), '.', 'directory', attributesToCopy(pathBelow(this.#upper.at(step.path), '.'), step.stat));
  }

  #put(path: string, parent: string, name: string, stat: BigIntStats): void {
    const at = this.#target.at(parent);
    const first = stat.nlink > 1n ? this.#links.get(String(stat.ino)) : undefined;
    this.#replace(at, path, name, (fresh) => {
      if (first !== undefined) {
        const from = placeOf(first);
        return makeLink(this.#target.at(from.parent), from.name, this.#target.at(parent), fresh);
      }
      if (!copyObject(pathBelow(this.#upper.at(parent), name), stat, at, fresh, this.#writer)) throw new NotOurs('only root may make device nodes');
    });
    if (stat.nlink > 1n && first === undefined) this.#links.set(String(stat.ino), path);
  }

  /** What is there gives way only when the new object is whole. */
  #replace(at: number, path: string, name: string, make: (fresh: string) => void): void {
    const fresh = temporaryName();
    try {
      make(fresh);
      const there = statAt(at, name);
      // Only a directory takes the place of a directory, and only of an empty one: rename(2).
      if (there !== undefined && (there.isDirectory() || statAt(at, fresh)?.isDirectory() === true)) this.#remove(at, path, name);
      renameIn(at, fresh, name);
    } finally {
      // Not there any more, unless something failed, or both names were links to one file already.
      this.#discard(at, fresh);
    }
  }

  /** A directory is gone at once for those who look, and then emptied. */
  #remove(at: number, path: string, name: string): void {
    const stat = statAt(at, name);
    if (stat === undefined) return;
    if (!stat.isDirectory()) return unlinkName(at, name);
    this.#target.forget(path);
    const aside = temporaryName();
    renameIn(at, name, aside);
    this.#discard(at, aside);
  }

  #discard(at: number, name: string): void {
    const stat = statAt(at, name);
    if (stat === undefined) return;
    if (!stat.isDirectory()) return unlinkName(at, name);
    const fd = openChildDirectory(at, name);
    if (fd === undefined) return;
    const directory = new UnionDirectory([fd]);
    try {
      for (const entry of directory.list()) this.#discard(fd, entry.name);
    } finally {
      directory.close();
    }
    removeDirectory(at, name);
  }

  #checkOwner({ uid }: BigIntStats): void {
    if (this.#uid !== 0 && Number(uid) !== this.#uid) throw new NotOurs(`it belongs to uid ${String(uid)}: only root may give files away`);
  }
}

const temporaryName = (): string => `.tsc-box-${randomBytes(8).toString('hex')}`;
