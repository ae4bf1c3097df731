/**
 * A process that changes a store over and over, for tests of crashes. Run by a Node that reads TypeScript:
 * `child.testing.ts crash ROOT N` kills itself at the Nth call that changes a file, in the middle of it when it writes;
 * `child.testing.ts copies ROOT PLACE` copies the store to PLACE/N at each such call instead: what a crash there would leave;
 * `child.testing.ts add ROOT PREFIX COUNT` adds that many images and collects garbage between them.
 */
import { cpSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { addFixture, makeImage } from './fixture.testing.ts';

const [mode, root = '', first = '', second = ''] = process.argv.slice(2);

type AsyncFunction = (...args: readonly unknown[]) => Promise<unknown>;

/** Of the lock's own files only the first uses are counted: all are alike, and they are most of all calls. */
const LOCK_CALLS_MAX = 20;

/** Has a call of a method of FileHandle write half of its bytes; gives back how to write the rest. */
async function writeHalf(original: AsyncFunction, file: unknown, args: readonly unknown[]): Promise<() => Promise<unknown>> {
  if (Array.isArray(args[0])) {
    const whole = Buffer.concat(args[0] as Uint8Array[]);
    await original.call(file, [whole.subarray(0, whole.length / 2)], args[1]);
    return () => original.apply(file, args);
  }
  const [data, offset = 0, length = (data as Uint8Array).length, position] = args as readonly [Uint8Array | string, number?, number?, number?];
  const half = Math.floor(length / 2);
  if (position === undefined) {
    await original.call(file, data.slice(0, half));
    return () => original.call(file, data.slice(half));
  }
  await original.call(file, data, offset, half, position);
  return () => original.call(file, data, offset, length, position);
}

/** Calls `at` with the number of each call that changes something: in the middle of writes, before or after the others in turn. */
function watchCalls(at: (count: number) => void): void {
  let count = 0;
  let lockCalls = 0;
  const lockFiles = new WeakSet();
  const isOfLock = (path: unknown): boolean => typeof path === 'string' && path.includes('/lock/');
  const isCounted = (subject: unknown): boolean => {
    const ofLock = isOfLock(subject) || (typeof subject === 'object' && subject !== null && lockFiles.has(subject));
    return !ofLock || (lockCalls += 1) <= LOCK_CALLS_MAX;
  };
  const wrap = (owner: Record<string, AsyncFunction>, name: string, changes: (args: readonly unknown[]) => boolean = () => true): void => {
    const original: AsyncFunction | undefined = owner[name];
    if (original === undefined) throw new Error(`there is no ${name}`);
    const callThrough = async (self: unknown, args: readonly unknown[]): Promise<unknown> => {
      const result = await original.apply(self, args);
      if (name === 'open' && isOfLock(args[0])) lockFiles.add(result as object);
      return result;
    };
    owner[name] = async function wrapped(this: unknown, ...args: readonly unknown[]): Promise<unknown> {
      if (!changes(args) || !isCounted(this ?? args[0])) return callThrough(this, args);
      count += 1;
      const number = count;
      if (this !== undefined && name.startsWith('write')) {
        const writeRest = await writeHalf(original, this, args);
        at(number);
        return writeRest();
      }
      if (number % 2 === 0) at(number);
      const result = await callThrough(this, args);
      if (number % 2 === 1) at(number);
      return result;
    };
  };
  const functions = fs as unknown as Record<string, AsyncFunction>;
  for (const name of ['rename', 'link', 'unlink', 'rm', 'mkdir', 'appendFile', 'truncate']) wrap(functions, name);
  wrap(functions, 'open', ([, flags]) => typeof flags === 'string' && flags !== 'r');
  syncBuiltinESMExports();
  void fs.open('/dev/null', 'r').then((file) => {
    const methods = Object.getPrototypeOf(file) as Record<string, AsyncFunction>;
    for (const name of ['write', 'writev', 'writeFile', 'sync', 'truncate']) wrap(methods, name);
    return file.close();
  });
}

if (mode === 'crash') watchCalls((count) => void (count === Number(first) && process.kill(process.pid, 'SIGKILL')));
if (mode === 'copies') watchCalls((count) => cpSync(root, `${first}/${String(count)}`, { recursive: true }));
await new Promise((resolve) => void setImmediate(resolve));
const { openImageStore } = await import('./store.ts');
const store = openImageStore({ root });
if (mode !== 'add') {
  await addFixture(store, 'docker.io/library/new:1', makeImage([{ a: 'shared' }, { b: 'new' }]));
  await store.tag('new:1', 'new:2');
  await store.remove('new:1');
  await addFixture(store, 'docker.io/library/old:1', makeImage([{ a: 'other' }]));
  await store.gc();
  process.stdout.write('done');
} else {
  for (let number = 0; number < Number(second); number += 1) {
    await addFixture(store, `docker.io/library/${first}:${String(number)}`, makeImage([{ shared: 'by all' }, { own: `${first} ${String(number)}` }]));
    await store.gc();
  }
}
