/** Requests to one repository of a registry: authentication, redirects, retries. OCI distribution-spec 1.1; Docker Registry HTTP API v2. */
import type { Authenticator, AuthRequest } from './auth.ts';
import { isLoopback, type Endpoint } from './endpoint.ts';
import { connectionFailure, refusal, RegistryError } from './errors.ts';
import { delayBefore, isPassing, type RetryOptions } from './retry.ts';

export interface ClientOptions {
  readonly endpoint: Endpoint;
  /** Empty: the registry itself. */
  readonly repository: string;
  readonly authenticator: Authenticator;
  readonly retry: RetryOptions;
  /** What the user asked for, as errors call it: `pull docker.io/library/debian:latest`. */
  readonly attempted: string;
  readonly actions: 'pull' | 'pull,push';
  readonly signal?: AbortSignal | undefined;
}

/** A body that can be sent again. */
export interface StreamedBody {
  /** Bytes. */
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
}

export interface RequestOptions {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | StreamedBody | undefined;
  /** More than those of the repository, for mounts. */
  readonly scopes?: readonly string[];
  readonly signal?: AbortSignal | undefined;
  /** False for what must not be sent twice. */
  readonly retry?: boolean;
}

export interface RepositoryClient {
  readonly endpoint: Endpoint;
  readonly repository: string;
  readonly attempted: string;
  readonly retry: RetryOptions;
  readonly signal: AbortSignal | undefined;
  /** `path` is below `/v2/REPOSITORY/`, or an absolute address of an upload. Any answer that isn't passing is given back. */
  request(path: string, options?: RequestOptions): Promise<Response>;
  /** The error of an answer that isn't what was hoped for. */
  refusal(response: Response, what: string): Promise<RegistryError>;
  failure(detail: string): RegistryError;
}

const REDIRECTS_MAX = 5;
const USER_AGENT = 'tsc-box';
/** Nothing gets better by waiting. */
const FINAL_ERRORS = /^(ENOTFOUND|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ERR_INVALID_URL|.*CERT.*|ERR_TLS_.*|ERR_SSL_.*|EPROTO|DEPTH_ZERO_.*|SELF_SIGNED_.*|UNABLE_TO_.*)$/;

const CERTIFICATE_ERRORS = /CERT|SELF_SIGNED|UNABLE_TO_/;

/** Bases that answered, by origin: the probe for TLS is made once in a process. */
const bases = new Map<string, Promise<string>>();

export function openRepository(options: ClientOptions): RepositoryClient {
  const { endpoint, repository, attempted, retry } = options;
  return {
    endpoint, repository, attempted, retry, signal: options.signal,
    request: (path, request = {}) => requestWithRetries(options, path, request),
    refusal: (response, what) => refusal(response, what === '' ? attempted : `${attempted}: ${what}`, endpoint.registry, repository),
    failure: (detail) => new RegistryError({ attempted, registry: endpoint.registry, repository, detail }),
  };
}

async function requestWithRetries(client: ClientOptions, path: string, request: RequestOptions): Promise<Response> {
  const { retry, endpoint, repository, attempted } = client;
  const signal = request.signal ?? client.signal;
  for (let attempt = 1; ; attempt += 1) {
    let delay: number | undefined;
    let url = endpoint.origin;
    try {
      url = await addressOf(client, path);
      const response = await requestOnce(client, url, request);
      if (!isPassing(response.status)) return response;
      delay = request.retry === false ? undefined : delayBefore(attempt, response.headers.get('retry-after'), retry);
      if (delay === undefined) return response;
      await response.body?.cancel();
    } catch (error) {
      if (error instanceof RegistryError || signal?.aborted === true) throw error;
      delay = request.retry === false || isFinal(error) ? undefined : delayBefore(attempt, null, retry);
      if (delay === undefined) throw connectionFailure(error, attempted, endpoint.registry, repository, url);
    }
    await retry.sleep(delay, signal);
  }
}

function errnoOfFetch(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? '') : '';
}

export const isFinal = (error: unknown): boolean => FINAL_ERRORS.test(errnoOfFetch(error));

