/** What `tsc-box` touches outside itself, and its start. */
import { resolve } from 'node:path';
import { exitCodeForError } from '@tsc-box/model';
import { dispatch, openSystem, type Outside } from './dispatch.ts';
import { renderError } from './report/errors.ts';
import { plain, styleFor } from './report/style.ts';
import { closeLostTerminals, writeAll } from './report/write.ts';

const outside: Outside = {
  env: process.env,
  cwd: () => process.cwd(),
  write: (text) => writeAll(1, text),
  writeError: (text) => writeAll(2, text),
  style: (fd) => styleFor(fd, process.env),
  async openEngine(systemName, root) {
    const system = await openSystem(systemName);
    return (await import('@tsc-box/engine')).openEngine({ system, startSupervisor: () => startSupervisor(systemName, root), ...(root === undefined ? {} : { root }) });
  },
  async startGuard(systemName, root) {
    const script = process.argv[1];
    if (systemName !== 'linux' || process.platform !== 'linux' || script === undefined) return undefined;
    const { startGuard } = await import('@tsc-box/host-linux');
    // What the engine finds its directories by.
    const names = ['HOME', 'PATH', 'TMPDIR', 'XDG_DATA_HOME', 'XDG_RUNTIME_DIR'];
    const env = names.flatMap((name) => (process.env[name] === undefined ? [] : [`${name}=${process.env[name]}`]));
    return startGuard([process.execPath, script, '--system', 'linux', ...(root === undefined ? [] : ['--root', resolve(root)]), '__sweep'], env);
  },
};

/** It outlives this process and its session, and ends by itself when there is nothing to look after. Started by the time this returns: the command may end at once. */
function startSupervisor(systemName: string, root: string | undefined): void {
  const script = process.argv[1];
  if (script === undefined) return;
  const { spawn } = process.getBuiltinModule('node:child_process');
  const child = spawn(process.execPath, [script, '--system', systemName, ...(root === undefined ? [] : ['--root', resolve(root)]), '__supervise'], { detached: true, stdio: 'ignore', cwd: '/' });
  child.on('error', (error) => writeAll(2, renderError(error, 'text', plain)));
  child.unref();
}

/** Does what the command line says, and ends the process. */
export function start(): void {
  // An error that nobody caught is a bug; `exit` handlers still end the container and set the terminal back.
  process.on('uncaughtException', (error) => {
    writeAll(2, renderError(error, 'text', plain));
    process.exit(exitCodeForError(error));
  });
  process.on('exit', closeLostTerminals);
  void dispatch(process.argv.slice(2), outside).then((code) => process.exit(code));
}
