/** Tokens of registries: distribution's token authentication (docs/spec/auth), and plain basic. */
import { parseChallenges, type Challenge } from './challenge.ts';
import type { Credentials, CredentialSource } from './docker-config.ts';
import { connectionFailure, refusal, RegistryError } from './errors.ts';
import { isLoopback } from './endpoint.ts';

/** Milliseconds. Where a token's life isn't told it is a minute (docs/spec/auth/token.md); it is fetched again a little before its end. */
const TOKEN_MS_DEFAULT = 60_000;
const TOKEN_MS_MARGIN = 10_000;
const TOKEN_BYTES_MAX = 1 << 20;

export interface AuthRequest {
  readonly registry: string;
  readonly repository: string;
  /** As errors call it. */
  readonly attempted: string;
  /** `repository:NAME:pull`. */
  readonly scopes: readonly string[];
  /** Whether the registry itself is spoken to without TLS. */
  readonly plain: boolean;
  readonly signal?: AbortSignal | undefined;
}

interface Cached {
  readonly header: string;
  readonly until: number;
}

export interface Authenticator {
  /** What is known to be needed. */
  header(request: AuthRequest): string | undefined;
  /** Answers a 401. Undefined when there is nothing else to try. @throws RegistryError */
  answer(response: Response, request: AuthRequest): Promise<string | undefined>;
}

export function authenticator(credentials: CredentialSource): Authenticator {
  const cache = new Map<string, Cached>();
  const pending = new Map<string, Promise<string | undefined>>();
  const keyOf = ({ registry, scopes }: AuthRequest): string => `${registry} ${scopes.join(' ')}`;
  return {
    header(request) {
      const found = cache.get(keyOf(request)) ?? cache.get(`${request.registry} basic`);
      return found !== undefined && found.until > Date.now() ? found.header : undefined;
    },
    async answer(response, request) {
      const challenges = parseChallenges(response.headers.get('www-authenticate') ?? '');
      const key = keyOf(request);
      // Parallel downloads meet the end of a token at the same time.
      const running = pending.get(key) ?? respond(challenges, request, credentials, cache, key).finally(() => pending.delete(key));
      pending.set(key, running);
      return running;
    },
  };
}

async function respond(challenges: readonly Challenge[], request: AuthRequest, source: CredentialSource, cache: Map<string, Cached>, key: string): Promise<string | undefined> {
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
  const found = await source(request.registry, request.repository);
  if (bearer !== undefined) {
    const { token, lifeMs } = await fetchToken(bearer, request, found);
    cache.set(key, { header: `Bearer ${token}`, until: Date.now() + lifeMs });
    return `Bearer ${token}`;
  }
  if (challenges.some(({ scheme }) => scheme === 'basic') && found?.kind === 'basic') {
    const header = basic(found);
    cache.set(`${request.registry} basic`, { header, until: Infinity });
    return header;
  }
  return undefined;
}

const basic = ({ username, password }: { readonly username: string; readonly password: string }): string => `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

async function fetchToken({ parameters }: Challenge, request: AuthRequest, credentials: Credentials | undefined): Promise<{ readonly token: string; readonly lifeMs: number }> {
  const url = realmOf(parameters['realm'], request, credentials);
  const scopes = request.scopes.length > 0 ? request.scopes : (parameters['scope'] ?? '').split(' ').filter((scope) => scope !== '');
  const fields: [string, string][] = [...(parameters['service'] === undefined ? [] : [['service', parameters['service']] as [string, string]]), ...scopes.map((scope): [string, string] => ['scope', scope])];
  const response = credentials?.kind === 'token' ? await postToken(url, fields, credentials.token, request) : await getToken(url, fields, credentials, request);
  if (!response.ok) throw await refusal(response, `${request.attempted}: get a token from ${url.origin}`, request.registry, request.repository);
  return readToken(response, request, url);
}

/** Credentials never leave without TLS, unless the registry was asked for without it. */
function realmOf(realm: string | undefined, request: AuthRequest, credentials: Credentials | undefined): URL {
  const fail = (detail: string): RegistryError => new RegistryError({ attempted: request.attempted, registry: request.registry, repository: request.repository, detail });
  const url = realm === undefined ? undefined : URL.canParse(realm) ? new URL(realm) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) throw fail(`${request.registry} asks for a token from ${JSON.stringify(realm)}, which is no address`);
  if (url.protocol === 'http:' && credentials !== undefined && !request.plain && !isLoopback(url.hostname)) throw fail(`${request.registry} wants the credentials sent to ${url.origin}, without TLS`);
  return url;
}

function getToken(realm: URL, fields: readonly [string, string][], credentials: Credentials | undefined, request: AuthRequest): Promise<Response> {
  const url = new URL(realm);
  for (const [name, value] of fields) url.searchParams.append(name, value);
  if (credentials?.kind === 'basic') url.searchParams.append('account', credentials.username);
  return send(url, { headers: credentials?.kind === 'basic' ? { authorization: basic(credentials) } : {} }, request);
}

/** OAuth2: docs/spec/auth/oauth.md. */
function postToken(url: URL, fields: readonly [string, string][], token: string, request: AuthRequest): Promise<Response> {
  const scopes = fields.filter(([name]) => name === 'scope').map(([, value]) => value).join(' ');
  const body = new URLSearchParams([...fields.filter(([name]) => name !== 'scope'), ['scope', scopes], ['grant_type', 'refresh_token'], ['refresh_token', token], ['client_id', 'tsc-box']]);
  return send(url, { method: 'POST', body, headers: {} }, request);
}

async function send(url: URL, init: RequestInit, { attempted, registry, repository, signal }: AuthRequest): Promise<Response> {
  try {
    // A token server that redirects could lead the credentials elsewhere.
    return await fetch(url, { ...init, redirect: 'error', signal: signal ?? null });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw connectionFailure(error, `${attempted}: get a token`, registry, repository, url.href);
  }
}

async function readToken(response: Response, { attempted, registry, repository }: AuthRequest, url: URL): Promise<{ readonly token: string; readonly lifeMs: number }> {
  const fail = (detail: string): RegistryError => new RegistryError({ attempted, registry, repository, detail: `the answer of ${url.origin} ${detail}` });
  const text = await response.text();
  if (text.length > TOKEN_BYTES_MAX) throw fail(`has ${String(text.length)} characters`);
  let answer: Readonly<Record<string, unknown>>;
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    throw fail('is no JSON');
  }
  const token = answer['token'] ?? answer['access_token'];
  if (typeof token !== 'string' || token === '' || /[^\x21-\x7e]/.test(token)) throw fail('holds no token');
  const seconds = answer['expires_in'];
  const lifeMs = typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : TOKEN_MS_DEFAULT;
  return { token, lifeMs: Math.max(lifeMs / 2, lifeMs - TOKEN_MS_MARGIN) };
}
