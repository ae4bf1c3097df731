/** How registries misbehave: a small one in this process. */
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BoxError, MEDIA_TYPES } from '@tsc-box/model';
import { addFixture, makeImage, sha256, temporaryDirectory } from '../store/fixture.testing.ts';
import { openImageStore } from '../store/store.ts';
import type { ImageStore } from '../store/types.ts';
import { parseChallenges } from './challenge.ts';
import { startFakeRegistry, type FakeRegistry } from './fake-registry.testing.ts';
import type { RegistryOptions } from './options.ts';
import { pullImage, type PullOptions } from './pull.ts';
import { pushImage } from './push.ts';
import { delayBefore, DEFAULT_RETRY } from './retry.ts';

/** Bytes that don't compress, the same each time. */
const noise = Buffer.concat(Array.from({ length: 6000 }, (_, index) => createHash('sha256').update(String(index)).digest()));
const image = makeImage([{ data: noise }]);
const layer = image.manifest.layers[0] ?? image.manifest.config;
const layerBytes = image.blobs.get(layer.digest) ?? new Uint8Array(0);
let registry: FakeRegistry;
let directory: ReturnType<typeof temporaryDirectory>;
let store: ImageStore;
let waits: number[];

beforeEach(async () => {
  registry = await startFakeRegistry(image);
  directory = temporaryDirectory();
  store = openImageStore({ root: `${directory.path}/store` });
  waits = [];
});
afterEach(async () => {
  await registry.close();
  directory[Symbol.dispose]();
});

/** For pulls and pushes. */
const common = (): RegistryOptions & { readonly store: ImageStore } => ({
  store, env: {},
  retry: { sleep: async (ms) => void waits.push(Math.round(ms)) },
});
const options = (extra: Partial<PullOptions> = {}): PullOptions => ({ ...common(), platform: { os: 'linux', architecture: 'amd64' }, ...extra });
const name = (): string => `${registry.host}/a/b:1`;
const blobUrl = `/v2/a/b/blobs/${layer.digest}`;

async function failure(promise: Promise<unknown>): Promise<BoxError> {
  const error: unknown = await promise.then(() => new Error('it did not fail'), (thrown: unknown) => thrown);
  if (error instanceof BoxError) return error;
  throw error;
}

function reply(response: ServerResponse, status: number, headers: Readonly<Record<string, string>> = {}, body = ''): true {
  response.writeHead(status, headers).end(body);
  return true;
}

/** Sends a part and breaks the connection. */
function breakAfter(response: ServerResponse, bytes: Uint8Array, start: number, end: number, status = 200): true {
  response.writeHead(status, { 'content-length': String(bytes.length - start), ...(status === 206 ? { 'content-range': `bytes ${String(start)}-${String(bytes.length - 1)}/${String(bytes.length)}` } : {}) });
  response.write(bytes.subarray(start, end), () => response.destroy());
  return true;
}

