/** `login` and `logout`: credentials are tried at the registry, and kept where docker keeps them. docs.docker.com "docker login". */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BoxError } from '@tsc-box/model';
import { openRepository } from './client.ts';
import { helperProgram, HUB, runHelper, type Credentials } from './docker-config.ts';
import { endpointOf } from './endpoint.ts';
import { connectionOf, type RegistryOptions } from './options.ts';

export interface LoginResult {
  /** Where they are kept: a file, or `docker-credential-NAME`. */
  readonly kept: string;
  /** They lie in the file as base64, which everybody can read who can read the file. */
  readonly plain: boolean;
}

type Env = Readonly<Record<string, string | undefined>>;

/** @throws RegistryError when the registry refuses them; BoxError when they can't be kept */
export async function login(registry: string, credentials: Credentials & { readonly kind: 'basic' }, options: RegistryOptions = {}): Promise<LoginResult> {
  const attempted = `log in to ${registry}`;
  const client = openRepository({
    endpoint: endpointOf(registry, options.plainHttp ?? []), repository: '', attempted, actions: 'pull', ...connectionOf({ ...options, credentials: () => Promise.resolve(credentials) }),
  });
  const response = await client.request('');
  if (response.status !== 200) throw await client.refusal(response, '');
  await response.body?.cancel();
  return keep(registry, credentials, options.env ?? process.env);
}

/** @returns where they were; undefined when there were none. */
export async function logout(registry: string, options: RegistryOptions = {}): Promise<string | undefined> {
  const env = options.env ?? process.env;
  const path = configPath(env);
  const config = await readConfig(path);
  const server = serverOf(registry);
  const helper = helperOf(config, registry, server);
  const auths = recordOf(config['auths']);
  const keys = Object.keys(auths).filter((key) => key === server || key === registry);
  if (helper !== undefined) await tellHelper(helper, 'erase', `${server}\n`, { path, env, server });
  if (keys.length === 0) return helper === undefined ? undefined : helperProgram(helper, path);
  await writeConfig(path, { ...config, auths: Object.fromEntries(Object.entries(auths).filter(([key]) => !keys.includes(key))) });
  return path;
}

async function keep(registry: string, { username, password }: { readonly username: string; readonly password: string }, env: Env): Promise<LoginResult> {
  const path = configPath(env);
  const config = await readConfig(path);
  const server = serverOf(registry);
  const helper = helperOf(config, registry, server);
  const auths = recordOf(config['auths']);
  if (helper !== undefined) {
    await tellHelper(helper, 'store', JSON.stringify({ ServerURL: server, Username: username, Secret: password }), { path, env, server });
    await writeConfig(path, { ...config, auths: { ...auths, [server]: {} } });
    return { kept: helperProgram(helper, path), plain: false };
  }
  await writeConfig(path, { ...config, auths: { ...auths, [server]: { auth: Buffer.from(`${username}:${password}`).toString('base64') } } });
  return { kept: path, plain: true };
}

const serverOf = (registry: string): string => (registry === 'docker.io' ? HUB : registry);

/** podman's file where it is named, else docker's. */
function configPath({ REGISTRY_AUTH_FILE, DOCKER_CONFIG, HOME }: Env): string {
  if (REGISTRY_AUTH_FILE !== undefined && REGISTRY_AUTH_FILE !== '') return REGISTRY_AUTH_FILE;
  if (DOCKER_CONFIG !== undefined && DOCKER_CONFIG !== '') return `${DOCKER_CONFIG}/config.json`;
  if (HOME === undefined || HOME === '') throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: 'keep credentials', detail: 'neither DOCKER_CONFIG nor HOME is set', hint: 'set REGISTRY_AUTH_FILE to a file' });
  return `${HOME}/.docker/config.json`;
}

type Config = Readonly<Record<string, unknown>>;

const recordOf = (value: unknown): Readonly<Record<string, unknown>> => (typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {});

function helperOf(config: Config, registry: string, server: string): string | undefined {
  const helpers = recordOf(config['credHelpers']);
  const found = helpers[registry] ?? helpers[server] ?? config['credsStore'];
  return typeof found === 'string' && found !== '' ? found : undefined;
}

/** What is not understood in it stays. @throws BoxError for a file that is no JSON: it would be lost. */
async function readConfig(path: string): Promise<Config> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw failure('read', path, error);
  }
  if (text.trim() === '') return {};
  try {
    const config: unknown = JSON.parse(text);
    if (typeof config === 'object' && config !== null && !Array.isArray(config)) return { ...config };
  } catch (error) {
    throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `read credentials in "${path}"`, detail: `it is no JSON: ${error instanceof Error ? error.message : String(error)}`, path, cause: error });
  }
  throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `read credentials in "${path}"`, detail: 'found no JSON object', path });
}

/** Whole or not at all, and for this user only. */
async function writeConfig(path: string, config: Config): Promise<void> {
  const temporary = `${path}.${String(process.pid)}.new`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await rm(temporary, { force: true });
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(config, undefined, '\t')}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw failure('write', path, error);
  }
}

function failure(verb: 'read' | 'write', path: string, error: unknown): BoxError {
  return new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `${verb} credentials in "${path}"`, errno: (error as NodeJS.ErrnoException).code, path, cause: error });
}

interface HelperCall {
  readonly path: string;
  readonly env: Env;
  readonly server: string;
}

async function tellHelper(name: string, verb: 'store' | 'erase', input: string, { path, env, server }: HelperCall): Promise<void> {
  const program = helperProgram(name, path);
  const { status, output, failure: why } = await runHelper(program, verb, input, env);
  // Nothing to erase is as good as erased.
  if (why === undefined && (status === 0 || (verb === 'erase' && /credentials not found/i.test(output)))) return;
  throw new BoxError({ code: 'ERR_TSCBOX_REGISTRY', attempted: `${verb === 'store' ? 'keep' : 'erase'} the credentials of ${server} by ${program}`, detail: why ?? `it ended with status ${String(status)}: ${output.trim().slice(0, 200)}`, hint: `it is named in ${path}` });
}
