/** `create` and `start`: runtime.md, "Lifecycle". */
import { rmSync } from 'node:fs';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { compile, compileExec, UnsupportedError, UsageError, withDefaultMappings, type LaunchedProcess, type LaunchPlan, type ProcessIdentity, type Spec } from '@tsc-box/model';
import { loadBundle } from '../containers/source.ts';
import { stateError } from './errors.ts';
import { runHooks, runInnerHooks, tryHooks } from './hooks.ts';
import { destroy } from './delete.ts';
import { withHome, withListenFds } from './environment.ts';
import { claimDirectory, directoryOf, fifoOf, locked, ociState, readPlan, readSpec, readState, removeDirectory, statusOf, writeJson, writeState } from './state.ts';
import { writePidFile } from './pid-file.ts';
import { copyUp, takeCopyUps } from './tmpcopyup.ts';
import type { CreateRequest, Runtime, RuntimeState } from './types.ts';

const [STDIN, STDOUT, STDERR] = [0, 1, 2];

/** Sets everything up; the process waits for `start`. @throws BoxError; nothing is left then. */
export function create(runtime: Runtime, request: CreateRequest): LaunchedProcess {
  const { id } = request;
  const bundle = resolve(request.bundle);
  const directory = claimDirectory(runtime, id);
  let state: RuntimeState | undefined;
  let hooks: Spec['hooks'];
  try {
    const { spec, rootfs, sources, copies } = load(runtime, bundle, request);
    hooks = spec.hooks;
    checkConsole(spec, request);
    const plan = compile(spec, runtime.system.facts(), {
      id, root: { kind: 'directory', path: rootfs }, sources, hold: true, createCwd: true, hooks: hasEarlyHooks(spec) || copies.length > 0,
      ...(request.noPivot === true ? { noPivot: true } : {}), preserveFds: (request.listenFds ?? 0) + (request.preserveFds ?? 0),
    });
    for (const warning of plan.warnings) runtime.warn(warning);
    const base = newState(runtime, request, bundle, rootfs, spec, plan);
    state = base;
    writeJson(`${directory}/config.json`, spec);
    writeJson(`${directory}/plan.json`, restOf(plan));
    writeState(directory, base);
    const launched = runtime.system.launch({
      plan, stdio: { stdin: STDIN, stdout: STDOUT, stderr: STDERR }, cacheDir: `${runtime.root}/.cache`, leave: request.foreground !== true, hold: { fifo: fifoOf(directory) },
      onSetUp(process) {
        copyUp(copies, process.pid);
        runEarlyHooks(runtime, directory, { ...base, process }, spec);
      },
    });
    finish(runtime, request, directory, base, launched);
    return launched;
  } catch (error) {
    if (state !== undefined) destroy(runtime, state);
    if (state !== undefined) tryHooks('poststop', hooks, ociState(runtime, state, 'stopped'), runtime.warn);
    removeDirectory(directory);
    throw error;
  }
}

function finish(runtime: Runtime, request: CreateRequest, directory: string, state: RuntimeState, launched: LaunchedProcess): void {
  const process = { pid: launched.pid, startTime: launched.startTime };
  try {
    writeState(directory, { ...state, process });
    if (launched.terminal !== undefined && request.consoleSocket !== undefined) runtime.system.passTerminal(request.consoleSocket, launched.terminal);
    if (request.pidFile !== undefined) writePidFile(request.pidFile, launched.pid);
  } catch (error) {
    launched.cleanup();
    throw error;
  }
}

function load(runtime: Runtime, bundle: string, request: CreateRequest): { readonly spec: Spec; readonly rootfs: string; readonly sources: Readonly<Record<string, 'file' | 'directory'>>; readonly copies: readonly string[] } {
  const loaded = loadBundle(bundle, request.config === undefined ? `${bundle}/config.json` : resolve(request.config));
  for (const warning of loaded.warnings) runtime.warn(warning);
  const { spec: plain, directories } = takeCopyUps(loaded.spec, loaded.rootfs);
  const spec = withDefaultMappings(plain, runtime.system.facts());
  const { cgroupsPath, ...linux } = spec.linux ?? {};
  const path = cgroupsPath === undefined || cgroupsPath === '' ? `/tsc-box/${request.id}` : cgroupsPath;
  const process = spec.process === undefined ? {} : { process: withListenFds(withHome(runtime, spec.process, loaded.rootfs), request.listenFds ?? 0) };
  return { ...loaded, copies: directories, spec: { ...spec, ...process, linux: request.withoutCgroup === true ? linux : { ...linux, cgroupsPath: path } } };
}

