/** Small images for tests, made in memory. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { joinBytes, MEDIA_TYPES, tarEnd, tarEntry, type Descriptor, type ImageManifest } from '@tsc-box/model';
import type { ImageStore } from './types.ts';

export interface FixtureImage {
  readonly manifest: ImageManifest;
  readonly descriptor: Descriptor;
  /** By digest. */
  readonly blobs: ReadonlyMap<string, Uint8Array>;
}

export const sha256 = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

export async function* stream(bytes: Uint8Array, chunk = 64 << 10): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk);
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part.slice());
  return joinBytes(parts);
}

/** `inMemory`: where syncing costs nothing, if there is such a place. */
export function temporaryDirectory({ inMemory = false } = {}): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(inMemory && existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'tsc-box-test-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A layer with one file for each text. */
export function layerTar(files: Readonly<Record<string, string | Uint8Array>>): Uint8Array {
  return joinBytes([...Object.entries(files).map(([name, data]) => tarEntry({ type: 'file', name, mode: 0o644 }, typeof data === 'string' ? Buffer.from(data) : data)), tarEnd()]);
}

export function makeImage(layers: readonly Readonly<Record<string, string | Uint8Array>>[], options: { readonly architecture?: string; readonly docker?: boolean; readonly cmd?: readonly string[] } = {}): FixtureImage {
  const blobs = new Map<string, Uint8Array>();
  const add = (bytes: Uint8Array, mediaType: string): Descriptor => {
    const digest = sha256(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const tars = layers.map(layerTar);
  const { architecture = 'amd64', docker = false, cmd = ['/hello'] } = options;
  const config = { created: '2020-01-01T00:00:00Z', architecture, os: 'linux', config: { Cmd: cmd }, rootfs: { type: 'layers', diff_ids: tars.map(sha256) }, history: tars.map((_, index) => ({ created: '2020-01-01T00:00:00Z', created_by: `layer ${String(index)}` })) };
  const types = docker ? [MEDIA_TYPES.dockerLayerGzip, MEDIA_TYPES.dockerConfig, MEDIA_TYPES.dockerManifest] as const : [MEDIA_TYPES.ociLayerGzip, MEDIA_TYPES.ociConfig, MEDIA_TYPES.ociManifest] as const;
  const layerDescriptors = tars.map((tar) => add(gzipSync(tar), types[0]));
  const manifest: ImageManifest = { schemaVersion: 2, mediaType: types[2], config: add(Buffer.from(JSON.stringify(config)), types[1]), layers: layerDescriptors };
  const descriptor = { ...add(Buffer.from(JSON.stringify(manifest)), types[2]), platform: { os: 'linux', architecture } };
  return { manifest, descriptor, blobs };
}

/** Puts all blobs into the store and names the image. */
export async function addFixture(store: ImageStore, name: string, image: FixtureImage): Promise<void> {
  const lease = await store.lease();
  try {
    for (const [digest, bytes] of image.blobs) await lease.writeBlob(stream(bytes), { digest, size: bytes.length });
    await store.addImage(name, image.descriptor);
  } finally {
    await lease.release();
  }
}