describe('downloads', () => {
  it('go on where they broke off', async () => {
    registry.answer = ({ url, headers }, response, count) => {
      if (url !== blobUrl || count > 3) return false;
      const start = Number(/bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? '0');
      return breakAfter(response, layerBytes, start, start + 20_000, start === 0 ? 200 : 206);
    };
    await pullImage(name(), options());
    const ranges = registry.requests.filter(({ url }) => url === blobUrl).map(({ headers }) => Number(/bytes=(\d+)-/.exec(headers.range ?? 'bytes=0-')?.[1]));
    expect(ranges).toHaveLength(4);
    expect(ranges).toEqual(ranges.toSorted((a, b) => a - b));
    expect(ranges[3]).toBeGreaterThan(0);
    expect(await store.fsck()).toEqual([]);
  });

  it('go on in the next pull, after one that gave up', async () => {
    registry.answer = ({ url }, response, count) => url === blobUrl && (count === 1 ? breakAfter(response, layerBytes, 0, 50_000) : reply(response, 503));
    const error = await failure(pullImage(name(), options()));
    expect(error.message).toContain('status 503');
    expect(await store.list()).toEqual([]);
    const before = registry.requests.length;
    registry.answer = () => false;
    await pullImage(name(), options());
    const again = registry.requests.slice(before).find(({ url }) => url === blobUrl);
    expect(again?.headers.range).toMatch(/^bytes=[1-9]/);
    expect(await store.fsck()).toEqual([]);
  });

  it('begin again where the server sends the whole although a part was asked for', async () => {
    registry.answer = ({ url }, response, count) => {
      if (url !== blobUrl) return false;
      return count === 1 ? breakAfter(response, layerBytes, 0, 30_000) : (response.writeHead(200, { 'content-length': String(layerBytes.length) }).end(layerBytes), true);
    };
    await pullImage(name(), options());
    expect(await store.fsck()).toEqual([]);
  });

  it('that bring other bytes are refused, and nothing is kept', async () => {
    registry.answer = ({ url }, response) => url === blobUrl && (response.end(Buffer.alloc(layer.size)), true);
    const error = await failure(pullImage(name(), options()));
    expect(error).toMatchObject({ code: 'ERR_TSCBOX_DIGEST_MISMATCH' });
    expect(await store.hasBlob(layer.digest)).toBe(false);
    expect((await store.gc()).freedBytes).toBeGreaterThan(0);
  });

  it('that never end are cut at the size that was told', async () => {
    registry.answer = ({ url }, response) => {
      if (url !== blobUrl) return false;
      const more = (): void => void (response.destroyed || response.write(Buffer.alloc(1 << 16), () => setImmediate(more)));
      more();
      return true;
    };
    expect((await failure(pullImage(name(), options()))).message).toContain(`more than ${String(layer.size)} bytes`);
  });

  it('stop when they are told to', async () => {
    const abort = new AbortController();
    registry.answer = ({ url }) => {
      if (url !== blobUrl) return false;
      abort.abort(new Error('enough'));
      return new Promise(() => undefined);
    };
    await expect(pullImage(name(), options({ signal: abort.signal }))).rejects.toThrow('enough');
  });

  it('are four at a time', async () => {
    const many = makeImage(Array.from({ length: 9 }, (_, index) => ({ file: `layer ${String(index)}` })));
    await registry.close();
    registry = await startFakeRegistry(many);
    const downloads = { running: 0, most: 0 };
    registry.answer = async ({ url }) => {
      if (!url.includes('/blobs/') || url.endsWith(many.manifest.config.digest)) return false;
      downloads.running += 1;
      downloads.most = Math.max(downloads.most, downloads.running);
      for (let turn = 0; turn < 200 && downloads.running < 4; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
      downloads.running -= 1;
      return false;
    };
    await pullImage(name(), options());
    expect(downloads.most).toBeLessThanOrEqual(4);
    expect(downloads.most).toBeGreaterThan(1);
  });
});

describe('failures that pass', () => {
  it('429 is waited for as long as the registry says', async () => {
    registry.answer = ({ url, method }, response, count) => method === 'GET' && url.endsWith('/manifests/1') && count <= 2 && reply(response, 429, { 'retry-after': '7' });
    await pullImage(name(), options());
    expect(waits).toEqual([7000, 7000]);
  });

  it('500 is tried again with longer waits, then told', async () => {
    registry.answer = ({ url }, response) => url.endsWith('/manifests/1') && reply(response, 500, {}, 'oops\u001b[31m');
    const error = await failure(pullImage(name(), options()));
    expect(waits).toHaveLength(DEFAULT_RETRY.attempts - 1);
    expect(error.message).toContain('oops [31m');
    expect(error).toMatchObject({ status: 500, registry: registry.host, repository: 'a/b' });
  });

  it('a registry that asks for too long a wait is not waited for', async () => {
    registry.answer = ({ url }, response) => url.endsWith('/manifests/1') && reply(response, 429, { 'retry-after': '100000' });
    expect(await failure(pullImage(name(), options()))).toMatchObject({ status: 429, hint: expect.stringContaining('wait') as string });
    expect(waits).toEqual([]);
    expect(delayBefore(1, 'Wed, 21 Oct 2015 07:28:00 GMT', DEFAULT_RETRY)).toBe(0);
    expect(delayBefore(6, null, DEFAULT_RETRY)).toBeUndefined();
  });

  it('a registry that is not there is told at once', async () => {
    const { host } = registry;
    await registry.close();
    const error = await failure(pullImage(`${host}/x`, options()));
    expect(error.message).toMatch(/can't reach http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/);
    expect(waits).toEqual([]);
    registry = await startFakeRegistry(image);
  });
});

describe('manifests', () => {
  it('with other bytes than their digest are refused', async () => {
    registry.answer = ({ url }, response) => url.includes('/manifests/') && (response.writeHead(200, { 'content-type': MEDIA_TYPES.ociManifest }).end('{}'), true);
    expect(await failure(pullImage(`${registry.host}/a/b@${image.descriptor.digest}`, options()))).toMatchObject({ code: 'ERR_TSCBOX_DIGEST_MISMATCH' });
  });

  it('of schema 1 are refused by name', async () => {
    registry.answer = ({ url }, response) => url.includes('/manifests/') && reply(response, 200, { 'content-type': MEDIA_TYPES.dockerSchema1Signed }, '{"schemaVersion":1,"fsLayers":[]}');
    expect(await failure(pullImage(name(), options()))).toMatchObject({ code: 'ERR_TSCBOX_UNSUPPORTED', hint: expect.stringContaining('skopeo') as string });
  });

  it('without end are cut', async () => {
    registry.answer = ({ url }, response) => url.includes('/manifests/') && (response.end(Buffer.alloc(5 << 20, 0x20)), true);
    expect((await failure(pullImage(name(), options()))).message).toContain('more than 4194304 bytes');
  });

  it('whose configuration has other layers are refused before these are fetched', async () => {
    const other = makeImage([{ a: '1' }, { b: '2' }]);
    const wrong = Buffer.from(JSON.stringify({ ...image.manifest, config: other.manifest.config }));
    registry.answer = ({ url }, response) => {
      if (url.includes('/manifests/')) return (response.writeHead(200, { 'content-type': MEDIA_TYPES.ociManifest }).end(wrong), true);
      return url.endsWith(other.manifest.config.digest) && (response.end(other.blobs.get(other.manifest.config.digest)), true);
    };
    expect((await failure(pullImage(name(), options()))).message).toContain('names 2 layers, the manifest 1');
    expect(registry.requests.some(({ url }) => url === blobUrl)).toBe(false);
  });

  it('a tag that has moved is fetched again, one that has not only asked for', async () => {
    await pullImage(name(), options());
    const before = registry.requests.length;
    expect((await pullImage(name(), options())).upToDate).toBe(true);
    expect(registry.requests.slice(before).map(({ method }) => method)).toEqual(['HEAD']);
    registry.answer = ({ method, url }, response) => method === 'HEAD' && url.includes('/manifests/') && reply(response, 200, { 'docker-content-digest': sha256(Buffer.from('new')) });
    expect((await pullImage(name(), options())).upToDate).toBe(false);
  });
});

describe('authentication', () => {
  const needToken = (accept: (header: string) => boolean): FakeRegistry['answer'] => ({ url, headers }, response, count) => {
    if (url.startsWith('/token')) return reply(response, 200, { 'content-type': 'application/json' }, JSON.stringify({ token: `t${String(count)}`, expires_in: 300 }));
    if (url === '/v2/' || accept(headers.authorization ?? '')) return false;
    return reply(response, 401, { 'www-authenticate': `Bearer realm="http://${registry.host}/token",service="my, registry",scope="repository:a/b:pull"` }, '{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}');
  };

  it('a token is fetched once without credentials, and used for all', async () => {
    registry.answer = needToken((header) => header === 'Bearer t1');
    await pullImage(name(), options());
    const tokens = registry.requests.filter(({ url }) => url.startsWith('/token'));
    expect(tokens.map(({ url }) => url)).toEqual(['/token?service=my%2C+registry&scope=repository%3Aa%2Fb%3Apull']);
    expect(tokens[0]?.headers.authorization).toBeUndefined();
  });

  it('user and password go to the token server only', async () => {
    registry.answer = needToken((header) => header === 'Bearer t1');
    await pullImage(name(), options({ credentials: async () => ({ kind: 'basic', username: 'me', password: 'pass:word' }) }));
    for (const { url, headers } of registry.requests) {
      if (url.startsWith('/token')) expect(headers.authorization).toBe(`Basic ${Buffer.from('me:pass:word').toString('base64')}`);
      else expect(headers.authorization ?? '').not.toContain('Basic');
    }
  });

  it('a token that has run out is fetched anew', async () => {
    let served = 0;
    registry.answer = needToken((header) => (header === 'Bearer t1' && (served += 1) < 2) || header === 'Bearer t2');
    await pullImage(name(), options());
    expect(registry.requests.filter(({ url }) => url.startsWith('/token')).length).toBe(2);
  });

  it('an identity token is sent by POST', async () => {
    registry.answer = needToken((header) => header === 'Bearer t1');
    await pullImage(name(), options({ credentials: async () => ({ kind: 'token', token: 'refresh me' }) }));
    const request = registry.requests.find(({ url }) => url.startsWith('/token'));
    expect(request?.method).toBe('POST');
    expect(Object.fromEntries(new URLSearchParams(request?.body))).toEqual({ service: 'my, registry', scope: 'repository:a/b:pull', grant_type: 'refresh_token', refresh_token: 'refresh me', client_id: 'tsc-box' });
  });

  it('a token server that is no address is refused', async () => {
    registry.answer = ({ url }, response) => url !== '/v2/' && reply(response, 401, { 'www-authenticate': 'Bearer realm="ftp://203.0.113.1/token"' });
    expect((await failure(pullImage(name(), options()))).message).toContain('which is no address');
  });

  it('a refusal is told with the registry\'s words, and how to log in', async () => {
    registry.answer = ({ url }, response) => url !== '/v2/' && reply(response, 401, { 'www-authenticate': 'Basic realm="x"' }, '{"errors":[{"code":"DENIED","message":"not you"}]}');
    const error = await failure(pullImage(name(), options()));
    expect(error.message).toContain('status 401: DENIED not you');
    expect(error.hint).toContain('docker login');
  });

  it('credentials do not follow a redirect to another origin', async () => {
    const other = await startFakeRegistry(image);
    try {
      registry.answer = ({ url, headers }, response) => {
        if (url === '/v2/') return false;
        if (headers.authorization === undefined) return reply(response, 401, { 'www-authenticate': 'Basic realm="x"' });
        return url.includes('/blobs/') && reply(response, 307, { location: `http://${other.host}${url}?signed=1` });
      };
      other.answer = (request, response) => (request.headers.authorization === undefined ? (response.end(image.blobs.get(/blobs\/([^?]+)/.exec(request.url)?.[1] ?? '')), true) : reply(response, 400));
      await pullImage(name(), options({ credentials: async () => ({ kind: 'basic', username: 'a', password: 'b' }) }));
      expect(other.requests.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
    } finally {
      await other.close();
    }
  });

  it('a redirect away from this machine without TLS is refused, and rings of them end', async () => {
    registry.answer = ({ url }, response) => url.includes('/blobs/') && reply(response, 307, { location: url });
    expect((await failure(pullImage(name(), options()))).message).toContain('more than 5 redirects');
  });

  it('challenges are read as the standard has them', () => {
    expect(parseChallenges('Bearer realm="https://a/b?c,d=\\"e\\"",service=x, Basic realm="y" , Negotiate abc==')).toEqual([
      { scheme: 'bearer', parameters: { realm: 'https://a/b?c,d="e"', service: 'x' } }, { scheme: 'basic', parameters: { realm: 'y' } }, { scheme: 'negotiate', parameters: {} },
    ]);
    expect(parseChallenges('')).toEqual([]);
    expect(parseChallenges('???')).toEqual([]);
  });
});

describe('mirrors', () => {
  it('are asked first, and left where they fail', async () => {
    const mirror = await startFakeRegistry(image);
    try {
      const mirrors = { [registry.host]: [`http://${mirror.host}`] };
      await pullImage(name(), options({ mirrors }));
      expect(registry.requests).toEqual([]);
      expect((await store.list()).map((found) => found.name)).toEqual([name()]);
      mirror.answer = (_, response) => reply(response, 404);
      const warnings: string[] = [];
      await pullImage(`${registry.host}/other:1`, options({ mirrors, onWarning: (text) => void warnings.push(text) }));
      expect(warnings).toEqual([expect.stringContaining(`mirror http://${mirror.host} can't give ${registry.host}/other:1`)]);
      expect(registry.requests.length).toBeGreaterThan(0);
    } finally {
      await mirror.close();
    }
  });
});

describe('uploads', () => {
  it('that fail are begun again, and other answers told', async () => {
    await addFixture(store, name(), image);
    registry.answer = ({ method, url }, response, count) => {
      if (method === 'HEAD') return reply(response, 404);
      return method === 'PUT' && url.startsWith('/upload') && count === 1 && reply(response, 502);
    };
    await pushImage(name(), undefined, common());
    expect(waits).toHaveLength(image.blobs.size - 1);
    registry.answer = ({ method }, response) => (method === 'HEAD' ? reply(response, 404) : method === 'POST' && reply(response, 403, {}, '{"errors":[{"code":"DENIED","message":"read only"}]}'));
    expect((await failure(pushImage(name(), undefined, common()))).message).toContain('status 403: DENIED read only');
  });

  it('are one request with a length, or parts where that is too much', async () => {
    await addFixture(store, name(), image);
    const big = ({ method, url }: { readonly method: string; readonly url: string }): boolean => url.startsWith('/upload') && url.includes(layer.digest.slice(7)) && method === 'PUT';
    registry.answer = ({ method }, response) => method === 'HEAD' && reply(response, 404);
    await pushImage(name(), undefined, common());
    const whole = registry.requests.find(big);
    expect(whole?.headers).toMatchObject({ 'content-length': String(layer.size) });
    expect(whole?.headers['transfer-encoding']).toBeUndefined();
    expect(sha256(Buffer.from(whole?.body ?? '', 'latin1'))).toBe(layer.digest);
    const received: Buffer[] = [];
    registry.answer = (request, response) => {
      if (request.method === 'HEAD') return reply(response, 404);
      if (request.method !== 'PATCH') return big(request) && request.body !== '' && reply(response, 413);
      // Keeps less than it was sent the first time.
      const part = Buffer.from(request.body, 'latin1').subarray(0, received.length === 0 ? 1000 : undefined);
      received.push(part);
      const kept = received.reduce((sum, { length }) => sum + length, 0);
      return reply(response, 202, { location: `/upload/${String(received.length)}`, range: `0-${String(kept - 1)}` });
    };
    await pushImage(name(), undefined, common());
    expect(sha256(Buffer.concat(received))).toBe(layer.digest);
    expect(registry.requests.filter(({ method }) => method === 'PATCH').map(({ headers }) => headers['content-range'])).toEqual([`0-${String(layer.size - 1)}`, `1000-${String(layer.size - 1)}`]);
    expect(waits).toEqual([]);
  });

  it('of a manifest that the registry keeps as another are told', async () => {
    await addFixture(store, name(), image);
    registry.answer = ({ method, url }, response) => method === 'PUT' && url.includes('/manifests/') && reply(response, 201, { 'docker-content-digest': sha256(Buffer.from('x')) });
    expect((await failure(pushImage(name(), undefined, common()))).message).toContain('the registry keeps the manifest as');
  });
});
