/** Blobs from a registry into the store: resumed where they broke off, verified while they come. */
import { BoxError, type Descriptor } from '@tsc-box/model';
import type { Ingest, Lease } from '../store/types.ts';
import { isFinal, type RepositoryClient } from './client.ts';
import { connectionFailure } from './errors.ts';
import type { Report } from './progress.ts';
import { delayBefore } from './retry.ts';

/** Milliseconds without a byte after which a download counts as broken. */
const STALL_MS = 60_000;

/** @throws RegistryError, BoxError ERR_TSCBOX_DIGEST_MISMATCH. What has come stays for the next pull. */
export async function downloadBlob(client: RepositoryClient, lease: Lease, descriptor: Descriptor, report: Report): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const ingest = await lease.ingest(descriptor);
    if (ingest === undefined) return report('exists', descriptor.size);
    const resumed = ingest.offset;
    try {
      await fill(client, ingest, descriptor, report);
      report('verifying', ingest.offset);
      await ingest.commit();
      return report('done', descriptor.size);
    } catch (error) {
      // A part that an earlier pull left may be damaged: the whole is tried once.
      if (resumed === 0 || attempt > 1 || !(error instanceof BoxError) || error.code !== 'ERR_TSCBOX_DIGEST_MISMATCH') throw error;
    } finally {
      await ingest.suspend();
    }
  }
}

async function fill(client: RepositoryClient, ingest: Ingest, descriptor: Descriptor, report: Report): Promise<void> {
  let attempt = 1;
  while (ingest.offset < descriptor.size || descriptor.size === 0) {
    const before = ingest.offset;
    try {
      await fetchPart(client, ingest, descriptor, report);
      if (ingest.offset >= descriptor.size) return;
      throw new Error(`the connection ended after ${String(ingest.offset)} of ${String(descriptor.size)} bytes`);
    } catch (error) {
      if (error instanceof BoxError || client.signal?.aborted === true) throw error;
      // As long as it moves on, it is tried again.
      attempt = ingest.offset > before ? 1 : attempt + 1;
      const delay = isFinal(error) ? undefined : delayBefore(attempt, null, client.retry);
      if (delay === undefined) throw connectionFailure(error, `${client.attempted}: fetch ${descriptor.digest}`, client.endpoint.registry, client.repository, client.endpoint.origin);
      report('waiting', ingest.offset);
      await client.retry.sleep(delay, client.signal);
    }
  }
}

async function fetchPart(client: RepositoryClient, ingest: Ingest, { digest, size }: Descriptor, report: Report): Promise<void> {
  const stall = new AbortController();
  const signal = client.signal === undefined ? stall.signal : AbortSignal.any([client.signal, stall.signal]);
  const range: Readonly<Record<string, string>> = ingest.offset === 0 ? {} : { range: `bytes=${String(ingest.offset)}-${String(size - 1)}` };
  const response = await client.request(`blobs/${digest}`, { headers: { 'accept-encoding': 'identity', ...range }, signal });
  if (response.status === 416 && ingest.offset > 0) {
    await response.body?.cancel();
    return ingest.restart();
  }
  if (!response.ok) throw await client.refusal(response, `fetch ${digest}`);
  if (ingest.offset > 0 && !continues(response, ingest.offset)) await ingest.restart();
  let timer: NodeJS.Timeout | undefined;
  const watched = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    const start = (): void => void (timer = setTimeout(() => stall.abort(new Error(`no byte came for ${String(STALL_MS / 1000)} s`)), STALL_MS));
    start();
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      clearTimeout(timer);
      report('downloading', ingest.offset + chunk.length);
      yield chunk;
      start();
    }
  };
  try {
    await ingest.append(watched());
  } finally {
    clearTimeout(timer);
  }
}

/** Servers may send the whole, though a part was asked for (RFC 9110 14.2). */
function continues(response: Response, offset: number): boolean {
  return response.status === 206 && new RegExp(`^bytes ${String(offset)}-`).test(response.headers.get('content-range') ?? '');
}
