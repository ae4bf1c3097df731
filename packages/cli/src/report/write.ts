/** Whole texts to standard output and standard error, written at once: nothing is lost when the process exits right after. */
import { closeSync, fstatSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';

/** Milliseconds between attempts on a descriptor that another program made non-blocking. */
const RETRY = 5;

/** Writes all of `text`. A closed pipe (EPIPE) is no error: the reader has seen enough. */
export function writeAll(fd: number, text: string): void {
  writeBytes(fd, Buffer.from(text));
}

/** As `writeAll`. */
export function writeBytes(fd: number, bytes: Uint8Array): void {
  let rest = bytes;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'EPIPE' || code === 'EIO' || code === 'EBADF') return;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY);
    }
  }
}

/** Major number of /dev/null and its kind (devices.txt): these are no terminals, and need no module to tell. */
const MEMORY_DEVICES = 1;

/** isatty(3), without loading node:tty for descriptors that can't be terminals. */
export function isTerminal(fd: number): boolean {
  return mayBeTerminal(fd) && isatty(fd);
}

/** At exit Node sets the modes of its terminals back, and aborts where one was hung up (EIO): those are closed before. */
export function closeLostTerminals(): void {
  for (const fd of [0, 1, 2]) if (mayBeTerminal(fd) && !isatty(fd)) closeSync(fd);
}

function mayBeTerminal(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    return stat.isCharacterDevice() && ((stat.rdev >> 8) & 0xfff) !== MEMORY_DEVICES;
  } catch {
    return false;
  }
}

function isatty(fd: number): boolean {
  return (createRequire(import.meta.url)('node:tty') as typeof import('node:tty')).isatty(fd);
}
