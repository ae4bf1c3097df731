/** Paths as text. No file system is asked. */

/** `/a//b/../c/` → `/a/c`. Never above the root. The path must be absolute. */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** A path of the host: relative ones start at `cwd`. */
export function resolvePath(cwd: string, path: string): string {
  return cleanPath(path.startsWith('/') ? path : `${cwd}/${path}`);
}

/** True when `path` is `parent` or lies below it. Both clean. */
export function isWithin(path: string, parent: string): boolean {
  return path === parent || parent === '/' || path.startsWith(`${parent}/`);
}
