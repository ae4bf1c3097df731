/** The command as an ordinary user has it: in a directory that user can read, also where the checkout is root's alone. */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { bundle, makeHome, refusal, type Home } from '../cli/command.ts';
import { copyBusyboxRoot } from './bundle.ts';

export const USER = 1000;

/** A home, the command that it runs, and what to run: flags and image. */
export interface Runner extends Home {
  readonly command: string;
  readonly image: readonly string[];
}

export const makeRoot = (): Runner => ({ ...makeHome(), command: bundle, image: ['host'] });

/** Why no ordinary user can run containers here, or undefined. */
export function refusalForUser(): string | undefined {
  const why = refusal();
  if (why !== undefined) return why;
  const who = { uid: USER, gid: USER, cwd: '/', stdio: 'ignore' } as const;
  if (spawnSync(process.execPath, ['-e', '0'], who).status !== 0) return `uid ${String(USER)} can't run ${process.execPath}`;
  return spawnSync('unshare', ['-U', 'true'], who).status === 0 ? undefined : `uid ${String(USER)} may not make a user namespace`;
}

/** A directory with the built command and koffi, readable by everyone. Returns the command's path. */
export function copyCommand(): string {
  const directory = mkdtempSync(join(tmpdir(), 'tsc-box-copy-'));
  chmodSync(directory, 0o755);
  const built = dirname(bundle);
  for (const name of ['tsc-box.cjs', 'chunks']) if (existsSync(join(built, name))) cpSync(join(built, name), join(directory, name), { recursive: true });
  const require = createRequire(bundle);
  const binary = `@koromix/koffi-linux-${process.arch}`;
  const native = createRequire(require.resolve('koffi')).resolve(`${binary}/linux_${process.arch}/koffi.node`);
  for (const [name, from] of [['koffi', dirname(require.resolve('koffi'))], [binary, dirname(dirname(native))]] as const) {
    const to = join(directory, 'node_modules', name);
    mkdirSync(dirname(to), { recursive: true });
    cpSync(from, to, { recursive: true, dereference: true });
  }
  return join(directory, 'tsc-box.cjs');
}

/** A home of uid 1000 with a copy of the command, which `remove` removes too, and a busybox root: the machine's own may have more mounts than a user can show. */
export function makeUser(): Runner {
  const command = copyCommand();
  const home = makeHome(USER, command);
  const rootfs = copyBusyboxRoot(join(home.directory, 'rootfs'));
  spawnSync('chown', ['-R', `${String(USER)}:${String(USER)}`, rootfs]);
  return { ...home, command, image: ['--rootfs', rootfs], remove: () => [home.directory, dirname(command)].forEach((directory) => rmSync(directory, { recursive: true, force: true })) };
}

/** Both kinds of user, each with the reason why its tests can't run here, or undefined. */
export const USERS: readonly { readonly who: string; readonly why: string | undefined; readonly uid?: number; readonly make: () => Runner }[] = [
  { who: 'root', why: refusal(), make: makeRoot },
  { who: 'an ordinary user', why: refusalForUser(), uid: USER, make: makeUser },
];
