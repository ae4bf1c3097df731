/** Compiled JavaScript kept between runs: by Node itself where it can (22.1 and later, module.enableCompileCache), else by code-cache.ts. */
import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { useCodeCache, type LoaderClass } from './code-cache.ts';

const FIRST_MAJOR = 22;

/** `loader` is the class of CommonJS modules, and `chunks` the directory of this program's parts. */
export function useCompileCache(loader: LoaderClass, chunks: string): void {
  const directory = cacheDirectory(process.env, process.getuid?.());
  if (directory === undefined) return;
  if (Number.parseInt(process.versions.node, 10) < FIRST_MAJOR) return useCodeCache(loader, chunks, directory, process.argv[2] === 'run');
  const { enableCompileCache } = createRequire(import.meta.url)('node:module') as { enableCompileCache?: (directory: string) => unknown };
  enableCompileCache?.(directory);
}

/**
 * Whoever can write there can run code as us: so it is never Node's own default under /tmp, and only below a directory that is ours
 * (with sudo or su, HOME may still be another user's).
 */
export function cacheDirectory(env: Readonly<Record<string, string | undefined>>, uid: number | undefined): string | undefined {
  if (uid === undefined) return undefined;
  const base = uid === 0 ? '/var/cache' : env['XDG_CACHE_HOME'] || env['HOME'];
  if (base === undefined || !base.startsWith('/')) return undefined;
  try {
    if (statSync(base).uid !== uid) return undefined;
  } catch {
    return undefined;
  }
  return uid === 0 || env['XDG_CACHE_HOME'] ? `${base}/tsc-box/compile` : `${base}/.cache/tsc-box/compile`;
}
