/** Where the root of a request comes from. */
import { resolve } from 'node:path';
import { BoxError, parseSpec, UnsupportedError, UsageError, type RunOptions, type Spec } from '@tsc-box/model';
import { hostPath, readHostFile } from './host-paths.ts';
import type { RunRequest } from './types.ts';

export type RootSource =
  | { readonly kind: 'host'; readonly label: 'host' }
  | { readonly kind: 'layers'; readonly label: string }
  /** `path`: absolute. */
  | { readonly kind: 'rootfs'; readonly label: string; readonly path: string }
  | { readonly kind: 'bundle'; readonly label: string; readonly path: string };

/** @throws UsageError unless exactly one source is given and it is there. */
export function sourceOf(request: RunRequest): RootSource {
  const given = [request.image, request.rootfs, request.bundle].filter((value) => value !== undefined);
  if (given.length !== 1) throw new UsageError({ attempted: 'choose a root', detail: `found ${given.length === 0 ? 'none' : given.join(', ')}, allowed: one image, --rootfs DIR or --bundle DIR` });
  refuseImageOptions(request);
  if (request.rootfs !== undefined) return { kind: 'rootfs', ...directory('--rootfs', request.rootfs, request.cwd) };
  if (request.bundle !== undefined) return { kind: 'bundle', ...directory('--bundle', request.bundle, request.cwd) };
  return request.image === 'host' ? { kind: 'host', label: 'host' } : { kind: 'layers', label: request.image ?? '' };
}

/** Options of images of a registry mean nothing for other roots. */
function refuseImageOptions({ image, pull, platform, plainHttp }: RunRequest): void {
  if (image !== undefined && image !== 'host') return;
  const given = [pull === 'always' ? ['--pull always'] : [], platform === undefined ? [] : ['--platform'], (plainHttp ?? []).length > 0 ? ['--plain-http'] : []].flat();
  if (given.length > 0) throw new UsageError({ attempted: `use ${given.join(', ')}`, detail: `found with ${image === 'host' ? 'the image host' : 'a directory as root'}, allowed: with images of a registry` });
}

function directory(flag: string, text: string, cwd: string): { readonly label: string; readonly path: string } {
  const path = resolve(cwd, text);
  const found = hostPath(path);
  if (found?.kind === 'directory') return { label: `${flag.slice(2)}:${path}`, path };
  throw new UsageError({ attempted: `use ${flag} "${text}"`, detail: found === undefined ? 'no such directory' : 'it is no directory', path });
}

/** Options that change nothing in the container's configuration. */
const BUNDLE_OPTIONS: ReadonlySet<string> = new Set<keyof RunOptions>(['name', 'interactive', 'noPivot']);

export interface LoadedBundle {
  readonly spec: Spec;
  /** Absolute. */
  readonly rootfs: string;
  readonly warnings: readonly string[];
  readonly sources: Readonly<Record<string, 'file' | 'directory'>>;
}

/**
 * A bundle's own configuration.
 * @throws UsageError where options would change it, SpecError where it is not valid, UnsupportedError for hooks.
 */
export function readBundle(path: string, request: RunRequest): LoadedBundle {
  const set = Object.entries(request.options).filter(([key, value]) => value !== undefined && value !== false && !BUNDLE_OPTIONS.has(key)).map(([key]) => key);
  if (set.length > 0 || request.command.length > 0) throw new UsageError({ attempted: 'run a bundle', detail: `found ${set.length > 0 ? `options: ${set.join(', ')}` : 'a command'}, allowed: none`, hint: `the bundle says what is run: change ${path}/config.json` });
  const bundle = loadBundle(path, `${path}/config.json`);
  const hooks = Object.entries(bundle.spec.hooks ?? {}).filter(([, list]) => Array.isArray(list) && list.length > 0).map(([name]) => name);
  if (hooks.length > 0) throw new UnsupportedError({ attempted: 'run the hooks of a bundle', detail: `found ${hooks.join(', ')}`, hint: 'remove them from config.json, or use tsc-box-runtime' });
  return bundle;
}

/** The configuration of a bundle with its relative paths made absolute (runtime-spec config.md, "Root", "Mounts"). @throws UsageError, SpecError */
export function loadBundle(path: string, config: string): LoadedBundle {
  const { spec, warnings } = parseSpec(readConfig(config));
  if (spec.root === undefined) throw new UsageError({ attempted: 'run a bundle', detail: 'its config.json has no root', path: config });
  const rootfs = resolve(path, spec.root.path);
  if (hostPath(rootfs)?.kind !== 'directory') throw new UsageError({ attempted: 'run a bundle', detail: `its root "${spec.root.path}" is no directory`, path: rootfs });
  const mounts = (spec.mounts ?? []).map((mount) => (isBind(mount) && mount.source !== undefined ? { ...mount, source: resolve(path, mount.source) } : mount));
  const sources = Object.fromEntries(mounts.filter(isBind).flatMap(({ source = '' }) => {
    const kind = hostPath(source)?.kind;
    return kind === undefined ? [] : [[source, kind] as const];
  }));
  return { spec: { ...spec, ...(spec.mounts === undefined ? {} : { mounts }) }, rootfs, warnings, sources };
}

function isBind({ type, options }: { readonly type?: string; readonly options?: readonly string[] }): boolean {
  return type === 'bind' || options?.some((option) => option === 'bind' || option === 'rbind') === true;
}

function readConfig(path: string): unknown {
  const text = readHostFile(path);
  if (text === undefined) throw new UsageError({ attempted: `read "${path}"`, detail: 'there is no such file: a bundle is a directory with a config.json', path });
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BoxError({ code: 'ERR_TSCBOX_SPEC_INVALID', attempted: `read "${path}"`, detail: `it is no JSON: ${error instanceof Error ? error.message : String(error)}`, path, cause: error });
  }
}
