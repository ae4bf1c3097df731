/* oxlint-disable no-underscore-dangle -- the name is of the loader of Node */
/**
 * Compiled JavaScript kept between runs: V8's code cache of the chunks of this program, made after a `run`, so that it holds the functions
 * a run needs. It halves the time that a run spends in JavaScript, and is quicker than module.enableCompileCache where Node has that.
 */
import { fstatSync, closeSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { Script } from 'node:vm';

/** A module of CommonJS, as Node's loader has it. */
export interface LoaderModule {
  exports: unknown;
}

export interface LoaderClass {
  readonly prototype: { _compile(this: LoaderModule, content: string, filename: string, ...more: readonly unknown[]): unknown };
  createRequire(filename: string): NodeJS.Require;
}

/** From now on files in `chunks` are compiled through the cache in `directory`, which is below a directory of our own. */
export function useCodeCache(loader: LoaderClass, chunks: string, directory: string, mayWrite: boolean): void {
  const original = loader.prototype._compile as LoaderClass['prototype']['_compile'] | undefined;
  // A later Node may load modules in another way: then nothing is cached.
  if (typeof original !== 'function') return;
  loader.prototype._compile = function compile(content, filename, ...more) {
    if (dirname(filename) !== chunks) return original.call(this, content, filename, ...more);
    const file = `${directory}/${basename(filename)}-${process.version}-${process.arch}`;
    const cachedData = readOwn(file);
    const script = new Script(`(function (exports, require, module, __filename, __dirname) {${content}\n})`, { filename, ...(cachedData === undefined ? {} : { cachedData }) });
    if (mayWrite && (cachedData === undefined || script.cachedDataRejected === true)) process.once('exit', () => write(directory, file, script));
    const run = script.runInThisContext() as (...args: readonly unknown[]) => unknown;
    return run.call(this.exports, this.exports, loader.createRequire(filename), this, filename, chunks);
  };
}

/** V8 checks version, flags and the length of the source; chunks are named by their content. Another user must not give us code. */
function readOwn(file: string): Buffer | undefined {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch {
    return undefined;
  }
  try {
    const { uid, mode } = fstatSync(fd);
    return uid === process.geteuid?.() && (mode & 0o022) === 0 ? readFileSync(fd) : undefined;
  } finally {
    closeSync(fd);
  }
}

/** The cache only saves time: any trouble with it is passed over. */
function write(directory: string, file: string, script: Script): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const temporary = `${file}.${process.pid}`;
    writeFileSync(temporary, script.createCachedData(), { flag: 'wx', mode: 0o600 });
    renameSync(temporary, file);
    // Chunks are named NAME-CONTENT.cjs: those of other builds are of no use any more.
    const [name = ''] = basename(file).split('-', 1);
    for (const other of readdirSync(directory)) if (other.startsWith(`${name}-`) && other.includes('.cjs-') && other !== basename(file)) unlinkSync(`${directory}/${other}`);
  } catch {
    // The next run compiles again.
  }
}
