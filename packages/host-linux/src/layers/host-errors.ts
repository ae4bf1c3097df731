/** File system errors of Node as `SyscallError`s, and what to do about a full disk. */
import { BoxError, SyscallError, textOf } from '@tsc-box/model';

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'free space or inodes there, or use --root DIR on a larger file system',
  EDQUOT: 'free space there, or have the quota raised',
  EROFS: 'use --root DIR on a file system that can be written to',
};

/** The name of an error's errno: of Node's errors (`code`) and of ours (`errno`). */
export function errnoOf(error: unknown): string | undefined {
  if (error instanceof BoxError) return error.errno;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** `path`: a byte string below the layer's directory. Typed errors that say more than an errno are passed on. */
export function layerWriteError(error: unknown, directory: string, path: string): unknown {
  const errno = errnoOf(error);
  if (errno === undefined || (error instanceof BoxError && !(error instanceof SyscallError))) return error;
  const syscall = error instanceof SyscallError ? error.syscall : (error as NodeJS.ErrnoException).syscall;
  const whole = path === '' ? directory : `${directory}/${textOf(path)}`;
  return new SyscallError({ attempted: `unpack "${whole}"`, syscall, errno, path: whole, hint: HINTS[errno], cause: error });
}
