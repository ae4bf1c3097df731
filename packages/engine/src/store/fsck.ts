/** Verifies the store: every blob against its name, and every image for what it needs. */
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { BoxError, isDigest, parseDigest, type Descriptor } from '@tsc-box/model';
import { streamRange } from '../images/file-range.ts';
import { readManifest } from './documents.ts';
import type { IndexEntry } from './index-file.ts';
import { hasBlob, readdirOrNone } from './leases.ts';
import { blobPath, type StorePaths } from './paths.ts';
import type { StoreProblem } from './types.ts';

type Users = Map<string, Set<string>>;
type Found = Omit<StoreProblem, 'images' | 'repaired'>;

/** Reads every byte once. Problems in the order of the files, then of the images. */
export async function checkStore(paths: StorePaths, entries: readonly IndexEntry[], { repair = false }: { readonly repair?: boolean }): Promise<StoreProblem[]> {
  const users: Users = new Map();
  const found: Found[] = [];
  const sizes = new Map<string, number>();
  for (const algorithm of ['sha256', 'sha512']) {
    for (const hex of await readdirOrNone(`${paths.blobs}/${algorithm}`)) found.push(...(await checkBlob(paths, `${algorithm}:${hex}`, sizes)));
  }
  const damaged = new Set(found.map(({ digest }) => digest));
  for (const { descriptor, name } of entries) found.push(...(await checkImage(paths, descriptor, name ?? descriptor.digest, users, { damaged, sizes })));
  const problems: StoreProblem[] = [];
  for (const problem of dropRepeats(found)) {
    const repaired = repair && problem.kind === 'corrupt' && problem.digest !== undefined;
    if (repaired) await rm(blobPath(paths, problem.digest ?? ''), { force: true });
    problems.push({ ...problem, images: [...(users.get(problem.digest ?? '') ?? [])], repaired });
  }
  return problems;
}

async function checkBlob(paths: StorePaths, digest: string, sizes: Map<string, number>): Promise<Found[]> {
  if (!isDigest(digest)) return [{ kind: 'name', detail: `"${digest.replace(':', '/')}" is no name of a blob` }];
  const { algorithm } = parseDigest(digest);
  const hash = createHash(algorithm);
  let size = 0;
  try {
    for await (const chunk of streamRange({ path: blobPath(paths, digest), start: 0 })) {
      hash.update(chunk);
      size += chunk.length;
    }
  } catch (error) {
    return [{ kind: 'corrupt', digest, detail: error instanceof Error ? error.message : String(error) }];
  }
  sizes.set(digest, size);
  const actual = `${algorithm}:${hash.digest('hex')}`;
  return actual === digest ? [] : [{ kind: 'corrupt', digest, detail: `its ${String(size)} bytes have the digest ${actual}` }];
}

interface Known {
  readonly damaged: ReadonlySet<string | undefined>;
  readonly sizes: ReadonlyMap<string, number>;
}

async function checkImage(paths: StorePaths, descriptor: Descriptor, name: string, users: Users, known: Known): Promise<Found[]> {
  use(users, descriptor, name);
  if (known.damaged.has(descriptor.digest)) return [];
  const own = checkDescriptor(descriptor, known);
  if (own.length > 0) return own;
  let manifest;
  try {
    manifest = await readManifest(paths, descriptor);
  } catch (error) {
    if (!(error instanceof BoxError)) throw error;
    return [{ kind: 'manifest', digest: descriptor.digest, detail: error.message }];
  }
  const found: Found[] = [];
  if (manifest.kind === 'manifest') {
    for (const part of [manifest.config, ...manifest.layers]) {
      use(users, part, name);
      if (!known.damaged.has(part.digest)) found.push(...checkDescriptor(part, known));
    }
    return found;
  }
  // Of an index, a store needs to hold only what was asked for.
  const present = [];
  for (const child of manifest.manifests) if (await hasBlob(paths, child.digest)) present.push(child);
  if (present.length === 0 && manifest.manifests.length > 0) found.push({ kind: 'missing', digest: descriptor.digest, detail: 'none of its platforms is in the store' });
  for (const child of present) found.push(...(await checkImage(paths, child, name, users, known)));
  return found;
}

function use(users: Users, { digest }: Descriptor, name: string): void {
  const names = users.get(digest) ?? new Set();
  users.set(digest, names.add(name));
}

function checkDescriptor({ digest, size }: Descriptor, { sizes }: Known): Found[] {
  const actual = sizes.get(digest);
  if (actual === undefined) return [{ kind: 'missing', digest, detail: 'it is not in the store' }];
  return actual === size ? [] : [{ kind: 'size', digest, detail: `it has ${String(actual)} bytes, its descriptor says ${String(size)}` }];
}

function dropRepeats(found: readonly Found[]): Found[] {
  const seen = new Set<string>();
  return found.filter(({ kind, digest, detail }) => {
    const key = `${kind} ${digest ?? ''} ${detail}`;
    return !seen.has(key) && seen.add(key).has(key);
  });
}