/** @throws UsageError in the words of runc. */
function checkConsole({ process }: Spec, { consoleSocket, foreground }: CreateRequest): void {
  const terminal = process?.terminal === true;
  if (terminal && consoleSocket === undefined && foreground !== true) throw new UsageError({ attempted: 'create the container', detail: 'cannot allocate tty if runc will detach without setting console socket', hint: 'give --console-socket' });
  if (!terminal && consoleSocket !== undefined) throw new UsageError({ attempted: 'create the container', detail: 'cannot use console socket if runc will not detach or allocate tty', hint: 'set process.terminal in config.json' });
}

function newState({ system }: Runtime, request: CreateRequest, bundle: string, rootfs: string, spec: Spec, plan: LaunchPlan): RuntimeState {
  const cgroup = plan.prepare.find((step) => step.call === 'cgroup')?.args.path;
  return {
    version: 1, ociVersion: spec.ociVersion, id: request.id, bundle, rootfs, created: new Date().toISOString(), owner: ownerName(system.facts().username),
    annotations: spec.annotations ?? {}, ownPids: spec.linux?.namespaces?.some(({ type, path }) => type === 'pid' && path === undefined) === true,
    ...(cgroup === undefined ? {} : { cgroup }),
  };
}

function ownerName(name: string | undefined): string {
  if (name !== undefined) return name;
  try {
    return userInfo().username;
  } catch {
    return '';
  }
}

/** What `start` needs of a plan: the steps after the wait, to tell which one failed. */
function restOf(plan: LaunchPlan): LaunchPlan {
  const { seccomp: _seccomp, ...rest } = plan;
  return { ...rest, prepare: [], child: plan.child.slice(plan.child.findIndex((step) => step.call === 'execveat')) };
}

const hasEarlyHooks = ({ hooks }: Spec): boolean => [hooks?.prestart, hooks?.createRuntime, hooks?.createContainer].some((list) => (list ?? []).length > 0);

function runEarlyHooks(runtime: Runtime, directory: string, state: RuntimeState & { readonly process: ProcessIdentity }, spec: Spec): void {
  // A hook may ask for the state of the container by the runtime's own command.
  writeState(directory, state);
  const oci = ociState(runtime, state, 'creating');
  // The oldest kind sees the container as created: what crun says, and what hooks written for it expect.
  runHooks('prestart', spec.hooks, { ...oci, status: 'created' });
  runHooks('createRuntime', spec.hooks, oci);
  runInnerHooks('createContainer', { runtime, spec, target: state.process, state: oci, directory });
}

/** Lets the process of a created container execute its command. @throws BoxError */
export async function start(runtime: Runtime, id: string): Promise<void> {
  await locked(runtime, id, () => {
    const state = readState(runtime, id);
    const status = statusOf(runtime, state);
    const { process } = state;
    if (status === 'stopped') throw stateError(`start the container "${id}"`, 'cannot start a container that has stopped');
    if (status !== 'created' || process === undefined) throw stateError(`start the container "${id}"`, status === 'creating' ? 'it is being created' : 'cannot start an already running container');
    const directory = directoryOf(runtime, id);
    const spec = readSpec(runtime, id);
    const fifo = fifoOf(directory);
    try {
      runInnerHooks('startContainer', { runtime, spec, target: process, state: ociState(runtime, state, 'created'), directory }, (hook) => startHookPlan(runtime, spec, process, hook));
      runtime.system.start({ ...process, fifo }, readPlan(runtime, id));
      for (const path of [fifo, `${fifo}.result`]) rmSync(path, { force: true });
      runHooks('poststart', spec.hooks, ociState(runtime, state, 'running'));
    } catch (error) {
      destroy(runtime, state);
      throw error;
    }
  });
}

/** A program of the container's root, with the rights of its process. */
function startHookPlan({ system }: Runtime, spec: Spec, target: ProcessIdentity, hook: { readonly path: string; readonly args?: readonly string[]; readonly env?: readonly string[] }): LaunchPlan {
  if (spec.process === undefined) throw new UnsupportedError({ attempted: 'run the hooks of startContainer', detail: 'the container has no process' });
  const { terminal: _terminal, consoleSize: _size, ...own } = spec.process;
  const args = hook.args === undefined || hook.args.length === 0 ? [hook.path] : [hook.path, ...hook.args.slice(1)];
  return compileExec({ ...own, args, env: hook.env ?? [], cwd: '/', user: { uid: 0, gid: 0 } }, { ...target, id: 'hook', spec }, system.facts());
}
