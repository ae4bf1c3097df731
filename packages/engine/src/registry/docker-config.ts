/** Credentials as docker and podman keep them: config.json (docker login), containers-auth.json(5), docker-credential-* helpers. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { BoxError } from '@tsc-box/model';

export type Credentials =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  /** An OAuth2 refresh token. */
  | { readonly kind: 'token'; readonly token: string };

export type CredentialSource = (registry: string, repository: string) => Promise<Credentials | undefined>;

/** The key of docker.io in these files. */
export const HUB = 'https://index.docker.io/v1/';
const HELPER_MS_MAX = 60_000;
const HELPER_BYTES_MAX = 1 << 20;
const CONFIG_BYTES_MAX = 1 << 20;

interface AuthEntry {
  readonly auth?: unknown;
  readonly username?: unknown;
  readonly password?: unknown;
  readonly identitytoken?: unknown;
}

interface ConfigFile {
  readonly path: string;
  readonly auths: Readonly<Record<string, AuthEntry>>;
  readonly credHelpers: Readonly<Record<string, string>>;
  readonly credsStore: string | undefined;
}

/** Files are read when credentials are first asked for: those that `env` names, in the order of preference. */
export function dockerCredentials(env: Readonly<Record<string, string | undefined>>): CredentialSource {
  let files: Promise<readonly ConfigFile[]> | undefined;
  return async (registry, repository) => {
    files ??= readConfigs(env);
    for (const file of await files) {
      const found = await lookUp(file, registry, repository, env);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

async function readConfigs(env: Readonly<Record<string, string | undefined>>): Promise<readonly ConfigFile[]> {
  const { HOME, DOCKER_CONFIG, XDG_RUNTIME_DIR, REGISTRY_AUTH_FILE, XDG_CONFIG_HOME } = env;
  const config = XDG_CONFIG_HOME ?? (HOME === undefined ? undefined : `${HOME}/.config`);
  const docker = DOCKER_CONFIG ?? (HOME === undefined ? undefined : `${HOME}/.docker`);
  const paths = REGISTRY_AUTH_FILE !== undefined && REGISTRY_AUTH_FILE !== ''
    ? [REGISTRY_AUTH_FILE]
    : [docker && `${docker}/config.json`, XDG_RUNTIME_DIR && `${XDG_RUNTIME_DIR}/containers/auth.json`, config && `${config}/containers/auth.json`];
  const files = await Promise.all(paths.filter((path): path is string => path !== undefined && path !== '').map(readConfig));
  return files.filter((file) => file !== undefined);
}

async function readConfig(path: string): Promise<ConfigFile | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code;
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    throw configError(path, errno ?? String(error), error);
  }
  if (text.length > CONFIG_BYTES_MAX) throw configError(path, `it has ${String(text.length)} characters`);
  try {
    const { auths, credHelpers, credsStore } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    return { path, auths: asRecord(auths) as Readonly<Record<string, AuthEntry>>, credHelpers: asRecord(credHelpers) as Readonly<Record<string, string>>, credsStore: typeof credsStore === 'string' && credsStore !== '' ? credsStore : undefined };
  } catch (error) {
    throw configError(path, `it is no JSON: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

const asRecord = (value: unknown): Readonly<Record<string, unknown>> => (typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {});

const configError = (path: string, detail: string, cause?: unknown): BoxError => new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `read credentials in "${path}"`, detail, path, cause });

async function lookUp({ path, auths, credHelpers, credsStore }: ConfigFile, registry: string, repository: string, env: Readonly<Record<string, string | undefined>>): Promise<Credentials | undefined> {
  const server = registry === 'docker.io' ? HUB : registry;
  const helper = Object.hasOwn(credHelpers, registry) ? credHelpers[registry] : Object.hasOwn(credHelpers, server) ? credHelpers[server] : credsStore;
  if (helper !== undefined && helper !== '') {
    const found = await askHelper(helper, server, path, env);
    if (found !== undefined) return found;
  }
  for (const key of keysFor(registry, repository)) {
    const entry = Object.entries(auths).find(([name]) => name === key || hostOf(name) === key)?.[1];
    const found = entry === undefined ? undefined : credentialsOf(entry, registry, path);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The most special first: podman keeps credentials for parts of a registry too. */
function keysFor(registry: string, repository: string): readonly string[] {
  const parts = repository.split('/');
  const scoped = parts.map((_, index) => `${registry}/${parts.slice(0, parts.length - index).join('/')}`);
  return [...scoped, registry, ...(registry === 'docker.io' ? [HUB, 'index.docker.io', 'registry-1.docker.io'] : [])];
}

/** docker's older keys are addresses: `https://registry.example.com/v1/`. */
function hostOf(key: string): string | undefined {
  const match = /^https?:\/\/([^/]+)(?:\/(?:v[12]\/?)?)?$/.exec(key);
  return match?.[1];
}

function credentialsOf({ auth, username, password, identitytoken }: AuthEntry, registry: string, path: string): Credentials | undefined {
  if (typeof identitytoken === 'string' && identitytoken !== '') return { kind: 'token', token: identitytoken };
  if (typeof username === 'string' && username !== '' && typeof password === 'string') return { kind: 'basic', username, password };
  if (typeof auth !== 'string' || auth === '') return undefined;
  const decoded = Buffer.from(auth, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon < 0) throw configError(path, `the "auth" of ${registry} is no base64 of USER:PASSWORD`);
  // Some dockers padded with NUL.
  return { kind: 'basic', username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, '') };
}

/** `docker-credential-NAME get` with the server on its standard input: github.com/docker/docker-credential-helpers. Never through a shell. */
async function askHelper(name: string, server: string, path: string, env: Readonly<Record<string, string | undefined>>): Promise<Credentials | undefined> {
  const program = helperProgram(name, path);
  const { status, output, failure } = await runHelper(program, 'get', `${server}\n`, env);
  const fail = (detail: string): BoxError => new BoxError({ code: 'ERR_TSCBOX_REGISTRY', attempted: `ask ${program} for the credentials of ${server}`, detail, hint: `it is named in ${path}` });
  if (failure !== undefined) throw fail(failure);
  if (status !== 0) {
    if (/credentials not found/i.test(output)) return undefined;
    throw fail(`it ended with status ${String(status)}: ${output.trim().slice(0, 200)}`);
  }
  let answer: { readonly Username?: unknown; readonly Secret?: unknown };
  try {
    answer = JSON.parse(output) as typeof answer;
  } catch (error) {
    throw fail(`its answer is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const { Username: username, Secret: secret } = answer;
  if (typeof username !== 'string' || typeof secret !== 'string' || secret === '') return undefined;
  return username === '<token>' ? { kind: 'token', token: secret } : { kind: 'basic', username, password: secret };
}

/** @throws BoxError for a name that could be a path */
export function helperProgram(name: string, path: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) throw configError(path, `found the credential helper ${JSON.stringify(name)}, allowed: letters, digits, ".", "_" and "-"`);
  return `docker-credential-${name}`;
}

export interface HelperResult {
  readonly status: number;
  readonly output: string;
  /** Why it could not be asked. */
  readonly failure?: string;
}

/** `verb`: get, store or erase. */
export function runHelper(program: string, verb: 'get' | 'store' | 'erase', input: string, env: Readonly<Record<string, string | undefined>>): Promise<HelperResult> {
  return new Promise((resolve) => {
    const child = spawn(program, [verb], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...env }, timeout: HELPER_MS_MAX, killSignal: 'SIGKILL' });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.length > HELPER_BYTES_MAX) child.kill('SIGKILL');
    });
    child.on('error', (error: NodeJS.ErrnoException) => resolve({ status: -1, output: '', failure: error.code === 'ENOENT' ? 'there is no such program in PATH' : error.message }));
    child.on('close', (code, signal) => resolve(signal === null ? { status: code ?? -1, output } : { status: -1, output, failure: `it was killed by ${signal} after more than ${String(HELPER_MS_MAX / 1000)} s or too much output` }));
    // A helper that doesn't read its input is not our failure.
    child.stdin.on('error', () => undefined).end(input);
  });
}
