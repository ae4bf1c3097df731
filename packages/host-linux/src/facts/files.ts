/** Reading and trying files without throwing: a probe only wants to know. */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';

export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
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
