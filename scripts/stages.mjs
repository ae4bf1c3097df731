// The stages that `npm run demo` and `npm test` share: install, build, link.
// Plain JavaScript without dependencies: it runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { delimiter, dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** PATH without any node_modules/.bin: those hold the pinned Node 24 as `node`. */
export const machinePath = (process.env.PATH ?? '')
  .split(delimiter)
  .filter((entry) => !entry.includes(`node_modules${sep}.bin`))
  .join(delimiter);

/** The Node of this machine, even where npm put the pinned one first on PATH. */
export function findMachineNode() {
  if (!process.execPath.includes(`${sep}node_modules${sep}`)) return process.execPath;
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  const found = machinePath.split(delimiter).map((entry) => join(entry, name)).find((path) => existsSync(path));
  return found ?? process.execPath;
}

/** The pinned Node 24 from optionalDependencies, or undefined where there is none for this machine. */
export function findPinnedNode() {
  const path = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  return existsSync(path) ? path : undefined;
}

/** Environment in which `node` means the given one. */
export function environmentFor(node) {
  const path = [dirname(node), machinePath].join(delimiter);
  return { ...process.env, PATH: path, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' };
}

/** Runs a command. Quiet ones print their output only when they fail. Returns true when it exited with 0. */
export function run(title, command, args, { quiet = false, env = environmentFor(findMachineNode()) } = {}) {
  const started = Date.now();
  const stdio = quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'];
  const result = spawnSync(command, args, { cwd: root, env, stdio, encoding: 'utf8', maxBuffer: 1 << 28, shell: process.platform === 'win32' });
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  if (result.status === 0) {
    console.log(`${title}: ok (${seconds} s)`);
    return true;
  }
  if (quiet) process.stdout.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  const how = result.error?.message ?? (result.signal === null ? `exit status ${result.status}` : result.signal);
  console.log(`${title}: failed with ${how} (${seconds} s)`);
  return false;
}

/** Path of a script of an installed package, run with a Node of our choice. */
export function installed(...parts) {
  return join(root, 'node_modules', ...parts);
}

export function install() {
  return run('install', 'npx', ['-y', manifest.packageManager, 'install', '--frozen-lockfile'], { quiet: true });
}

export function build() {
  // turbo looks for pnpm on PATH.
  const env = environmentFor(findMachineNode());
  env.PATH = [env.PATH, installed('.bin')].join(delimiter);
  return run('build', installed('.bin', 'turbo'), ['run', 'build', '--output-logs=errors-only'], { quiet: true, env });
}

/** node_modules/.bin/tsc-box and tsc-box-runtime: the root package doesn't depend on the CLI, so pnpm makes no links. */
export function link() {
  return ['tsc-box', 'tsc-box-runtime'].every((name) => linkCommand(name));
}

function linkCommand(name) {
  const bundle = join(root, 'packages', 'cli', 'dist', `${name}.cjs`);
  if (!existsSync(bundle)) {
    console.log(`link: failed, there is no ${bundle}`);
    return false;
  }
  if (process.platform === 'win32') return true;
  chmodSync(bundle, 0o755);
  const target = installed('.bin', name);
  mkdirSync(dirname(target), { recursive: true });
  rmSync(target, { force: true });
  symlinkSync(join('..', '..', 'packages', 'cli', 'dist', `${name}.cjs`), target);
  return true;
}
