/** Cases that are run on the union file system, on the reference and on a kernel overlay mount; all give the same form of answer. */

/** An entry of a layer. Entries come in order: parents first, a link after its target. Times are 1000 s, owners 0 unless given. */
export interface CaseEntry {
  readonly path: string;
  readonly kind: 'directory' | 'file' | 'symlink' | 'link' | 'whiteout' | 'char' | 'fifo';
  readonly data?: string;
  /** Of a symbolic link, or the path that a hard link is another name of. */
  readonly target?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly xattrs?: Readonly<Record<string, string>>;
}

export type CaseOp =
  | readonly ['create' | 'mkdir' | 'chmod', string, number]
  | readonly ['symlink' | 'link', string, string]
  | readonly ['mknod' | 'chown', string, number, number]
  | readonly ['fifo' | 'unlink' | 'rmdir' | 'stat', string]
  | readonly ['rename', string, string, number]
  | readonly ['write', string, number, string]
  | readonly ['openw', string, boolean]
  | readonly ['truncate' | 'utimes', string, number]
  | readonly ['setx', string, string, string, number]
  | readonly ['getx' | 'rmx', string, string]
  | readonly ['open', number, string, boolean]
  | readonly ['fstat' | 'fread', number]
  | readonly ['fchmod', number, number];

export interface UnionCase {
  /** Top first: the first one is the upper layer. */
  readonly layers: readonly (readonly CaseEntry[])[];
  readonly userXattr?: boolean;
  readonly ops: readonly CaseOp[];
}

/** One object. A string is the errno that looking at a listed name gives. */
export type CaseObject = string | {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly ino: number;
  /** Absent when it is of today. */
  readonly mtime?: number;
  readonly size?: number;
  readonly data?: string;
  readonly target?: string;
  readonly rdev?: readonly [number, number];
  readonly xattrs?: Readonly<Record<string, string>>;
};
export type CaseTree = Readonly<Record<string, CaseObject>>;

export interface CaseAnswer {
  /** An errno name, or what the call gave. */
  readonly results: readonly unknown[];
  readonly before: CaseTree;
  readonly merged: CaseTree;
  /** The upper layer as it lies on disk. */
  readonly upper: CaseTree;
}

/** For comparison: inode numbers become the first path that has them. Those of one tree are compared, never their values (I3). */
export function comparable({ results, before, merged, upper }: CaseAnswer): unknown {
  return { results, before: withoutNumbers(before), merged: withoutNumbers(merged), upper: withoutNumbers(upper) };
}

function withoutNumbers(tree: CaseTree): Record<string, unknown> {
  const first = new Map<number, string>();
  const found: Record<string, unknown> = {};
  for (const path of Object.keys(tree).sort()) {
    const object = tree[path];
    if (object === undefined || typeof object === 'string') found[path] = object;
    else {
      const same = first.get(object.ino);
      if (same === undefined) first.set(object.ino, path);
      found[path] = { ...object, ino: same ?? path };
    }
  }
  return found;
}

/** I1: paths whose number `one` kept over the operations and `other` did not. */
export function lostNumbers(one: CaseAnswer, other: CaseAnswer): string[] {
  const kept = ({ before, merged }: CaseAnswer, path: string): boolean => {
    const old = before[path];
    const now = merged[path];
    return typeof old === 'object' && typeof now === 'object' && old.ino === now.ino;
  };
  return Object.keys(one.merged).filter((path) => kept(one, path) && !kept(other, path));
}
