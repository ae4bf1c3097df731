/* oxlint-disable no-underscore-dangle -- the name is of the loader of Node */
/**
 * Compiled JavaScript kept between runs: V8's code cache of the chunks of this program, made after a `run`, so that it holds the functions
 * a run needs. It halves the time that a run spends in JavaScript, and is quicker than module.enableCompileCache where Node has that.
 */
import { fstatSync, closeSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
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
  // One listener for all: Node warns of a leak where there are many.
  const unsaved: (() => void)[] = [];
  const save = (later: () => void): void => {
    if (unsaved.length === 0) process.once('exit', () => unsaved.forEach((one) => one()));
    unsaved.push(later);
  };
  loader.prototype._compile = function compile(content, filename, ...more) {
    if (dirname(filename) !== chunks) return original.call(this, content, filename, ...more);
    const file = `${directory}/${basename(filename)}-${process.version}-${process.arch}`;
    const cachedData = readOwn(file);
    const script = new Script(`(function (exports, require, module, __filename, __dirname) {${content}\n})`, { filename, ...(cachedData === undefined ? {} : { cachedData }) });
    if (mayWrite && (cachedData === undefined || script.cachedDataRejected === true)) save(() => write(directory, file, script));
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

const KEPT_MS = 7 * 24 * 3600 * 1000;

/**
 * Chunks are named by their content, so those of another build are of no use to this one. But two builds, or two versions of Node, may be
 * in use in turns: neither may remove what the other has just written. Where an old one is still in use, its next run writes it again.
 */
function removeOld(directory: string): void {
  const oldest = Date.now() - KEPT_MS;
  for (const name of readdirSync(directory)) {
    const file = `${directory}/${name}`;
    const { mtimeMs } = statSync(file, { throwIfNoEntry: false }) ?? { mtimeMs: oldest };
    if (name.includes('.cjs-') && mtimeMs < oldest) unlinkSync(file);
  }
}

/** The cache only saves time: any trouble with it is passed over. */
function write(directory: string, file: string, script: Script): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const temporary = `${file}.${process.pid}`;
    writeFileSync(temporary, script.createCachedData(), { flag: 'wx', mode: 0o600 });
    renameSync(temporary, file);
    removeOld(directory);
  } catch {
    // The next run compiles again.
  }
}
