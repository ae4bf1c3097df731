/** Random bytes from random(4): loading node:crypto for them would take longer than all the rest of the engine. */
import { closeSync, openSync, readSync } from 'node:fs';

export function randomBytes(count: number): Buffer {
  const bytes = Buffer.alloc(count);
  let fd: number;
  try {
    fd = openSync('/dev/urandom', 'r');
  } catch {
    return Buffer.from(globalThis.crypto.getRandomValues(new Uint8Array(count)));
  }
  try {
    for (let done = 0; done < count; ) done += readSync(fd, bytes, done, count - done, null);
  } finally {
    closeSync(fd);
  }
  return bytes;
}

/** An integer from 0 to below `end`, which is at most 2^32. The bias of at most one in 2^16 is no matter for names. */
export function randomBelow(end: number): number {
  return randomBytes(6).readUIntBE(0, 6) % end;
}
