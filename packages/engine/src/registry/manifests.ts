/** Manifests of a repository, verified. */
import { createHash } from 'node:crypto';
import { BoxError, MANIFEST_BYTES_MAX, MANIFEST_MEDIA_TYPES, parseDigest, parseManifest, type Descriptor, type Manifest } from '@tsc-box/model';
import { parseJsonBytes } from '../store/documents.ts';
import type { RepositoryClient } from './client.ts';

export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
}

/** `reference` is a tag or a digest. @throws RegistryError; BoxError where the bytes have another digest. */
export async function fetchManifest(client: RepositoryClient, reference: string, expected?: Descriptor): Promise<FetchedManifest> {
  const response = await client.request(`manifests/${reference}`, { headers: { accept: MANIFEST_MEDIA_TYPES.join(', '), 'accept-encoding': 'identity' } });
  if (!response.ok) throw await client.refusal(response, '');
  const bytes = await readBody(response, client);
  const wanted = expected?.digest ?? (reference.includes(':') ? reference : undefined);
  const { algorithm } = wanted === undefined ? { algorithm: 'sha256' } : parseDigest(wanted);
  const digest = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
  if (wanted !== undefined && digest !== wanted) throw new BoxError({ code: 'ERR_TSCBOX_DIGEST_MISMATCH', attempted: `${client.attempted}: verify the manifest`, detail: `found ${digest}, expected ${wanted}`, hint: 'what stands between us and the registry, or the registry, changed it' });
  const told = contentType(response);
  const manifest = parseManifest(parseJsonBytes(bytes, `the manifest ${reference} of ${client.repository}`), expected?.mediaType ?? told);
  return { bytes, manifest, descriptor: { mediaType: manifest.mediaType, digest, size: bytes.length, ...(expected?.platform === undefined ? {} : { platform: expected.platform }) } };
}

/** Digest of a tag, without its content: registries count only the fetching of manifests. Undefined where the registry doesn't tell. */
export async function headManifest(client: RepositoryClient, reference: string): Promise<string | undefined> {
  const response = await client.request(`manifests/${reference}`, { method: 'HEAD', headers: { accept: MANIFEST_MEDIA_TYPES.join(', ') } });
  return response.ok ? (response.headers.get('docker-content-digest') ?? undefined) : undefined;
}

const contentType = (response: Response): string | undefined => response.headers.get('content-type')?.split(';')[0]?.trim();

async function readBody(response: Response, client: RepositoryClient): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MANIFEST_BYTES_MAX) throw client.failure(`the manifest has more than ${String(MANIFEST_BYTES_MAX)} bytes`);
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

/** @throws RegistryError, also where the registry took it for other bytes. */
export async function putManifest(client: RepositoryClient, reference: string, bytes: Uint8Array, { mediaType, digest }: Descriptor): Promise<void> {
  const response = await client.request(`manifests/${reference}`, { method: 'PUT', headers: { 'content-type': mediaType }, body: bytes });
  if (!response.ok) throw await client.refusal(response, `write the manifest ${reference}`);
  await response.body?.cancel();
  const told = response.headers.get('docker-content-digest');
  if (told !== null && told.startsWith('sha256:') && digest.startsWith('sha256:') && told !== digest) throw client.failure(`the registry keeps the manifest as ${told}, not ${digest}`);
}
