/** The repository's own files, for tests that look at the source as text. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

export const root: string = resolve(import.meta.dirname, '..', '..');

const OUTPUT = new Set(['node_modules', 'dist', '.git', '.turbo', 'coverage']);

/** Paths of all files below `directory`, relative to the repository, without build output. Sorted. */
export function listFiles(directory = '.'): readonly string[] {
  const found: string[] = [];
  const visit = (path: string): void => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (OUTPUT.has(entry.name)) continue;
      const child = join(path, entry.name);
      if (entry.isDirectory()) visit(child);
      else if (entry.isFile()) found.push(relative(root, child));
    }
  };
  visit(join(root, directory));
  return found.sort();
}

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

export const isSource = (path: string): boolean => /\.m?ts$/.test(path);
export const isTest = (path: string): boolean => /\.test(-d)?\.ts$/.test(path);

/** Module specifiers that a source file imports, re-exports, or loads by `import()` or `require()`. */
export function importsOf(path: string): readonly string[] {
  const text = readText(path).replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, '');
  const patterns = [/\bfrom\s+'([^']+)'/g, /\bimport\s+'([^']+)'/g, /\b(?:import|require)\(\s*'([^']+)'\s*\)/g];
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([, specifier]) => specifier ?? ''));
}
