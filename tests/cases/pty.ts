/** A terminal that a test sits at: pty(7), ioctl_tty(2). */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, constants, openSync, read, writeSync } from 'node:fs';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from '../tidy/repository.ts';

const TIOCSWINSZ = 0x5414;
const TIOCSPTLCK = 0x4004_5431;
const TIOCGPTN = 0x8004_5430;
const CHUNK = 65_536;
const PAUSE_MS = 5;

export interface Size {
  readonly rows: number;
  readonly columns: number;
}

/** A command with the terminal as its three streams and its controlling terminal. */
export interface TerminalSession {
  readonly child: ChildProcess;
  /** All that was shown until now. */
  shown(): string;
  type(text: string): void;
  resize(size: Size): void;
  /** Closes the window: a hangup for who uses the terminal. */
  close(): void;
  /** Resolves when what was shown matches; rejects when the command has ended without it. */
  shows(pattern: RegExp): Promise<RegExpExecArray>;
  /** Exit code or signal, and all that was shown, when the command has ended. */
  ended(): Promise<{ readonly status: number | string | null; readonly shown: string }>;
}

type Ioctl = (fd: number, request: number, argument: Buffer) => number;

/** As much of koffi as is used here: it is a dependency of the packages, not of the tests. */
interface Koffi {
  load(library: null): { func(name: string, result: string, parameters: readonly string[]): Ioctl };
}

let ioctl: Ioctl | undefined;

function control(fd: number, request: number, argument: Buffer): Buffer {
  ioctl ??= (createRequire(join(root, 'packages/cli/package.json'))('koffi') as Koffi).load(null).func('ioctl', 'int', ['int', 'ulong', 'void *']);
  // SAFETY: the requests above read or write at most 8 bytes and keep no pointer.
  if (ioctl(fd, request, argument) !== 0) throw new Error(`ioctl ${request.toString(16)} failed`);
  return argument;
}

function setSize(fd: number, { rows, columns }: Size): void {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(rows, 0);
  bytes.writeUInt16LE(columns, 2);
  control(fd, TIOCSWINSZ, bytes);
}

/** Opens a terminal of this size and runs a command in it, as the leader of its session: setsid(1) makes it the controlling terminal. */
export function startInTerminal(argv: readonly string[], options: { readonly size: Size; readonly env: NodeJS.ProcessEnv; readonly uid?: number }): TerminalSession {
  const master = openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  control(master, TIOCSPTLCK, Buffer.alloc(8));
  const number = control(master, TIOCGPTN, Buffer.alloc(8)).readUInt32LE(0);
  const slave = openSync(`/dev/pts/${String(number)}`, constants.O_RDWR | constants.O_NOCTTY);
  setSize(master, options.size);
  const who = options.uid === undefined ? {} : { uid: options.uid, gid: options.uid };
  const child = spawn('setsid', ['--ctty', '--', ...argv], { stdio: [slave, slave, slave], env: options.env, cwd: '/', ...who });
  closeSync(slave);
  return watch(child, master);
}

function watch(child: ChildProcess, master: number): TerminalSession {
  let shown = '';
  let over = false;
  let open = true;
  const close = (): void => {
    if (open) closeSync(master);
    open = false;
  };
  const waiting = new Set<() => void>();
  const exit = once(child, 'exit');
  const closed = readAll(master, (text) => {
    shown += text;
    for (const look of waiting) look();
  }).then(() => {
    over = true;
    for (const look of waiting) look();
    close();
  });
  return {
    child,
    shown: () => shown,
    type: (text) => void writeSync(master, text),
    resize: (size) => setSize(master, size),
    close,
    shows: (pattern) => new Promise((resolve, reject) => {
      const look = (): void => {
        const match = pattern.exec(shown);
        if (match === null && !over) return;
        waiting.delete(look);
        if (match === null) reject(new Error(`the command ended without showing ${String(pattern)}: ${shown}`));
        else resolve(match);
      };
      waiting.add(look);
      look();
    }),
    async ended() {
      const [code, signal] = await exit;
      await closed;
      return { status: (code ?? signal) as number | string | null, shown };
    },
  };
}

/**
 * Until every slave is closed, which reading tells by EIO. Asked again and again: libuv takes a hangup for the end too early, and a read that
 * waits would keep the terminal open after `close`.
 */
function readAll(master: number, take: (text: string) => void): Promise<void> {
  return new Promise((resolve) => {
    const bytes = Buffer.alloc(CHUNK);
    const next = (): void => read(master, bytes, 0, CHUNK, null, (error, count) => {
      if (error?.code === 'EAGAIN') return void setTimeout(next, PAUSE_MS);
      if (error !== null || count === 0) return resolve();
      take(bytes.toString('utf8', 0, count));
      next();
    });
    next();
  });
}
