/** Pipes and FIFOs: pipe(7). */
import { O_NONBLOCK, O_RDONLY, O_WRONLY, POLLERR, POLLHUP, POLLIN, POLLOUT, SIGPIPE } from '../abi/constants.ts';
import { EAGAIN, EPIPE } from '../abi/errno.ts';
import { createFile, type FileOps, type OpenFile } from './fd.ts';
import { sendSignal } from './signal.ts';
import { createQueue, waitOn, wake, type WaitQueue } from './wait.ts';

/** pipe(7), "Pipe capacity" and "PIPE_BUF". */
export const PIPE_CAPACITY = 65536;
const PIPE_BUF = 4096;
const EMPTY = new Uint8Array(0);

export interface Pipe {
  /** Written and not yet read, in order. */
  readonly chunks: Uint8Array[];
  length: number;
  readers: number;
  writers: number;
  readonly readable: WaitQueue;
  readonly writable: WaitQueue;
}

export function createPipe(): Pipe {
  return { chunks: [], length: 0, readers: 0, writers: 0, readable: createQueue('data in a pipe'), writable: createQueue('room in a pipe') };
}

/** Takes up to `count` bytes. */
export function takeBytes(pipe: Pipe, count: number): Uint8Array {
  const [first] = pipe.chunks;
  if (first === undefined) return EMPTY;
  // The usual case: one write, one read.
  if (pipe.chunks.length === 1 && first.length <= count) {
    pipe.chunks.length = 0;
    pipe.length = 0;
    return first;
  }
  const result = new Uint8Array(Math.min(count, pipe.length));
  let filled = 0;
  while (filled < result.length) {
    const chunk = pipe.chunks[0] ?? EMPTY;
    const part = chunk.subarray(0, result.length - filled);
    result.set(part, filled);
    filled += part.length;
    if (part.length === chunk.length) pipe.chunks.shift();
    else pipe.chunks[0] = chunk.subarray(part.length);
  }
  pipe.length -= result.length;
  return result;
}

function readEnd(pipe: Pipe, file: () => OpenFile): FileOps {
  return {
    read(task, count) {
      if (count === 0) return EMPTY;
      if (pipe.length > 0) {
        const bytes = takeBytes(pipe, count);
        wake(pipe.writable);
        return bytes;
      }
      if (pipe.writers === 0) return EMPTY;
      return (file().flags & O_NONBLOCK) === 0 ? waitOn(task, pipe.readable) : -EAGAIN;
    },
    poll: () => (pipe.length > 0 ? POLLIN : 0) | (pipe.writers === 0 ? POLLHUP : 0),
    queues: [pipe.readable],
    release() {
      pipe.readers -= 1;
      if (pipe.readers === 0) wake(pipe.writable);
    },
  };
}

function writeEnd(pipe: Pipe, file: () => OpenFile): FileOps {
  return {
    write(task, data) {
      if (pipe.readers === 0) {
        sendSignal(task, SIGPIPE, undefined);
        return -EPIPE;
      }
      // `progress`: what an earlier try has written already.
      const done = task.progress ?? 0;
      const rest = data.length - done;
      const room = PIPE_CAPACITY - pipe.length;
      const atomic = data.length <= PIPE_BUF;
      const count = atomic && room < rest ? 0 : Math.min(room, rest);
      if (count > 0) {
        // A copy: the writer may use its buffer again.
        pipe.chunks.push(data.slice(done, done + count));
        pipe.length += count;
        wake(pipe.readable);
      }
      if (count === rest) return data.length;
      if ((file().flags & O_NONBLOCK) !== 0) return done + count > 0 ? done + count : -EAGAIN;
      task.progress = done + count;
      return waitOn(task, pipe.writable);
    },
    poll: () => (pipe.length <= PIPE_CAPACITY - PIPE_BUF ? POLLOUT : 0) | (pipe.readers === 0 ? POLLERR : 0),
    queues: [pipe.writable],
    release() {
      pipe.writers -= 1;
      if (pipe.writers === 0) wake(pipe.readable);
    },
  };
}

/** One end as an open file. */
export function openEnd(pipe: Pipe, end: 'read' | 'write', flags: number, label = 'pipe'): OpenFile {
  const self = (): OpenFile => file;
  const file: OpenFile = end === 'read' ? createFile(readEnd(pipe, self), O_RDONLY | flags, label) : createFile(writeEnd(pipe, self), O_WRONLY | flags, label);
  if (end === 'read') {
    pipe.readers += 1;
    wake(pipe.writable);
  } else {
    pipe.writers += 1;
    wake(pipe.readable);
  }
  return file;
}
