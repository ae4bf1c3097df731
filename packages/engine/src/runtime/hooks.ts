/** Hooks: runtime-spec config.md, "POSIX-platform Hooks". In order, with the state on standard input; the first failure counts. */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { BoxError, compileHook, type LaunchPlan, type ProcessIdentity, type Spec, type SpecHook, type SpecHooks } from '@tsc-box/model';
import type { OciState, Runtime } from './types.ts';

export type HookKind = keyof SpecHooks;

/** In the namespaces of the runtime. @throws BoxError of the first that fails. */
export function runHooks(kind: HookKind, hooks: SpecHooks | undefined, state: OciState): void {
  hooks?.[kind]?.forEach((hook, index) => runHook(kind, index, hook, state));
}

/** Those whose failure changes nothing: poststop. */
export function tryHooks(kind: HookKind, hooks: SpecHooks | undefined, state: OciState, warn: (text: string) => void): void {
  hooks?.[kind]?.forEach((hook, index) => {
    try {
      runHook(kind, index, hook, state);
    } catch (error) {
      warn(error instanceof Error ? error.message : String(error));
    }
  });
}

function runHook(kind: HookKind, index: number, hook: SpecHook, state: OciState): void {
  const [name = hook.path, ...args] = hook.args ?? [];
  // Without `env` it has the runtime's own, as with runc and crun; an empty one is empty.
  const { status, signal, stderr, error } = spawnSync(hook.path, args, {
    argv0: name, env: hook.env === undefined ? process.env : environment(hook.env), input: JSON.stringify(state), encoding: 'utf8', stdio: ['pipe', 'ignore', 'pipe'], killSignal: 'SIGKILL',
    ...(hook.timeout === undefined ? {} : { timeout: hook.timeout * 1000 }),
  });
  if (error !== undefined && 'code' in error && error.code === 'ETIMEDOUT') throw hookError(kind, index, hook, `it took longer than ${String(hook.timeout)} s`);
  // A hook need not read its input.
  if (error !== undefined && status === null && signal === null) throw hookError(kind, index, hook, error.message);
  if (status !== 0) throw hookError(kind, index, hook, `${signal === null ? `exit status ${String(status)}` : `ended by ${signal}`}, stderr: ${stderr.trim()}`);
}

function environment(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(entries.map((entry) => {
    const equals = entry.indexOf('=');
    return equals < 0 ? [entry, ''] : [entry.slice(0, equals), entry.slice(equals + 1)];
  }));
}

function hookError(kind: HookKind, index: number, { path }: SpecHook, detail: string): BoxError {
  return new BoxError({ code: 'ERR_TSCBOX_STEP_FAILED', attempted: `run hook #${String(index)} of ${kind}`, step: `hooks.${kind}[${String(index)}]`, path, detail: `error running hook: ${detail}` });
}

export interface InnerHooks {
  readonly runtime: Runtime;
  readonly spec: Spec;
  readonly target: ProcessIdentity;
  readonly state: OciState;
  /** For the file with the state. */
  readonly directory: string;
}

/** In the namespaces of the container. `planOf` says how each gets there. @throws BoxError of the first that fails. */
export function runInnerHooks(kind: HookKind, inner: InnerHooks, planOf: (hook: SpecHook) => LaunchPlan = (hook) => compileHook(hook, { ...inner.target, spec: inner.spec })): void {
  const { runtime, spec, state, directory } = inner;
  const hooks = spec.hooks?.[kind] ?? [];
  if (hooks.length === 0) return;
  const input = `${directory}/hook-state.json`;
  writeFileSync(input, JSON.stringify(state), { mode: 0o600 });
  try {
    hooks.forEach((hook, index) => {
      const stdin = openSync(input, 'r');
      try {
        const ended = runtime.system.launchAndWait({ plan: planOf(hook), stdio: { stdin, stdout: 'null', stderr: 2 } }, hook.timeout === undefined ? undefined : hook.timeout * 1000);
        if (ended.timedOut) throw hookError(kind, index, hook, `it took longer than ${String(hook.timeout)} s`);
        if (ended.code !== 0) throw hookError(kind, index, hook, `exit status ${String(ended.code)}`);
      } finally {
        closeSync(stdin);
      }
    });
  } finally {
    unlinkSync(input);
  }
}
