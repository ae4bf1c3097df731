/** Copies between the user's streams and the container's: its terminal, or the pipes it got in place of ours. */
import { read, write } from 'node:fs';
import { Socket } from 'node:net';
import { ReadStream } from 'node:tty';
import type { Readable } from 'node:stream';
import type { LaunchedProcess } from '@tsc-box/model';

export interface UserStreams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

export interface Attachment {
  /** Resolves when all output has been copied, or after `limit` milliseconds: something outside the container may hold its streams. */
  drained(limit: number): Promise<void>;
  close(): void;
}

/** `interactive`: what the user types goes to the container's terminal. */
export function attach(child: LaunchedProcess, interactive: boolean, user: UserStreams = process): Attachment {
  const sources: Readable[] = [];
  const closers: (() => void)[] = [];
  const copies: Promise<void>[] = [];
  const copyOut = (source: Readable, to: NodeJS.WriteStream, master?: number): void => {
    sources.push(source);
    copies.push(copy(source, to, master));
  };
  if (child.terminal !== undefined) {
    // Half open, as it must not be closed at the end that libuv tells: see `readRest`.
    const master = new ReadStream(child.terminal, { allowHalfOpen: true });
    copyOut(master, user.stdout, child.terminal);
    // A raw terminal ends only when it is gone: the container's is hung up then, or its command would wait for ever for a user who left.
    if (interactive) closers.push(typeInto(user.stdin, child.terminal, () => void master.destroy()));
  }
  if (child.stdout !== undefined) copyOut(new Socket({ fd: child.stdout, readable: true, writable: false }), user.stdout);
  if (child.stderr !== undefined) copyOut(new Socket({ fd: child.stderr, readable: true, writable: false }), user.stderr);
  if (child.stdin !== undefined) closers.push(feed(user.stdin, child.stdin));
  return {
    async drained(limit) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, limit)));
      await Promise.race([Promise.all(copies), late]);
      clearTimeout(timer);
    },
    close() {
      for (const source of sources) source.destroy();
      for (const end of closers) end();
    },
  };
}

/**
 * Resolves at the end of the output. Reading a terminal whose other side is closed gives EIO (pty(7)): that is its end.
 * When nobody reads what we write (EPIPE), our end is closed too: the container meets a closed pipe, or the hangup of its terminal.
 */
function copy(source: Readable, to: NodeJS.WriteStream, master: number | undefined): Promise<void> {
  return new Promise((resolve) => {
    const gone = (): void => void source.destroy();
    to.on('error', gone);
    source.on('error', () => undefined);
    source.once('close', () => {
      to.off('error', gone);
      to.on('error', () => undefined);
      resolve();
    });
    source.once('end', () => (master === undefined ? source.destroy() : readRest(master, source, to)));
    source.pipe(to, { end: false });
  });
}

/** Bytes: more than the kernel gives at once of a terminal (4095). */
const CHUNK = 8192;

/**
 * libuv takes a terminal's hangup for its end although the kernel still holds output (uv__stream_io with POLLHUP): the rest is read here,
 * until the kernel says EIO.
 */
function readRest(master: number, source: Readable, to: NodeJS.WriteStream): void {
  if (source.destroyed) return;
  read(master, Buffer.allocUnsafe(CHUNK), 0, CHUNK, null, (error, count, bytes) => {
    if (error !== null || count === 0 || source.destroyed) return void source.destroy();
    to.write(bytes.subarray(0, count), () => readRest(master, source, to));
  });
}

/** Copies to a pipe, and closes it at the end of the input. A command that reads no more is no error. */
function feed(stdin: NodeJS.ReadStream, fd: number): () => void {
  const pipe = new Socket({ fd, readable: false, writable: true });
  pipe.on('error', () => stdin.pause());
  stdin.on('error', () => pipe.end());
  stdin.pipe(pipe);
  return () => {
    stdin.unpipe(pipe);
    stdin.destroy();
    pipe.destroy();
  };
}

/**
 * Copies what is typed to the terminal's master side, one write at a time, in Node's thread pool: the kernel makes the writer wait while the
 * container's input queue is full, and output must go on being read meanwhile. `hangUp` is called when the user's terminal is gone.
 * `watcher` may take keys for itself.
 */
export function typeInto(stdin: NodeJS.ReadStream, master: number, hangUp: () => void, watcher?: (bytes: Buffer) => Buffer): () => void {
  let closed = false;
  let writing = false;
  let over = false;
  const put = (bytes: Buffer): void => {
    writing = true;
    write(master, bytes, (error, written) => {
      if (closed) return;
      const rest = bytes.subarray(error === null ? written : 0);
      if (error?.code === 'EAGAIN') setTimeout(put, RETRY, rest);
      else if (error === null && rest.length > 0) put(rest);
      else {
        writing = false;
        if (over) end();
        else if (error === null) stdin.resume();
        else stdin.pause();
      }
    });
  };
  const typed = (bytes: Buffer): void => {
    const passed = watcher === undefined ? bytes : watcher(bytes);
    if (passed.length === 0) return;
    stdin.pause();
    put(passed);
  };
  const end = (): void => {
    if (closed) return;
    closed = true;
    hangUp();
  };
  // The end may be told while what came before it is still being written.
  const left = (): void => {
    over = true;
    if (!writing) end();
  };
  stdin.on('data', typed);
  stdin.on('end', left);
  stdin.on('error', left);
  return () => {
    closed = true;
    stdin.off('data', typed);
    stdin.destroy();
  };
}

/** Milliseconds before another attempt on a full queue, where the descriptor does not wait by itself. */
const RETRY = 5;
