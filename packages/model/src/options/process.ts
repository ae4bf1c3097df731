/** The process of the container: command, environment, user, working directory. docs.docker.com "Running containers", "Overriding image defaults". */
import { UnsupportedError, UsageError } from '../errors/box-error.ts';
import type { ImageRunConfig } from '../spec/image-config.ts';
import type { SpecUser } from '../spec/spec.ts';
import { resolveGroup, resolveUser } from '../spec/users.ts';
import { imageEnv, mergeEnv, parseEnvFile, parseEnvOption, type EnvEntry } from './env.ts';
import { isSingleId, type IdMaps } from './namespaces.ts';
import { parseOctal } from './numbers.ts';
import { cleanPath, resolvePath } from './paths.ts';
import type { OptionContext, RunOptions } from './run-options.ts';

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * `--entrypoint` replaces the image's and takes its Cmd away; an empty one takes both away; a command replaces Cmd only.
 * @throws UsageError when nothing is left to run.
 */
export function chooseCommand(options: RunOptions, command: readonly string[], config: ImageRunConfig | undefined): readonly string[] {
  const given = options.entrypoint;
  const entrypoint = given === undefined ? (config?.Entrypoint ?? []) : given === '' ? [] : [given];
  const rest = command.length > 0 || given !== undefined ? command : (config?.Cmd ?? []);
  const args = [...entrypoint, ...rest];
  if (args.length > 0) return args;
  throw new UsageError({ attempted: 'choose the command', detail: 'found none, allowed: a command after the image, or an image with Entrypoint or Cmd', hint: 'name one: tsc-box run … IMAGE COMMAND' });
}

export interface WorkingDirectory {
  readonly cwd: string;
  /** The image's own: made where it is missing (podman#9040). */
  readonly create: boolean;
}

/** @throws UsageError for a relative `-w`. */
export function chooseCwd(options: RunOptions, config: ImageRunConfig | undefined): WorkingDirectory {
  const given = options.workdir;
  if (given !== undefined && given !== '') {
    if (!given.startsWith('/')) throw new UsageError({ attempted: 'read --workdir', detail: `found "${given}", allowed: an absolute path in the container` });
    return { cwd: cleanPath(given), create: false };
  }
  const own = config?.WorkingDir ?? '';
  return own === '' ? { cwd: '/', create: false } : { cwd: cleanPath(`/${own}`), create: true };
}

export interface ChosenUser {
  readonly user: SpecUser;
  readonly home: string;
}

/**
 * `--user` or the image's, looked up in the container's own files, and `--group-add`.
 * @throws BoxError ERR_TSCBOX_USER_NOT_FOUND; UnsupportedError for groups where the user namespace has one id.
 */
export function chooseUser(options: RunOptions, config: ImageRunConfig | undefined, idMaps: IdMaps | undefined, context: OptionContext): ChosenUser {
  const text = options.user ?? config?.User;
  const files = { passwd: context.readRootFile('/etc/passwd'), group: context.readRootFile('/etc/group') };
  const { uid, gid, groups, home, username } = resolveUser(text, files);
  const single = isSingleId(idMaps);
  const added = (options.groupAdd ?? []).map((group) => resolveGroup(group, files.group));
  if (single && added.length > 0) {
    throw new UnsupportedError({
      attempted: `read --group-add ${(options.groupAdd ?? []).join(' ')}`, detail: 'a user namespace with one id has no supplementary groups (user_namespaces(7))',
      hint: 'give your user ranges in /etc/subuid and /etc/subgid (usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME) and install newuidmap (package uidmap)',
    });
  }
  const mapped = (id: number): boolean => idMaps === undefined || idMaps.gidMappings.some((map) => id >= map.containerID && id < map.containerID + map.size);
  // The primary group is listed too, so that a set-group-ID program can't take it away from the process (moby CVE-2022-36109).
  const additionalGids = single ? [] : [...new Set([gid, ...groups.filter(mapped), ...added])];
  return {
    user: {
      uid, gid,
      ...(options.umask === undefined ? {} : { umask: parseOctal(options.umask, '--umask', 0o777) }),
      ...(additionalGids.length === 0 ? {} : { additionalGids }),
      ...(username === undefined ? {} : { username }),
    },
    home,
  };
}

/**
 * Docker's own variables, the image's, those of files, then `-e`: later ones win. HOME comes from passwd unless it is set; set to nothing counts as not set (runc#4688).
 * @throws UsageError for names that are none and files that are not there.
 */
export function buildEnv(options: RunOptions, config: ImageRunConfig | undefined, hostname: string | undefined, home: string, context: OptionContext): string[] {
  const own: EnvEntry[] = [{ name: 'PATH', value: DEFAULT_PATH }];
  if (hostname !== undefined) own.push({ name: 'HOSTNAME', value: hostname });
  if (options.terminal === true) own.push({ name: 'TERM', value: 'xterm' });
  const fromFiles = (options.envFiles ?? []).flatMap((file) => readEnvFile(file, context));
  const fromFlags = (options.env ?? []).map((text) => parseEnvOption(text, context.hostEnv));
  const env = mergeEnv(own, imageEnv(config?.Env ?? []), fromFiles, fromFlags);
  const hasHome = env.some((entry) => entry.startsWith('HOME=') && entry !== 'HOME=');
  return hasHome ? env : [...env.filter((entry) => entry !== 'HOME='), `HOME=${home}`];
}

function readEnvFile(file: string, context: OptionContext): EnvEntry[] {
  const path = resolvePath(context.cwd, file);
  const text = context.readHostFile(path);
  if (text === undefined) throw new UsageError({ attempted: `read the env file "${path}"`, path, detail: 'found no such file' });
  return parseEnvFile(text, path, context.hostEnv);
}

/** `-l NAME=VALUE` or `NAME`, over the image's. */
export function chooseLabels(options: RunOptions, config: ImageRunConfig | undefined): Record<string, string> {
  const labels = new Map(Object.entries(config?.Labels ?? {}));
  for (const text of options.labels ?? []) {
    const equals = text.indexOf('=');
    const name = equals < 0 ? text : text.slice(0, equals);
    if (name.trim() === '') throw new UsageError({ attempted: 'read --label', detail: `found "${text}", allowed: NAME=VALUE or NAME` });
    labels.set(name, equals < 0 ? '' : text.slice(equals + 1));
  }
  return Object.fromEntries(labels);
}
