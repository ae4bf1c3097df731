/**
 * A process that changes a store over and over, for tests that kill it. Run by a Node that reads TypeScript:
 * `child.testing.ts crash ROOT N` kills itself at the Nth call that changes a file, in the middle of it when it writes;
 * `child.testing.ts add ROOT PREFIX COUNT` adds that many images and collects garbage between them.
 */
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { addFixture, makeImage } from './fixture.testing.ts';

const [mode, root = '', first = '', second = ''] = process.argv.slice(2);

type AsyncFunction = (...args: readonly unknown[]) => Promise<unknown>;

/** Of the lock's own files only the first uses are counted: all are alike, and they are most of all calls. */
const LOCK_CALLS_MAX = 20;

/** Calls that change something, counted; the process dies at number `last`, half of them before the call and half after. */
function dieAtCall(last: number): void {
  let count = 0;
  let lockCalls = 0;
  const lockFiles = new WeakSet();
  const isOfLock = (path: unknown): boolean => typeof path === 'string' && path.includes('/lock/');
  const isCounted = (subject: unknown): boolean => {
    const ofLock = isOfLock(subject) || (typeof subject === 'object' && subject !== null && lockFiles.has(subject));
    return !ofLock || (lockCalls += 1) <= LOCK_CALLS_MAX;
  };
  const die = (): never => {
    process.kill(process.pid, 'SIGKILL');
    throw new Error('unreachable');
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
      if (changes(args) && isCounted(typeof args[0] === 'string' && this === undefined ? args[0] : this)) count += 1;
      else return callThrough(this, args);
      if (count !== last) return callThrough(this, args);
      const data = args[0];
      // A torn write: half of the bytes reach the file.
      if ((name === 'write' || name === 'writeFile') && (data instanceof Uint8Array || typeof data === 'string')) await original.call(this, data.slice(0, data.length / 2));
      else if (last % 2 === 1) await original.apply(this, args);
      return die();
    };
  };
  const functions = fs as unknown as Record<string, AsyncFunction>;
  for (const name of ['rename', 'link', 'unlink', 'rm', 'mkdir', 'appendFile', 'truncate']) wrap(functions, name);
  wrap(functions, 'open', ([, flags]) => typeof flags === 'string' && flags !== 'r');
  syncBuiltinESMExports();
  void fs.open('/dev/null', 'r').then((file) => {
    const methods = Object.getPrototypeOf(file) as Record<string, AsyncFunction>;
    for (const name of ['write', 'writeFile', 'sync', 'truncate']) wrap(methods, name);
    return file.close();
  });
}

if (mode === 'crash') dieAtCall(Number(first));
await new Promise((resolve) => void setImmediate(resolve));
const { openImageStore } = await import('./store.ts');
const store = openImageStore({ root });
if (mode === 'crash') {
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
