/** The reaper as a file in memory: memfd_create(2). */
import { closeSync, writeSync } from 'node:fs';
import { SyscallError, UnsupportedError } from '@tsc-box/model';
import { scratch, trySystemCall } from '../ffi/libc.unsafe.ts';
import { buildReaper, type Reaper } from './reaper.ts';

const MFD_CLOEXEC = 0x1;
/** Linux 6.3. Asked for, as the sysctl vm.memfd_noexec may take the right to execute from others. */
const MFD_EXEC = 0x10;

let reaper: Reaper | undefined;

export interface ReaperFile {
  /** Writable, close-on-exec, owned by the caller. Each container needs one of its own. */
  readonly fd: number;
  readonly pidOffset: number;
}

/** @throws UnsupportedError where executable memory files are forbidden; SyscallError */
export function openReaperFile(architecture: 'x64' | 'arm64'): ReaperFile {
  reaper ??= buildReaper(architecture);
  const fd = makeMemoryFile('tsc-box-init');
  try {
    const written = writeSync(fd, reaper.bytes);
    if (written !== reaper.bytes.length) throw new SyscallError({ attempted: 'write the reaper', syscall: 'write', detail: `wrote ${String(written)} of ${String(reaper.bytes.length)} bytes` });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { fd, pidOffset: reaper.pidOffset };
}

function makeMemoryFile(name: string): number {
  const { address, bytes } = scratch();
  bytes.write(`${name}\0`, 'latin1');
  let result = trySystemCall('memfd_create', [address, MFD_CLOEXEC | MFD_EXEC]);
  if (result === 'EINVAL') result = trySystemCall('memfd_create', [address, MFD_CLOEXEC]);
  if (typeof result === 'number') return result;
  const attempted = 'make a file in memory for --init';
  if (result === 'EACCES') throw new UnsupportedError({ attempted, syscall: 'memfd_create', errno: result, reason: 'the sysctl vm.memfd_noexec is 2: no file in memory may be executed', hint: 'run without --init, or set vm.memfd_noexec to 1' });
  throw new SyscallError({ attempted, syscall: 'memfd_create', errno: result });
}
