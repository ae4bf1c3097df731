/** The repository's own files, for tests that look at the source as text. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

export const root: string = resolve(import.meta.dirname, '..', '..');

const OUTPUT = new Set(['node_modules', 'dist', '.git', '.turbo', 'coverage']);

/** Paths of the repository's files below `directory`, relative to its root, sorted. Those that git tracks; all but build output where there is no git. */
export function listFiles(directory = '.'): readonly string[] {
  const tracked = listTracked();
  const files = tracked ?? walk(root);
  return files.filter((file) => directory === '.' || file.startsWith(`${directory}/`)).toSorted((a, b) => (a < b ? -1 : 1));
}

function listTracked(): readonly string[] | undefined {
  const { status, stdout } = spawnSync('git', ['-c', 'safe.directory=*', 'ls-files', '-z'], { cwd: root, encoding: 'utf8' });
  return status === 0 ? stdout.split('\0').filter((file) => file !== '' && existsSync(join(root, file))) : undefined;
}

function walk(path: string): readonly string[] {
  return readdirSync(path, { withFileTypes: true }).filter(({ name }) => !OUTPUT.has(name)).flatMap((entry) => {
    const child = join(path, entry.name);
    if (entry.isDirectory()) return walk(child);
    return entry.isFile() ? [relative(root, child)] : [];
  });
}

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

export const isSource = (path: string): boolean => /\.m?ts$/.test(path);
/** Tests and the helpers that only tests import. */
export const isTest = (path: string): boolean => /\.(test|test-d|testing)\.ts$|\/testing\//.test(path);

/** Module specifiers that a source file imports, re-exports, or loads by `import()` or `require()`. */
export function importsOf(path: string): readonly string[] {
  const text = readText(path).replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, '');
  const patterns = [/\bfrom\s+'([^']+)'/g, /\bimport\s+'([^']+)'/g, /\b(?:import|require)\(\s*'([^']+)'\s*\)/g];
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([, specifier]) => specifier ?? ''));
}
