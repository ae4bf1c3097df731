/** For tests: a root of busybox (package busybox-static), a spec to change, and one way to run it and read what it said. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Socket } from 'node:net';
import { compile, type CompileOptions, type ExitStatus, type LaunchedProcess, type Spec, type System } from '@tsc-box/model';
import { openLinux } from '../index.ts';

export const BUSYBOX = '/bin/busybox';

/** Why tests of real containers can't run here; undefined where they can. */
export function whyNot(): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux';
  if (!existsSync(BUSYBOX) || !isStatic()) return 'needs the package busybox-static';
  if (!openLinux().facts().privileged) return 'needs root';
  return undefined;
}

function isStatic(): boolean {
  return !readFileSync(BUSYBOX).subarray(0, 1024).includes('ld-linux');
}

export interface Root {
  readonly path: string;
  remove(): void;
}

export function makeRoot(): Root {
  const path = mkdtempSync(join(tmpdir(), 'tsc-box-root-'));
  chmodSync(path, 0o755);
  for (const directory of ['bin', 'etc', 'tmp', 'proc', 'sys', 'dev']) mkdirSync(join(path, directory));
  copyFileSync(BUSYBOX, join(path, 'bin', 'busybox'));
  const applets = spawnSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).stdout.trim().split('\n');
  for (const applet of applets) if (applet !== 'busybox') symlinkSync('busybox', join(path, 'bin', applet));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

let counter = 0;

export function makeSpec(root: Root, args: readonly string[], change: { readonly process?: Partial<NonNullable<Spec['process']>>; readonly linux?: Partial<NonNullable<Spec['linux']>>; readonly mounts?: Spec['mounts']; readonly rest?: Partial<Spec> } = {}): Spec {
  const caps = ['CAP_CHOWN', 'CAP_KILL', 'CAP_SETUID', 'CAP_SETGID'];
  counter += 1;
  return {
    ociVersion: '1.2.0', root: { path: root.path }, hostname: 'box',
    process: {
      args, cwd: '/', env: ['PATH=/bin'], user: { uid: 0, gid: 0 }, noNewPrivileges: true,
      capabilities: { bounding: caps, effective: caps, permitted: caps, inheritable: [], ambient: [] }, ...change.process,
    },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755'] },
      { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'] },
      ...(change.mounts ?? []),
    ],
    linux: {
      namespaces: (['mount', 'pid', 'uts', 'ipc', 'network', 'cgroup'] as const).map((type) => ({ type })),
      cgroupsPath: `/tsc-box/test-${process.pid}-${counter}`, resources: {}, ...change.linux,
    },
    ...change.rest,
  };
}

export interface Outcome {
  readonly status: ExitStatus;
  readonly stdout: string;
  readonly stderr: string;
}

export function start(system: System, spec: Spec, options: Partial<CompileOptions> = {}): LaunchedProcess {
  const plan = compile(spec, system.facts(), { id: 'test', root: { kind: 'directory', path: spec.root?.path ?? '' }, ...options });
  return system.launch({ plan, stdio: { stdin: 'null', stdout: 'pipe', stderr: 'pipe' } });
}

/** Runs to the end, reads all output, cleans up. */
export async function run(system: System, spec: Spec, options: Partial<CompileOptions> = {}): Promise<Outcome> {
  const launched = start(system, spec, options);
  const [stdout, stderr, status] = await Promise.all([readAll(launched.stdout), readAll(launched.stderr), launched.wait()]);
  launched.cleanup();
  return { status, stdout, stderr };
}

/** All text until the end of a pipe that is ours. */
export async function readAll(fd: number | undefined): Promise<string> {
  if (fd === undefined) return '';
  const socket = new Socket({ fd, readable: true, writable: false });
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}
