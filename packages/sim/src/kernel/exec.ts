/** execve(2): which program a file is, and what the task becomes. */
import type { Program } from '../abi/calls.ts';
import { PROGRAM_MARK } from '../abi/programs.ts';
import { AT_FDCWD, FD_CLOEXEC, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, S_IFMT, S_IFREG, S_ISGID, S_ISUID } from '../abi/constants.ts';
import { EACCES, ELOOP, ENOENT, ENOEXEC } from '../abi/errno.ts';
import { latin1 } from '../det/trace.ts';
import { find } from '../vfs/path.ts';
import type { Position } from '../vfs/mount.ts';
import { afterExec, mayAccess } from './cred.ts';
import { closeAll } from './fd.ts';
import { globalPid, replaceProgram } from './task.ts';
import type { Task } from './types.ts';

const INTERPRETERS_MAX = 4;
const HEAD_BYTES = 256;

interface Image {
  readonly program: Program;
  readonly argv: readonly string[];
  readonly file: Position;
  readonly setuid: number | undefined;
  readonly setgid: number | undefined;
}

/** First bytes of a file, as far as they are there. */
export function headOf({ mount, node }: Position): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES);
  const length = mount.fs.read(node, head, 0);
  return head.subarray(0, Math.max(0, length));
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function resolve(task: Task, path: string, argv: readonly string[], depth: number): Image | number {
  const file = find(task, AT_FDCWD, path, { follow: true });
  if (typeof file === 'number') return file;
  const stat = file.mount.fs.stat(file.node, task);
  if ((stat.mode & S_IFMT) !== S_IFREG || (file.mount.attributes & MOUNT_ATTR_NOEXEC) !== 0) return -EACCES;
  if ((stat.mode & 0o111) === 0 || !mayAccess(task.cred, stat, 1)) return -EACCES;
  const head = latin1(headOf(file));
  if (head.startsWith('#!')) return script(task, path, argv, head, depth);
  const program = programOf(task, head, file);
  if (program === undefined) return -ENOEXEC;
  const honoured = (file.mount.attributes & MOUNT_ATTR_NOSUID) === 0 && !task.cred.noNewPrivs;
  return {
    program, argv, file, setuid: honoured && (stat.mode & S_ISUID) !== 0 ? stat.uid : undefined,
    setgid: honoured && (stat.mode & (S_ISGID | 0o010)) === (S_ISGID | 0o010) ? stat.gid : undefined,
  };
}

/** `#!interpreter [optional-arg]`: execve(2), "Interpreter scripts". */
function script(task: Task, path: string, argv: readonly string[], head: string, depth: number): Image | number {
  if (depth >= INTERPRETERS_MAX) return -ELOOP;
  const line = (head.slice(2).split('\n', 1)[0] ?? '').trim();
  if (line === '') return -ENOEXEC;
  const cut = line.search(/[ \t]/);
  const interpreter = cut < 0 ? line : line.slice(0, cut);
  const argument = cut < 0 ? [] : [line.slice(cut).trim()];
  return resolve(task, interpreter, [interpreter, ...argument, path, ...argv.slice(1)], depth + 1);
}

/**
 * One of the simulator's own, or a program of an image that the simulator has a command for: that one runs instead, and the trace says so.
 * The name is that of the file, so busybox's links are told apart by the name that was called only where the file itself has none.
 */
function programOf(task: Task, head: string, file: Position): Program | undefined {
  const { programs, trace, clock } = task.kernel;
  if (head.startsWith(PROGRAM_MARK)) return programs.find(head.slice(PROGRAM_MARK.length).split('\n', 1)[0] ?? '');
  if (!head.startsWith('\x7fELF')) return undefined;
  const name = file.mount.fs.name(file.node);
  const program = programs.find(name);
  if (program !== undefined && trace.enabled) trace.note(clock.now, globalPid(task), `the simulator's ${name} runs in place of the image's`);
  return program;
}

/** 0 when the task has become the program; else nothing has changed. */
export function execve(task: Task, path: string, argv: readonly string[], env: readonly string[]): number {
  if (path === '') return -ENOENT;
  const called = resolve(task, path, argv.length === 0 ? [''] : argv, 0);
  const image = typeof called === 'number' ? busybox(task, path, argv, called) : called;
  if (typeof image === 'number') return image;
  task.cred = afterExec(task.cred, image.setuid, image.setgid);
  closeAll(task, (flags) => (flags & FD_CLOEXEC) === 0);
  // Handlers are gone with the program; what is ignored stays ignored: execve(2), "Effect on process attributes".
  for (const [signal, { handler }] of task.actions) if (typeof handler === 'function') task.actions.delete(signal);
  task.comm = baseName(path).slice(0, 15);
  task.argv = image.argv;
  task.env = env;
  task.exe = image.file;
  task.executed = true;
  task.ns = { ...task.ns, time: task.ns.timeForChildren };
  task.ns.time.entered = true;
  replaceProgram(task, image.program);
  return 0;
}

/** A program of many names, such as busybox, is chosen by the name that it was called by. */
function busybox(task: Task, path: string, argv: readonly string[], refused: number): Image | number {
  if (refused !== -ENOEXEC) return refused;
  const file = find(task, AT_FDCWD, path, { follow: true });
  if (typeof file === 'number' || !latin1(headOf(file)).startsWith('\x7fELF')) return refused;
  const { programs, trace, clock } = task.kernel;
  const name = baseName(path);
  const program = /^(busybox|toybox|coreutils)/.test(file.mount.fs.name(file.node)) ? programs.find(name) : undefined;
  if (program === undefined) return refused;
  if (trace.enabled) trace.note(clock.now, globalPid(task), `the simulator's ${name} runs in place of the image's`);
  return { program, argv, file, setuid: undefined, setgid: undefined };
}
