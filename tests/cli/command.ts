/** Runs the built command, as a user would, in directories of its own. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../tidy/repository.ts';

/** The built command of this checkout; another one, such as an installed package's, with TSC_BOX_COMMAND. */
export const bundle: string = process.env.TSC_BOX_COMMAND ?? join(root, 'packages', 'cli', 'dist', 'tsc-box.cjs');

/** Why the built command can't run containers here, or undefined. */
export function refusal(): string | undefined {
  if (process.platform !== 'linux') return `found ${process.platform}, needed: Linux`;
  if (process.getuid?.() !== 0) return 'needs root';
  return existsSync(bundle) ? undefined : 'the command is not built: npm run build';
}

export interface Result {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Invocation {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A store, a temporary directory and a user of its own for the command. */
export interface Home {
  readonly directory: string;
  /** `--root` of the command. */
  readonly store: string;
  /** Its TMPDIR. */
  readonly temporary: string;
  run(args: readonly string[], invocation?: Invocation): Result;
  /** Standard input is none, or a pipe where `input` is given: that is written, and the pipe stays open. */
  start(args: readonly string[], invocation?: Invocation): ChildProcess;
  remove(): void;
}

const TIMEOUT_MS = 60_000;

/** With `uid`, everything is run by that user, and belongs to it. */
export function makeHome(uid?: number, command: string = bundle): Home {
  const directory = mkdtempSync(join(tmpdir(), 'tsc-box-home-'));
  chmodSync(directory, 0o755);
  const [store, temporary] = [join(directory, 'store'), join(directory, 'tmp')];
  for (const path of [store, temporary]) mkdirSync(path, { mode: 0o700 });
  if (uid !== undefined) spawnSync('chown', ['-R', `${String(uid)}:${String(uid)}`, directory]);
  const who = uid === undefined ? {} : { uid, gid: uid };
  const envFor = (env: Invocation['env']): NodeJS.ProcessEnv => ({ PATH: process.env.PATH, HOME: directory, TMPDIR: temporary, XDG_RUNTIME_DIR: temporary, ...env });
  const argv = (args: readonly string[]): readonly string[] => [command, '--root', store, ...args];
  return {
    directory, store, temporary,
    run(args, { input = '', env, cwd = '/' } = {}) {
      const { status, signal, stdout, stderr, error } = spawnSync(process.execPath, ['--', ...argv(args)], { input, cwd, env: envFor(env), encoding: 'utf8', timeout: TIMEOUT_MS, killSignal: 'SIGKILL', ...who });
      if (error !== undefined) throw error;
      return { code: status, signal, stdout, stderr };
    },
    start(args, { input, env, cwd = '/' } = {}) {
      const child = spawn(process.execPath, ['--', ...argv(args)], { cwd, env: envFor(env), stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'], ...who });
      child.stdin?.write(input ?? '');
      return child;
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Why user `uid` can't run the built command, or undefined. */
export function refusalFor(uid: number): string | undefined {
  const { status } = spawnSync(process.execPath, ['-e', 'require("node:fs").accessSync(process.argv[1])', bundle], { uid, gid: uid, cwd: '/', stdio: 'ignore' });
  return status === 0 ? undefined : `uid ${String(uid)} can't read Node or the built command`;
}

/** Polls a condition until it gives something, or throws after the deadline. */
export async function waitFor<T>(what: string, condition: () => T | undefined | false, deadlineMs = 20_000): Promise<T> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const value = condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`${what}: not within ${String(deadlineMs)} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
