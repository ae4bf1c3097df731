/** Executable files in memory: memfd_create(2). */
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { SyscallError, UnsupportedError } from '@tsc-box/model';
import { scratch, systemCall, trySystemCall } from '../ffi/libc.unsafe.ts';

const [MFD_CLOEXEC, MFD_ALLOW_SEALING] = [0x1, 0x2];
const F_ADD_SEALS = 1033;
/** F_SEAL_SEAL, SHRINK, GROW, WRITE. */
const ALL_SEALS = 0xf;
/** Linux 6.3. Asked for, as the sysctl vm.memfd_noexec may take the right to execute from others. */
const MFD_EXEC = 0x10;

/** A file in memory with these bytes: writable, close-on-exec, owned by the caller. @throws UnsupportedError where they may not be executed; SyscallError */
export function openMemoryFile(name: string, content: Uint8Array): number {
  const fd = makeMemoryFile(name);
  if (typeof fd === 'string') throw new UnsupportedError({ attempted: `make the file ${name} in memory`, syscall: 'memfd_create', errno: fd, reason: 'the sysctl vm.memfd_noexec is 2: no file in memory may be executed', hint: 'set vm.memfd_noexec to 1' });
  return filled(fd, name, content);
}

let count = 0;

/** One that can not be changed any more, or a file of `directory` without a name where files in memory may not be executed. */
export function openExecutable(name: string, content: Uint8Array, directory: string): number {
  const memory = makeMemoryFile(name);
  if (typeof memory === 'number') return sealed(filled(memory, name, content));
  count += 1;
  const path = join(directory, `.${name}.${String(process.pid)}.${String(count)}`);
  const writer = filled(openSync(path, 'wx', 0o700), name, content);
  try {
    // A file that is open for writing can not be executed: execve(2), ETXTBSY.
    return openSync(path, 'r');
  } finally {
    closeSync(writer);
    unlinkSync(path);
  }
}

function sealed(fd: number): number {
  systemCall('fcntl', [fd, F_ADD_SEALS, ALL_SEALS], 'seal a file in memory');
  return fd;
}

function filled(fd: number, name: string, content: Uint8Array): number {
  try {
    const written = writeSync(fd, content);
    if (written !== content.length) throw new SyscallError({ attempted: `write ${name}`, syscall: 'write', detail: `wrote ${String(written)} of ${String(content.length)} bytes` });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return fd;
}

/** 'EACCES' where the sysctl vm.memfd_noexec forbids it. */
function makeMemoryFile(name: string): number | string {
  const { address, bytes } = scratch();
  bytes.write(`${name}\0`, 'latin1');
  let result = trySystemCall('memfd_create', [address, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC]);
  if (result === 'EINVAL') result = trySystemCall('memfd_create', [address, MFD_CLOEXEC | MFD_ALLOW_SEALING]);
  if (typeof result === 'number' || result === 'EACCES') return result;
  throw new SyscallError({ attempted: `make the file ${name} in memory`, syscall: 'memfd_create', errno: result });
}
