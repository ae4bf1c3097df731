/** `exec`: one more process in a container. docs.docker.com "docker exec". */
import { UsageError } from '../errors/box-error.ts';
import { CAPABILITY_NUMBERS } from '../spec/capabilities.ts';
import type { Spec, SpecProcess } from '../spec/spec.ts';
import { resolveUser } from '../spec/users.ts';
import { capabilitySets } from './capabilities.ts';
import { imageEnv, mergeEnv, parseEnvFile, parseEnvOption, type EnvEntry } from './env.ts';
import { cleanPath, resolvePath } from './paths.ts';
import type { OptionContext } from './run-options.ts';

/** Raw values of the flags of `exec`. */
export interface ExecOptions {
  readonly user?: string;
  readonly env?: readonly string[];
  readonly envFiles?: readonly string[];
  readonly workdir?: string;
  readonly terminal?: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly privileged?: boolean;
}

export type ExecContext = Pick<OptionContext, 'facts' | 'hostEnv' | 'cwd' | 'readHostFile' | 'readRootFile'>;

/**
 * The process that `exec` starts: environment, working directory, limits and rights are the container's own but for what is given.
 * A user is looked up in the container's own files, and HOME is that user's unless the container's was set to something else
 * (runc#4688); without one it is the container's user (podman#25610).
 * @throws UsageError; BoxError ERR_TSCBOX_USER_NOT_FOUND
 */
export function execProcess(container: Spec, command: readonly string[], options: ExecOptions, context: ExecContext): SpecProcess {
  if (command.length === 0) throw new UsageError({ attempted: 'choose the command', detail: 'found none, allowed: a command after the container', hint: 'name one: tsc-box exec … CONTAINER COMMAND' });
  const own: SpecProcess = container.process ?? { cwd: '/', user: { uid: 0, gid: 0 } };
  const files = { passwd: context.readRootFile('/etc/passwd'), group: context.readRootFile('/etc/group') };
  const given = options.user === undefined || options.user === '' ? undefined : resolveUser(options.user, files);
  const single = container.linux?.gidMappings?.length === 1 && container.linux.gidMappings[0]?.size === 1;
  const mapped = (id: number): boolean => container.linux?.gidMappings?.some((map) => id >= map.containerID && id < map.containerID + map.size) ?? true;
  const user = given === undefined ? own.user : {
    uid: given.uid, gid: given.gid,
    ...(single ? {} : { additionalGids: [...new Set([given.gid, ...given.groups.filter(mapped)])] }),
    ...(given.username === undefined ? {} : { username: given.username }),
    ...(own.user.umask === undefined ? {} : { umask: own.user.umask }),
  };
  const ownHome = resolveUser(String(own.user.uid), files).home;
  const env = buildExecEnv(own, options, context, given === undefined || given.uid === own.user.uid ? undefined : { from: ownHome, to: given.home });
  const names = options.privileged === true ? Object.keys(CAPABILITY_NUMBERS) : (own.capabilities?.bounding ?? []);
  const { consoleSize: _size, terminal: _terminal, ...rest } = own;
  return {
    ...rest, args: command, user, env, cwd: chooseWorkdir(options.workdir, own.cwd), terminal: options.terminal === true,
    ...(options.terminal === true && options.consoleSize !== undefined ? { consoleSize: options.consoleSize } : {}),
    capabilities: options.privileged !== true && user.uid === own.user.uid && own.capabilities !== undefined ? own.capabilities : capabilitySets(names, user.uid),
    ...(options.privileged === true ? { noNewPrivileges: false } : {}),
  };
}

function chooseWorkdir(given: string | undefined, own: string): string {
  if (given === undefined || given === '') return own;
  if (!given.startsWith('/')) throw new UsageError({ attempted: 'read --workdir', detail: `found "${given}", allowed: an absolute path in the container` });
  return cleanPath(given);
}

function buildExecEnv(own: SpecProcess, options: ExecOptions, context: ExecContext, home: { readonly from: string; readonly to: string } | undefined): string[] {
  const fromFiles = (options.envFiles ?? []).flatMap((file) => readFile(file, context));
  const fromFlags = (options.env ?? []).map((text) => parseEnvOption(text, context.hostEnv));
  const inherited = imageEnv(own.env ?? []).map((entry): EnvEntry => (home !== undefined && entry.name === 'HOME' && entry.value === home.from ? { ...entry, value: home.to } : entry));
  const term: EnvEntry[] = options.terminal === true && !inherited.some(({ name }) => name === 'TERM') ? [{ name: 'TERM', value: 'xterm' }] : [];
  return mergeEnv(inherited, term, fromFiles, fromFlags);
}

function readFile(file: string, context: ExecContext): EnvEntry[] {
  const path = resolvePath(context.cwd, file);
  const text = context.readHostFile(path);
  if (text === undefined) throw new UsageError({ attempted: `read the env file "${path}"`, path, detail: 'found no such file' });
  return parseEnvFile(text, path, context.hostEnv);
}
