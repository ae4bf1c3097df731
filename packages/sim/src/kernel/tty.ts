/** Pseudo-terminals and their line discipline: pty(7), termios(3), ioctl_tty(2). */
import type { Termios, WindowSize } from '../abi/calls.ts';
import { O_NONBLOCK, O_RDWR, POLLHUP, POLLIN, POLLOUT, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGWINCH, TCGETS, TCSETS, TIOCGPGRP, TIOCGPTN, TIOCGWINSZ, TIOCNOTTY, TIOCSCTTY, TIOCSPGRP, TIOCSPTLCK, TIOCSWINSZ } from '../abi/constants.ts';
import { EAGAIN, EINVAL, EIO, ENOTTY, EPERM, ESRCH } from '../abi/errno.ts';
import { createFile, type FileOps, type OpenFile } from './fd.ts';
import { createPipe, takeBytes, type Pipe } from './pipe.ts';
import { numberIn, type Pid } from './pidns.ts';
import { signalGroup } from './signal.ts';
import type { Blocked, Task } from './types.ts';
import { waitOn, wake } from './wait.ts';

export interface Terminal {
  readonly number: number;
  /** What the master writes and the slave reads, after the line discipline. */
  readonly input: Pipe;
  /** What the slave writes, and echo: the master reads. */
  readonly output: Pipe;
  /** A line being typed. */
  line: number[];
  /** ^D on an empty line: one read gives nothing. */
  endOfFile: boolean;
  settings: Termios;
  size: WindowSize;
  locked: boolean;
  masterOpen: boolean;
  slaves: number;
  session: Pid | undefined;
  foreground: Pid | undefined;
}

export function createTerminal(number: number): Terminal {
  return { number, input: createPipe(), output: createPipe(), line: [], endOfFile: false, settings: { canonical: true, echo: true, signals: true, outputNewline: true }, size: { rows: 0, columns: 0 }, locked: true, masterOpen: true, slaves: 0, session: undefined, foreground: undefined };
}

function push(pipe: Pipe, bytes: Uint8Array): void {
  if (bytes.length === 0) return;
  pipe.chunks.push(bytes);
  pipe.length += bytes.length;
  wake(pipe.readable);
}

