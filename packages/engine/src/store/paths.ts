/** Where the store's files lie. All but `.tsc-box` is the OCI image layout: image-spec 1.1, image-layout.md. */
import { parseDigest } from '@tsc-box/model';
import { makeDirectory, syncDirectory, writeDurably } from './durable.ts';
import { statSync } from 'node:fs';

export interface StorePaths {
  readonly root: string;
  readonly index: string;
  readonly layout: string;
  readonly blobs: string;
  /** Files on their way, on the same file system. */
  readonly ingest: string;
  readonly leases: string;
  readonly lock: string;
}

export function storePaths(root: string): StorePaths {
  const own = `${root}/.tsc-box`;
  return { root, index: `${root}/index.json`, layout: `${root}/oci-layout`, blobs: `${root}/blobs`, ingest: `${own}/ingest`, leases: `${own}/leases`, lock: `${own}/lock` };
}

/** @throws BoxError where the digest is not valid: it can't lead elsewhere. */
export function blobPath({ blobs }: StorePaths, digest: string): string {
  const { algorithm, hex } = parseDigest(digest);
  return `${blobs}/${algorithm}/${hex}`;
}

const exists = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;

/** Makes the directories. Safe at any time, also beside other processes. */
export async function makeStore(paths: StorePaths): Promise<void> {
  for (const directory of [`${paths.blobs}/sha256`, `${paths.blobs}/sha512`, paths.ingest, paths.leases]) await makeDirectory(directory);
  if (exists(paths.layout)) return;
  await writeDurably(paths.layout, '{"imageLayoutVersion":"1.0.0"}', paths.ingest);
  await syncDirectory(paths.blobs);
  await syncDirectory(paths.root);
}
