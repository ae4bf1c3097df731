/** Where compiled JavaScript is kept between runs: code-cache.ts. */
import { statSync } from 'node:fs';
import { useCodeCache, type LoaderClass } from './code-cache.ts';

/** `loader` is the class of CommonJS modules, `chunks` the directory of this program's parts, and `part` a directory of its own in the cache. `mayWrite`: this use of the program stands for most. */
export function useCompileCache(loader: LoaderClass, chunks: string, mayWrite: boolean, part = ''): void {
  const directory = cacheDirectory(process.env, process.getuid?.());
  if (directory !== undefined) useCodeCache(loader, chunks, `${directory}${part}`, mayWrite);
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
