/** A registry of a few lines in this process, whose every answer a test can change. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { FixtureImage } from '../store/fixture.testing.ts';

export interface FakeRequest {
  readonly method: string;
  /** With the query. */
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** True when it has answered; else the usual answer is given. */
export type Answer = (request: FakeRequest, response: ServerResponse, count: number) => boolean | Promise<boolean>;

export interface FakeRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly requests: readonly FakeRequest[];
  /** Asked before the usual answers. `count` is how often this method and path were asked for, from 1. */
  answer: Answer;
  close(): Promise<void>;
}

/** Serves the image under every repository and tag. Uploads are taken and forgotten. */
export async function startFakeRegistry(image: FixtureImage, tls?: { readonly key: Uint8Array; readonly cert: Uint8Array }): Promise<FakeRegistry> {
  const requests: FakeRequest[] = [];
  const counts = new Map<string, number>();
  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = '';
    for await (const chunk of incoming) body += (chunk as Buffer).toString('latin1');
    const request: FakeRequest = { method: incoming.method ?? '', url: incoming.url ?? '', headers: incoming.headers, body };
    requests.push(request);
    const key = `${request.method} ${request.url}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    if (!(await fake.answer(request, response, counts.get(key) ?? 0))) serve(image, request, response);
  };
  const listener = (incoming: IncomingMessage, response: ServerResponse): void => void handle(incoming, response).catch(() => response.destroy());
  const server = tls === undefined ? createServer(listener) : createTlsServer({ key: Buffer.from(tls.key), cert: Buffer.from(tls.cert) }, listener);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const fake: FakeRegistry = {
    host: `127.0.0.1:${String((server.address() as AddressInfo).port)}`, requests, answer: () => false,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
  return fake;
}

function serve({ blobs, descriptor }: FixtureImage, { method, url, headers }: FakeRequest, response: ServerResponse): void {
  const send = (status: number, extra: Readonly<Record<string, string>>, body: Uint8Array | string = ''): void => void response.writeHead(status, { 'content-length': String(body.length), ...extra }).end(method === 'HEAD' ? undefined : body);
  if (url === '/v2/') return send(200, {});
  const [, kind, name = ''] = /\/(manifests|blobs)\/([^/?]+)/.exec(url) ?? [];
  if (method === 'POST' || method === 'PUT') return send(method === 'POST' ? 202 : 201, { location: '/upload/1' });
  if (kind === 'manifests') {
    const bytes = blobs.get(name.includes(':') ? name : descriptor.digest);
    return bytes === undefined ? send(404, {}, JSON.stringify({ errors: [{ code: 'MANIFEST_UNKNOWN', message: 'no such manifest' }] })) : send(200, { 'content-type': descriptor.mediaType, 'docker-content-digest': descriptor.digest }, bytes);
  }
  const bytes = blobs.get(name);
  if (bytes === undefined) return send(404, {}, JSON.stringify({ errors: [{ code: 'BLOB_UNKNOWN', message: 'no such blob' }] }));
  const start = Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? '0');
  if (start === 0) return send(200, {}, bytes);
  return send(206, { 'content-range': `bytes ${String(start)}-${String(bytes.length - 1)}/${String(bytes.length)}` }, bytes.subarray(start));
}
