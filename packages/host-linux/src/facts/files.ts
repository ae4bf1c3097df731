/** Reading and trying files without throwing: a probe only wants to know. */
import { accessSync, closeSync, constants, existsSync, openSync, readSync } from 'node:fs';

/** Files of /proc have no size: readFileSync allocates and grows for each, which takes several times as long. */
const buffer = Buffer.allocUnsafeSlow(64 * 1024);

export function readText(path: string): string | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY);
    let text = '';
    for (;;) {
      const count = readSync(fd, buffer, 0, buffer.length, null);
      if (count === 0) return text;
      text += buffer.toString('latin1', 0, count);
    }
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

export function canWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

export const exists = (path: string): boolean => existsSync(path);
