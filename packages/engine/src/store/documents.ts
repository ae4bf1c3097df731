/** Manifests and configurations of the store, verified while they are read. */
import { createHash } from 'node:crypto';
import { BoxError, MANIFEST_BYTES_MAX, parseDigest, parseImageConfig, parseManifest, type Descriptor, type ImageConfig, type Manifest } from '@tsc-box/model';
import { readSmall } from '../images/file-range.ts';
import { blobPath, type StorePaths } from './paths.ts';

export async function readDocument(paths: StorePaths, { digest, size }: Pick<Descriptor, 'digest' | 'size'>): Promise<Uint8Array> {
  const path = blobPath(paths, digest);
  const bytes = await readSmall(path, MANIFEST_BYTES_MAX);
  if (bytes === undefined) throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', attempted: `read blob ${digest}`, detail: 'it is not in the store', path, hint: 'pull or load the image again' });
  const { algorithm } = parseDigest(digest);
  const found = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
  if (found !== digest) throw new BoxError({ code: 'ERR_TSCBOX_DIGEST_MISMATCH', attempted: `verify blob ${digest}`, detail: `found ${found}`, path, hint: 'the store is damaged: tsc-box fsck tells more' });
  if (bytes.length !== size) throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read blob ${digest}`, detail: `found ${String(bytes.length)} bytes, its descriptor says ${String(size)}`, path });
  return bytes;
}

export function parseJsonBytes(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read ${what}`, detail: `it is no JSON: ${error instanceof Error ? error.message : String(error)}`, cause: error });
  }
}

export async function readManifest(paths: StorePaths, descriptor: Descriptor): Promise<Manifest> {
  return parseManifest(parseJsonBytes(await readDocument(paths, descriptor), `manifest ${descriptor.digest}`), descriptor.mediaType);
}

export async function readConfig(paths: StorePaths, descriptor: Descriptor): Promise<ImageConfig> {
  return parseImageConfig(parseJsonBytes(await readDocument(paths, descriptor), `configuration ${descriptor.digest}`));
}
