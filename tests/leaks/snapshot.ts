/**
 * What a container could leave on this machine: mounts, cgroups, processes, files, and marks on the host's own files.
 * A snapshot before, a look after; what is new and stays is a leak. Other programs may come and go meanwhile: only what
 * is there in every look until the deadline counts.
 */
import { readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const CGROUP_ROOT = '/sys/fs/cgroup';
const CGROUP_DEPTH_MAX = 6;

export interface Watched {
  /** In the environment of every process to look for, and in the path of every cgroup. */
  readonly mark: string;
  /** Directories whose files are listed. */
  readonly directories: readonly string[];
  /** Directories below those whose files are kept on purpose, to be used again. */
  readonly caches: readonly string[];
}

const MARKED = ['/dev/null', '/dev/zero', '/dev/tty', '/dev/ptmx', '/etc/passwd', '/etc/hosts', '/etc/resolv.conf', '/proc/sys/kernel/hostname'];

function tryRead<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

function listTree(directory: string, depthMax: number, all: boolean): readonly string[] {
  if (depthMax < 0) return [];
  return tryRead(() => readdirSync(directory, { withFileTypes: true }), []).flatMap((entry) => {
    const path = join(directory, entry.name);
    const below = entry.isDirectory() ? listTree(path, depthMax - 1, all) : [];
    return entry.isDirectory() || all ? [path, ...below] : below;
  });
}

/** Ours, of this test: other containers run meanwhile. The parent that was asked for may stay; what is below it may not. */
const listCgroups = (mark: string): readonly string[] =>
  listTree(CGROUP_ROOT, CGROUP_DEPTH_MAX, false).filter((path) => path.includes(`/${mark}/`)).map((path) => `cgroup ${path}`);

const listMounts = (): readonly string[] => readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n').map((line) => `mount ${line}`);

/** Removes the cgroups of a test: their parent stays after a good run, more after a bad one. */
export function removeCgroups(mark: string): void {
  for (const path of listTree(CGROUP_ROOT, CGROUP_DEPTH_MAX, false).filter((each) => each.includes(`/${mark}`)).toReversed()) tryRead(() => rmdirSync(path), undefined);
}

/** Pids of running processes that have the mark in their environment. */
export function listProcesses(mark: string): readonly number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number)
    .filter((pid) => pid !== process.pid && tryRead(() => readFileSync(`/proc/${String(pid)}/environ`, 'latin1'), '').includes(mark));
}

/** The command line of a process, for reading. */
export function describeProcess(pid: number): string {
  const read = (name: string): string => tryRead(() => readFileSync(`/proc/${String(pid)}/${name}`, 'utf8'), '');
  return `process ${String(pid)} ${/^State:\s*(.*)$/m.exec(read('status'))?.[1] ?? ''} ${read('cmdline').replaceAll('\0', ' ')}`;
}

/** Owner and mode of files of the host that a careless runtime changes, and the names in its root. */
function listMarks(): readonly string[] {
  const files = MARKED.map((path) => {
    const stat = tryRead(() => statSync(path), undefined);
    return `host file ${path} ${stat === undefined ? 'absent' : `${String(stat.uid)}:${String(stat.gid)} ${stat.mode.toString(8)}`}`;
  });
  return [...files, ...readdirSync('/').map((name) => `host file /${name}`)];
}

export type Snapshot = ReadonlySet<string>;

export function takeSnapshot({ mark, directories, caches }: Watched): Snapshot {
  const files = directories.flatMap((directory) => listTree(directory, 64, true)).filter((path) => !caches.some((cache) => path.startsWith(`${cache}/`))).map((path) => `file ${path}`);
  return new Set([...listMounts(), ...listCgroups(mark), ...listProcesses(mark).map(describeProcess), ...files, ...listMarks()]);
}

/** What is there beyond `before` in every look until the deadline. Empty as soon as nothing is. */
export async function findLeaks(before: Snapshot, watched: Watched, deadlineMs = 5_000): Promise<readonly string[]> {
  const end = Date.now() + deadlineMs;
  let staying: readonly string[] | undefined;
  for (;;) {
    const now = takeSnapshot(watched);
    const fresh = [...now].filter((item) => !before.has(item));
    staying = staying?.filter((item) => now.has(item)) ?? fresh;
    if (staying.length === 0 || Date.now() > end) return staying;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
