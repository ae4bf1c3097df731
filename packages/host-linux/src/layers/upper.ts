/** `diff` of a container: its overlay upper directory against the layers below it. Only the upper directory is walked. */
import { readdirSync, type BigIntStats } from 'node:fs';
import { byteStringOf, changesOfUpper, type DiffLowerView, type LayerChange, type LowerNode, type UpperEntry, type UpperView } from '@tsc-box/model';
import { isOpaque, isWhiteout, MergedLayers, statQuietly, toBuffer } from './lookup.ts';
import { getXattr } from './syscalls.unsafe.ts';

/** A, C and D lines as `docker diff` has them (K1, K2), sorted by path. `lowerdirs`: top first. */
export function diffUpper(upperdir: string, lowerdirs: readonly string[]): LayerChange[] {
  const root = byteStringOf(upperdir).replace(/\/+$/, '');
  return changesOfUpper(new UpperDirectory(root), new ComparedLayers(root, lowerdirs));
}

const below = (root: string, path: string): string => (path === '' ? root : `${root}/${path}`);

class UpperDirectory implements UpperView {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  list(path: string): UpperEntry[] {
    const directory = below(this.#root, path);
    return readdirSync(toBuffer(directory), { encoding: 'latin1', withFileTypes: true }).map((entry): UpperEntry => {
      const full = `${directory}/${entry.name}`;
      if (entry.isDirectory()) return { name: entry.name, kind: 'directory', opaque: isOpaque(full) };
      const stat = entry.isCharacterDevice() ? statQuietly(full) : undefined;
      return { name: entry.name, kind: stat !== undefined && isWhiteout(stat) ? 'whiteout' : 'other', opaque: false };
    });
  }
}

class ComparedLayers implements DiffLowerView {
  readonly #root: string;
  readonly #layers: MergedLayers;

  constructor(root: string, lowerdirs: readonly string[]) {
    this.#root = root;
    this.#layers = new MergedLayers(lowerdirs);
  }

  lookup(path: string): LowerNode | undefined {
    return this.#layers.lookup(path);
  }

  children(path: string): readonly string[] {
    return this.#layers.children(path);
  }

  sameAsUpper(path: string): boolean {
    const lower = this.#layers.find(path);
    const upperPath = below(this.#root, path);
    const upper = statQuietly(upperPath);
    if (lower === undefined || upper === undefined) return lower === upper;
    return sameStat(lower.stat, upper) && sameCapability(lower.path, upperPath);
  }
}

function sameStat(a: BigIntStats, b: BigIntStats): boolean {
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid || a.rdev !== b.rdev) return false;
  return a.isDirectory() || (a.size === b.size && sameTime(a.mtimeNs, b.mtimeNs));
}

/** K1: equal in the same second when one of them has no nanoseconds, as after an archive. */
function sameTime(a: bigint, b: bigint): boolean {
  const second = 1_000_000_000n;
  return a === b || (a / second === b / second && (a % second === 0n || b % second === 0n));
}

function sameCapability(lower: string, upper: string): boolean {
  const [a, b] = [lower, upper].map((path) => getXattr(path, 'security.capability'));
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0;
}