/** OPOST with ONLCR. */
function post(terminal: Terminal, data: Uint8Array): Uint8Array {
  if (!terminal.settings.outputNewline || !data.includes(10)) return data.slice();
  const bytes: number[] = [];
  for (const byte of data) {
    if (byte === 10) bytes.push(13);
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

const SIGNAL_KEYS: Readonly<Record<number, number>> = { 3: SIGINT, 28: SIGQUIT, 26: SIGTSTP };

function typed(terminal: Terminal, byte: number): void {
  const { settings, foreground } = terminal;
  const key = settings.signals ? SIGNAL_KEYS[byte] : undefined;
  if (key !== undefined) {
    terminal.line = [];
    if (settings.echo) push(terminal.output, Uint8Array.of(0x5e, byte + 0x40));
    if (foreground !== undefined) signalGroup(foreground, key);
    return;
  }
  // ICRNL is always on.
  const code = byte === 13 ? 10 : byte;
  if (!settings.canonical) {
    push(terminal.input, Uint8Array.of(code));
    if (settings.echo) push(terminal.output, post(terminal, Uint8Array.of(code)));
    return;
  }
  editLine(terminal, code);
}

function editLine(terminal: Terminal, code: number): void {
  const { echo } = terminal.settings;
  if (code === 0x7f || code === 8) {
    if (terminal.line.pop() !== undefined && echo) push(terminal.output, Uint8Array.of(8, 32, 8));
    return;
  }
  if (code === 0x15) {
    if (echo) for (const _ of terminal.line) push(terminal.output, Uint8Array.of(8, 32, 8));
    terminal.line = [];
    return;
  }
  if (code !== 4) terminal.line.push(code);
  if (echo && code !== 4) push(terminal.output, post(terminal, Uint8Array.of(code)));
  if (code !== 10 && code !== 4) return;
  if (terminal.line.length === 0) {
    terminal.endOfFile = true;
    wake(terminal.input.readable);
  } else push(terminal.input, Uint8Array.from(terminal.line));
  terminal.line = [];
}

function control(terminal: Terminal, task: Task, request: number, value: unknown): number | WindowSize | Termios {
  switch (request) {
    case TCGETS:
      return terminal.settings;
    case TCSETS:
      terminal.settings = value as Termios;
      return 0;
    case TIOCGWINSZ:
      return terminal.size;
    case TIOCSWINSZ:
      setSize(terminal, value as WindowSize);
      return 0;
    case TIOCSCTTY:
      if (task.pid !== task.session || task.terminal !== undefined) return -EPERM;
      if (terminal.session !== undefined && terminal.session !== task.session) return -EPERM;
      task.terminal = terminal;
      terminal.session = task.session;
      terminal.foreground = task.group;
      return 0;
    case TIOCNOTTY:
      if (task.terminal !== terminal) return -ENOTTY;
      task.terminal = undefined;
      return 0;
    case TIOCGPGRP:
      return task.terminal === terminal && terminal.foreground !== undefined ? numberIn(terminal.foreground, task.ns.pid) : -ENOTTY;
    case TIOCSPGRP: {
      if (task.terminal !== terminal) return -ENOTTY;
      for (const other of task.kernel.tasks) {
        if (other.session !== task.session || numberIn(other.group, task.ns.pid) !== value) continue;
        terminal.foreground = other.group;
        return 0;
      }
      return -ESRCH;
    }
    default:
      return -ENOTTY;
  }
}

/** Tells the foreground by SIGWINCH when it has changed. */
export function setSize(terminal: Terminal, size: WindowSize): void {
  const changed = size.rows !== terminal.size.rows || size.columns !== terminal.size.columns;
  terminal.size = { rows: size.rows, columns: size.columns };
  if (changed && terminal.foreground !== undefined) signalGroup(terminal.foreground, SIGWINCH);
}

function readFrom(task: Task, pipe: Pipe, file: OpenFile, count: number, gone: boolean): Uint8Array | number | Blocked {
  if (pipe.length > 0) {
    const bytes = takeBytes(pipe, count);
    wake(pipe.writable);
    return bytes;
  }
  if (gone) return -EIO;
  return (file.flags & O_NONBLOCK) === 0 ? waitOn(task, pipe.readable) : -EAGAIN;
}

export function openMaster(terminal: Terminal): OpenFile {
  const ops: FileOps = {
    read: (task, count) => readFrom(task, terminal.output, file, count, terminal.slaves === 0 && terminal.session !== undefined),
    write(_task, data) {
      for (const byte of data) typed(terminal, byte);
      return data.length;
    },
    poll: () => (terminal.output.length > 0 ? POLLIN : 0) | POLLOUT,
    queues: [terminal.output.readable],
    ioctl(task, request, value) {
      if (request === TIOCSPTLCK) terminal.locked = value !== 0;
      else if (request === TIOCGPTN) return terminal.number;
      else return control(terminal, task, request, value);
      return 0;
    },
    release() {
      terminal.masterOpen = false;
      wake(terminal.input.readable);
      if (terminal.foreground !== undefined) for (const signal of [SIGHUP, SIGCONT]) signalGroup(terminal.foreground, signal);
    },
  };
  const file = createFile(ops, O_RDWR, '/dev/pts/ptmx');
  return file;
}

/** @returns EIO while it is locked, or once its master is closed. */
export function openSlave(terminal: Terminal, flags: number): OpenFile | number {
  if (terminal.locked || !terminal.masterOpen) return -EIO;
  terminal.slaves += 1;
  const ops: FileOps = {
    read(task, count) {
      if (task.terminal === terminal && terminal.foreground !== undefined && terminal.foreground !== task.group) {
        signalGroup(task.group, SIGTTIN);
        return -EIO;
      }
      if (terminal.endOfFile && terminal.input.length === 0) {
        terminal.endOfFile = false;
        return new Uint8Array(0);
      }
      // A line at a time: each is a chunk of its own.
      const line = terminal.settings.canonical ? Math.min(count, terminal.input.chunks[0]?.length ?? count) : count;
      return terminal.input.length === 0 && !terminal.masterOpen ? new Uint8Array(0) : readFrom(task, terminal.input, file, line, false);
    },
    write(_task, data) {
      if (!terminal.masterOpen) return -EIO;
      push(terminal.output, post(terminal, data));
      return data.length;
    },
    poll: () => (terminal.input.length > 0 || terminal.endOfFile ? POLLIN : 0) | (terminal.masterOpen ? POLLOUT : POLLHUP),
    queues: [terminal.input.readable],
    ioctl: (task, request, value) => (request === TIOCSPTLCK ? -EINVAL : control(terminal, task, request, value)),
    release() {
      terminal.slaves -= 1;
      if (terminal.slaves === 0) wake(terminal.output.readable);
    },
  };
  const file = createFile(ops, O_RDWR | flags, `/dev/pts/${String(terminal.number)}`);
  return file;
}
