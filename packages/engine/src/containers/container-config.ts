/** The configuration that an image made of a container gets: docker's `Config` of a container. */
import type { ImageConfig, ImageRunConfig, RunOptions } from '@tsc-box/model';

export interface ConfigSources {
  readonly image: ImageConfig;
  readonly options: RunOptions;
  /** After the image. */
  readonly command: readonly string[];
  /** The container's environment, as it was started with. */
  readonly env: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly readFile: (path: string) => string | undefined;
}

/** What `run` was told comes before what the image says. A new entry point clears the image's command. */
export function containerConfig({ image, options, command, env, labels, readFile }: ConfigSources): ImageRunConfig {
  const base = image.config ?? {};
  const entrypoint = options.entrypoint === undefined ? base.Entrypoint : options.entrypoint === '' ? undefined : [options.entrypoint];
  const cmd = command.length > 0 ? command : options.entrypoint === undefined ? base.Cmd : undefined;
  const { Entrypoint: _entrypoint, Cmd: _cmd, ...rest } = base;
  return {
    ...rest, ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint }), ...(cmd === undefined ? {} : { Cmd: cmd }),
    ...withEnv(base.Env ?? [], namesSet(options, readFile), env),
    ...(options.user === undefined ? {} : { User: options.user }), ...(options.workdir === undefined ? {} : { WorkingDir: options.workdir }),
    ...(options.stopSignal === undefined ? {} : { StopSignal: options.stopSignal }),
    ...(Object.keys(labels).length === 0 && base.Labels === undefined ? {} : { Labels: { ...base.Labels, ...labels } }),
  };
}

/** Only what the user set: HOME, HOSTNAME and the like are each container's own. */
function namesSet({ env = [], envFiles = [] }: RunOptions, readFile: ConfigSources['readFile']): ReadonlySet<string> {
  const lines = envFiles.flatMap((path) => (readFile(path) ?? '').split('\n').map((line) => line.trimStart()).filter((line) => line !== '' && !line.startsWith('#')));
  return new Set([...lines, ...env].map((entry) => entry.split('=', 1)[0]?.trim() ?? ''));
}

function withEnv(base: readonly string[], set: ReadonlySet<string>, actual: readonly string[]): Pick<ImageRunConfig, 'Env'> {
  const nameOf = (entry: string): string => entry.split('=', 1)[0] ?? '';
  const merged = new Map(base.map((entry) => [nameOf(entry), entry]));
  for (const entry of actual) if (set.has(nameOf(entry))) merged.set(nameOf(entry), entry);
  const env = [...merged.values()];
  return env.length === 0 ? {} : { Env: env };
}
