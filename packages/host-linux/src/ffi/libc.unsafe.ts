/** The C library through koffi: system calls by number, and memory outside the JavaScript heap, which stays where it is. */
import { getSystemErrorName } from 'node:util';
import { SyscallError } from '@tsc-box/model';
import { koffi } from './koffi.unsafe.ts';
import { syscallNumber, type OwnSyscall } from './numbers.ts';

interface Libc {
  /** syscall(2): -1 on failure, with `errno()` set. Arguments are integers; addresses among them. */
  readonly syscall: (number: number, a: number, b: number, c: number, d: number, e: number, f: number) => number;
  readonly errno: () => number;
  readonly view: (address: number, size: number) => Buffer;
  readonly functionAt: (address: number) => (argument: number) => number;
}

let loaded: Libc | undefined;

/** Bound at the first call. */
export function libc(): Libc {
  if (loaded !== undefined) return loaded;
  const ffi = koffi();
  const own = ffi.load(null);
  const prototype = ffi.proto('long (size_t)');
  loaded = {
    syscall: own.func('long syscall(long, long, long, long, long, long, long)') as unknown as Libc['syscall'],
    errno: () => ffi.errno(),
    view: (address, size) => Buffer.from(ffi.view(BigInt(address), size)),
    functionAt: (address) => ffi.decode(BigInt(address), prototype) as (argument: number) => number,
  };
  return loaded;
}

/** A system call: its result, or the errno's name. */
export function trySystemCall(name: OwnSyscall, args: readonly number[]): number | string {
  const { syscall, errno } = libc();
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = args;
  const result = syscall(syscallNumber(name), a, b, c, d, e, f);
  return result >= 0 ? result : getSystemErrorName(-errno());
}

/** A system call that must succeed. @throws SyscallError with the errno's name. */
export function systemCall(name: OwnSyscall, args: readonly number[], attempted: string): number {
  const result = trySystemCall(name, args);
  if (typeof result === 'number') return result;
  throw new SyscallError({ attempted, syscall: name, errno: result });
}

export interface MappedMemory {
  readonly address: number;
  /** A view: not to be used after `free`. */
  readonly bytes: Buffer;
  free(): void;
}

const PAGE = 4096;
const PROT_READ_WRITE = 3;
const PROT_READ_EXECUTE = 5;
const MAP_PRIVATE_ANONYMOUS = 0x22;

/** Zeroed memory of whole pages: mmap(2). */
export function mapMemory(size: number): MappedMemory {
  const length = Math.ceil(size / PAGE) * PAGE;
  const address = systemCall('mmap', [0, length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0], 'map memory');
  return { address, bytes: libc().view(address, length), free: () => void trySystemCall('munmap', [address, length]) };
}

/** Code as a function. The memory is never writable and executable at once. It stays mapped. */
export function mapCode(code: Uint8Array, entry: number): (argument: number) => number {
  const memory = mapMemory(code.length);
  memory.bytes.set(code);
  systemCall('mprotect', [memory.address, memory.bytes.length, PROT_READ_EXECUTE], 'make the launcher executable');
  return libc().functionAt(memory.address + entry);
}

let scratchMemory: MappedMemory | undefined;

/** One page for the arguments of a single call at a time. */
export function scratch(): MappedMemory {
  scratchMemory ??= mapMemory(PAGE);
  return scratchMemory;
}
