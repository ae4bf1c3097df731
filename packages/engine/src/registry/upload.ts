/** Blobs from the store to a registry: skipped where they are, mounted from another repository, else uploaded. */
import type { Descriptor } from '@tsc-box/model';
import { streamRange } from '../images/file-range.ts';
import type { ImageStore } from '../store/types.ts';
import { isFinal, type RepositoryClient, type StreamedBody } from './client.ts';
import { RegistryError } from './errors.ts';
import type { Report } from './progress.ts';
import { delayBefore, isPassing } from './retry.ts';

/** Of uploads in parts: each is held in memory, once for each parallel upload. */
const CHUNK_BYTES = 8 << 20;
/** Content Too Large. */
const TOO_LARGE = 413;

/** `mountFrom`: repositories of the same registry that may hold the blob. */
export async function uploadBlob(client: RepositoryClient, store: ImageStore, descriptor: Descriptor, mountFrom: readonly string[], report: Report): Promise<void> {
  const head = await client.request(`blobs/${descriptor.digest}`, { method: 'HEAD' });
  if (head.ok) return report('exists', descriptor.size);
  // Some registries refuse HEAD and take uploads.
  if (head.status === 401 || head.status === 403) throw await client.refusal(head, `look for ${descriptor.digest}`);
  let session = await startUpload(client, descriptor, mountFrom[0]);
  if (session === undefined) return report('mounted', descriptor.size);
  for (let attempt = 1; ; attempt += 1) {
    try {
      await send(client, store, descriptor, session, report);
      return report('done', descriptor.size);
    } catch (error) {
      const tooLarge: boolean = error instanceof RegistryError && error.status === TOO_LARGE && !session.inParts;
      const passes = tooLarge || (error instanceof RegistryError ? error.status === undefined || isPassing(error.status) || error.codes.includes('BLOB_UPLOAD_UNKNOWN') : !isFinal(error));
      const delay = passes && client.signal?.aborted !== true ? delayBefore(attempt, null, client.retry) : undefined;
      if (delay === undefined) throw error;
      report('waiting', 0);
      if (!tooLarge) await client.retry.sleep(delay, client.signal);
      // A proxy that takes no more may also just hang up.
      const inParts: boolean = session.inParts || tooLarge || !(error instanceof RegistryError) || error.status === undefined;
      session = { ...((await startUpload(client, descriptor, undefined)) ?? session), inParts };
    }
  }
}

interface Session {
  /** Where the next request goes. */
  readonly location: string;
  readonly chunkBytesMin: number;
  readonly inParts: boolean;
}

/** Undefined where the blob was mounted (distribution-spec, "Mounting a blob from another repository"). */
async function startUpload(client: RepositoryClient, { digest }: Descriptor, from: string | undefined): Promise<Session | undefined> {
  const query = from === undefined ? '' : `?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`;
  const scopes = from === undefined ? [] : [`repository:${from}:pull`];
  const response = await client.request(`blobs/uploads/${query}`, { method: 'POST', scopes, headers: { 'content-length': '0' } });
  if (from !== undefined && !response.ok) {
    // A mount that is not allowed is no reason not to upload.
    await response.body?.cancel();
    return startUpload(client, { digest } as Descriptor, undefined);
  }
  if (response.status === 201) return undefined;
  if (response.status !== 202) throw await client.refusal(response, `start the upload of ${digest}`);
  const minimum = Number(response.headers.get('oci-chunk-min-length') ?? '0');
  return { location: await locationOf(client, response), chunkBytesMin: Number.isSafeInteger(minimum) ? minimum : 0, inParts: false };
}

async function locationOf(client: RepositoryClient, response: Response): Promise<string> {
  await response.body?.cancel();
  const location = response.headers.get('location');
  if (location === null) throw client.failure('the registry did not say where to upload to');
  return new URL(location, response.url).href;
}

/** In one request (distribution-spec, "POST then PUT"), or in parts where what stands before the registry refuses so much at once. */
async function send(client: RepositoryClient, store: ImageStore, descriptor: Descriptor, session: Session, report: Report): Promise<void> {
  report('uploading', 0);
  if (session.inParts) return sendParts(client, store, descriptor, session, report);
  const { digest, size } = descriptor;
  const path = store.blobPath(digest);
  const open = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    let sent = 0;
    for await (const chunk of streamRange({ path, start: 0, size })) {
      yield chunk;
      sent += chunk.length;
      report('uploading', sent);
    }
  };
  await finish(client, session.location, descriptor, { size, open });
}

async function sendParts(client: RepositoryClient, store: ImageStore, { digest, size, mediaType }: Descriptor, session: Session, report: Report): Promise<void> {
  const path = store.blobPath(digest);
  const chunkBytes = Math.max(CHUNK_BYTES, session.chunkBytesMin);
  let { location } = session;
  for (let offset = 0; offset < size; ) {
    const chunk = await readChunk(path, offset, Math.min(chunkBytes, size - offset));
    const response = await client.request(location, { method: 'PATCH', body: chunk, retry: false, headers: { 'content-type': 'application/octet-stream', 'content-range': `${String(offset)}-${String(offset + chunk.length - 1)}` } });
    if (response.status !== 202) throw await client.refusal(response, `upload ${digest} at byte ${String(offset)}`);
    const taken = /^(?:bytes=)?0-(\d+)$/.exec(response.headers.get('range') ?? '')?.[1];
    location = await locationOf(client, response);
    // A registry may keep less than it was sent.
    const next = taken === undefined ? offset + chunk.length : Number(taken) + 1;
    if (next <= offset || next > offset + chunk.length) throw client.failure(`the registry keeps ${String(next)} bytes of ${digest} after ${String(offset + chunk.length)} were sent`);
    offset = next;
    report('uploading', offset);
  }
  await finish(client, location, { digest, size, mediaType }, new Uint8Array(0));
}

async function finish(client: RepositoryClient, location: string, { digest }: Descriptor, body: Uint8Array | StreamedBody): Promise<void> {
  const url = new URL(location);
  url.searchParams.set('digest', digest);
  const response = await client.request(url.href, { method: 'PUT', body, retry: false, headers: { 'content-type': 'application/octet-stream' } });
  if (response.status !== 201 && response.status !== 204) throw await client.refusal(response, `finish the upload of ${digest}`);
  await response.body?.cancel();
}

async function readChunk(path: string, start: number, size: number): Promise<Uint8Array> {
  const chunk = new Uint8Array(size);
  let at = 0;
  for await (const part of streamRange({ path, start, size })) {
    chunk.set(part, at);
    at += part.length;
  }
  return chunk.subarray(0, at);
}