async function addressOf({ endpoint, repository, signal }: ClientOptions, path: string): Promise<string> {
  const base = await baseOf(endpoint, signal);
  if (!/^https?:\/\//.test(path)) return repository === '' ? `${base}/v2/${path}` : `${base}/v2/${repository}/${path}`;
  // Registries behind a proxy that ends TLS give addresses without it.
  const url = new URL(path);
  if (url.protocol === 'http:' && base.startsWith('https:') && url.hostname === new URL(base).hostname) return `${base}${url.pathname}${url.search}`;
  return path;
}

function baseOf({ origin, plainOrigin }: Endpoint, signal: AbortSignal | undefined): string | Promise<string> {
  if (plainOrigin === undefined) return origin;
  const known = bases.get(origin) ?? probe(origin, plainOrigin, signal);
  bases.set(origin, known);
  return known;
}

/** TLS where the registry has it, plain HTTP where that is allowed and TLS is not spoken. What does not answer at all is asked again next time. */
async function probe(origin: string, plainOrigin: string, signal: AbortSignal | undefined): Promise<string> {
  for (const base of [origin, plainOrigin]) {
    try {
      const response = await fetch(`${base}/v2/`, { redirect: 'manual', signal: signal ?? null });
      await response.body?.cancel();
      return base;
    } catch (error) {
      if (signal?.aborted === true) {
        bases.delete(origin);
        throw error;
      }
      // It speaks TLS: going on without would hide what is wrong.
      if (CERTIFICATE_ERRORS.test(errnoOfFetch(error))) return base;
    }
  }
  bases.delete(origin);
  return plainOrigin;
}

async function requestOnce(client: ClientOptions, url: string, request: RequestOptions): Promise<Response> {
  const { authenticator } = client;
  const auth: AuthRequest = {
    registry: client.endpoint.registry, repository: client.repository, attempted: client.attempted, plain: client.endpoint.plainOrigin !== undefined || client.endpoint.origin.startsWith('http:'), signal: request.signal ?? client.signal,
    scopes: [...(client.repository === '' ? [] : [`repository:${client.repository}:${client.actions}`]), ...(request.scopes ?? [])],
  };
  // An address elsewhere, such as an upload to a bucket, gets no credentials.
  const own = new URL(url).origin === new URL(await baseOf(client.endpoint, auth.signal)).origin;
  const first = await follow(client, url, request, own ? authenticator.header(auth) : undefined);
  if (first.status !== 401 || !own) return first;
  const header = await authenticator.answer(first, auth);
  if (header === undefined) return first;
  await first.body?.cancel();
  return follow(client, url, request, header);
}

/** `duplex`: Node's fetch wants it said that a stream is sent before the answer is read. */
function bodyOf(body: Uint8Array | StreamedBody | undefined): RequestInit {
  if (body === undefined) return { body: null };
  if (!('open' in body)) return { body: body as Uint8Array<ArrayBuffer> };
  return { body: ReadableStream.from(body.open()) as RequestInit['body'], duplex: 'half' } as RequestInit;
}

/** Redirects of downloads. Credentials stay with the origin they were for, and TLS is not left. */
async function follow(client: ClientOptions, start: string, { method = 'GET', headers = {}, body, signal }: RequestOptions, authorization: string | undefined): Promise<Response> {
  let url = start;
  for (let redirects = 0; ; redirects += 1) {
    const own = new URL(url).origin === new URL(start).origin;
    const response = await fetch(url, {
      method, redirect: 'manual', signal: signal ?? client.signal ?? null, ...bodyOf(body),
      headers: { 'user-agent': USER_AGENT, ...headers, ...(body !== undefined && 'open' in body ? { 'content-length': String(body.size) } : {}), ...(authorization !== undefined && own ? { authorization } : {}) },
    });
    const location = response.headers.get('location');
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null || (method !== 'GET' && method !== 'HEAD')) return response;
    await response.body?.cancel();
    const next = new URL(location, url);
    const fail = (detail: string): RegistryError => new RegistryError({ attempted: client.attempted, registry: client.endpoint.registry, repository: client.repository, status: response.status, detail });
    if (redirects === REDIRECTS_MAX) throw fail(`more than ${String(REDIRECTS_MAX)} redirects, the last to ${next.origin}`);
    if (next.protocol !== 'https:' && !(next.protocol === 'http:' && (url.startsWith('http:') || isLoopback(next.hostname)))) throw fail(`it leads from ${new URL(url).origin} to ${next.origin}, without TLS`);
    url = next.href;
  }
}
