/** `exec`: one more process in a container. */
import { compileExec, parseSpec, UsageError, type LaunchedProcess, type Spec, type SpecProcess } from '@tsc-box/model';
import { withHome } from './environment.ts';
import { stateError } from './errors.ts';
import { writePidFile } from './pid-file.ts';
import { readSpec, readState, statusOf } from './state.ts';
import type { ExecRequest, Runtime } from './types.ts';

const [STDIN, STDOUT, STDERR] = [0, 1, 2];

/** `processOf` gets the container's spec. @throws BoxError */
export function exec(runtime: Runtime, request: ExecRequest, processOf: (spec: Spec) => SpecProcess): LaunchedProcess {
  const { id, pidFile, consoleSocket } = request;
  const state = readState(runtime, id);
  const status = statusOf(runtime, state);
  const attempted = `exec in the container "${id}"`;
  if (status === 'stopped' || status === 'creating' || state.process === undefined) throw stateError(attempted, status === 'stopped' ? 'cannot exec in a stopped container' : 'it is being created');
  if (status === 'paused' && request.ignorePaused !== true) throw stateError(attempted, 'cannot exec in a paused container (use --ignore-paused to override)');
  const spec = readSpec(runtime, id);
  const process = withHome(runtime, processOf(spec), state.rootfs);
  const terminal = process.terminal === true;
  if (terminal && consoleSocket === undefined && request.detach) throw new UsageError({ attempted, detail: 'cannot allocate tty if runc will detach without setting console socket', hint: 'give --console-socket' });
  if (!terminal && consoleSocket !== undefined) throw new UsageError({ attempted, detail: 'cannot use console socket if runc will not detach or allocate tty', hint: 'give --tty' });
  const plan = compileExec(process, { ...state.process, id, spec, ...(request.preserveFds === undefined ? {} : { preserveFds: request.preserveFds }) }, runtime.system.facts());
  for (const warning of plan.warnings) runtime.warn(warning);
  const launched = runtime.system.launch({ plan, stdio: { stdin: STDIN, stdout: STDOUT, stderr: STDERR }, cacheDir: `${runtime.root}/.cache`, leave: request.detach });
  try {
    if (launched.terminal !== undefined && consoleSocket !== undefined) runtime.system.passTerminal(consoleSocket, launched.terminal);
    if (pidFile !== undefined) writePidFile(pidFile, launched.pid);
    return launched;
  } catch (error) {
    launched.kill(9);
    throw error;
  }
}

/** A process.json, as engines write it. @throws SpecError */
export function parseProcess(value: unknown): SpecProcess {
  const { process } = parseSpec({ ociVersion: '1.0.0', process: value }).spec;
  if (process === undefined) throw new UsageError({ attempted: 'read the process', detail: 'found none, allowed: an object as process of config.json' });
  return process;
}
