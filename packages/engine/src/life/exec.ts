/** `exec`: one more process in a running container. */
import { BoxError, compileExec, execProcess, type LaunchedProcess } from '@tsc-box/model';
import { readHostFile, TEXT_MAX } from '../containers/host-paths.ts';
import { randomBytes } from '../containers/random.ts';
import type { Parts } from '../containers/run.ts';
import { findRunning, refusePaused, type RunningState } from './find-state.ts';
import type { ExecRequest } from './types.ts';

const decoder = new TextDecoder();

/** @throws BoxError ERR_TSCBOX_STATE when it does not run, is paused, or how it was launched is not known; the typed error of the step that failed */
export function execInContainer(parts: Parts, nameOrId: string, request: ExecRequest): LaunchedProcess {
  const { system, store, directories } = parts;
  const state = findRunning(parts, nameOrId, 'run a process in');
  refusePaused(parts, state, 'run a process in');
  const spec = store.record(state.id, 'launch')?.spec;
  if (spec === undefined) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `run a process in the container "${state.name}"`, detail: 'how it was launched is not on record yet' });
  const facts = system.facts();
  const process = execProcess(spec, request.command, request.options, {
    facts, hostEnv: request.hostEnv, cwd: request.cwd, readHostFile, readRootFile: (path) => readRootFile(parts, state, path),
  });
  const plan = compileExec(process, { pid: state.pid, startTime: state.startTime, spec, id: state.id, ...(request.dieWithParent === undefined ? {} : { dieWithParent: request.dieWithParent }) }, facts);
  if (request.detach !== true) return system.launch({ plan, stdio: request.stdio, cacheDir: directories.cache });
  // Beside the files of the container, which removes them. What it writes is kept there too, as docker's is not: nobody could read it.
  const path = `${store.directoryOf(state.id)}/exec-${randomBytes(8).toString('hex')}`;
  return system.launch({ plan, stdio: { stdin: 'null', stdout: 'null', stderr: 'null' }, cacheDir: directories.cache, monitor: { journal: `${path}.journal`, exit: `${path}.exit` } });
}

/** As the container's layers have it: what is mounted over them is not seen. Links are followed inside the layers only. */
function readRootFile({ system }: Parts, { root }: RunningState, path: string): string | undefined {
  const layers = root.kind === 'directory' ? [root.path] : [root.overlays[0]?.upperdir, ...(root.overlays[0]?.lowerdirs ?? [])].filter((directory) => directory !== undefined);
  const bytes = system.readLayerFile(layers, path, TEXT_MAX);
  return bytes === undefined ? undefined : decoder.decode(bytes);
}
