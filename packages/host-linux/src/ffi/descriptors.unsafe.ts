/** What Node lacks for descriptors: pipes, socket pairs, duplicates, descriptors passed over a socket, terminal sizes. */
import { closeSync, writeSync } from 'node:fs';
import { SyscallError } from '@tsc-box/model';
import { scratch, systemCall, trySystemCall } from './libc.unsafe.ts';

const AT_FDCWD = -100;
const S_IFIFO = 0o010000;
/** struct sockaddr_un. */
const SOCKADDR_BYTES = 110;
const PATH_BYTES = 4096;
const O_CLOEXEC = 0o2000000;
const F_DUPFD_CLOEXEC = 1030;
const [AF_UNIX, SOCK_STREAM] = [1, 1];
const MSG_CMSG_CLOEXEC = 0x40000000;
/** The sender has sent before it executed, or never will. */
const MSG_DONTWAIT = 0x40;
const [SOL_SOCKET, SCM_RIGHTS] = [1, 1];
const TIOCSWINSZ = 0x5414;

/** `[read end, write end]`, close-on-exec: pipe2(2). */
export function makePipe(): readonly [number, number] {
  const { address, bytes } = scratch();
  systemCall('pipe2', [address, O_CLOEXEC], 'make a pipe');
  return [bytes.readInt32LE(0), bytes.readInt32LE(4)];
}

/** A fifo of mode 0600: mknodat(2). @throws SyscallError */
export function makeFifo(path: string): void {
  const { address, bytes } = scratch();
  const length = bytes.write(`${path}\0`, 'utf8');
  if (length > PATH_BYTES) throw new SyscallError({ attempted: `make the fifo "${path}"`, syscall: 'mknodat', errno: 'ENAMETOOLONG', path });
  const result = trySystemCall('mknodat', [AT_FDCWD, address, S_IFIFO | 0o600, 0]);
  if (typeof result === 'string') throw new SyscallError({ attempted: `make the fifo "${path}"`, syscall: 'mknodat', errno: result, path });
}

/** Two connected stream sockets, close-on-exec: socketpair(2). */
export function makeSocketPair(): readonly [number, number] {
  const { address, bytes } = scratch();
  systemCall('socketpair', [AF_UNIX, SOCK_STREAM | O_CLOEXEC, 0, address], 'make a pair of sockets');
  return [bytes.readInt32LE(0), bytes.readInt32LE(4)];
}

/** A copy of `fd` with a number of at least `least`, close-on-exec: fcntl(2). */
export function duplicate(fd: number, least: number): number {
  return systemCall('fcntl', [fd, F_DUPFD_CLOEXEC, least], `duplicate descriptor ${fd}`);
}

export function writeByte(fd: number): void {
  writeSync(fd, Uint8Array.of(1));
}

/** The descriptor in the next message on a socket: unix(7), SCM_RIGHTS. */
export function receiveDescriptor(socket: number): number {
  const { address, bytes } = scratch();
  const [iov, data, control] = [address + 64, address + 128, address + 192];
  bytes.fill(0, 0, 256);
  // struct msghdr: name, name length, iov, iov length, control, control length, flags.
  for (const [index, word] of [0, 0, iov, 1, control, 24, 0].entries()) bytes.writeBigUInt64LE(BigInt(word), index * 8);
  bytes.writeBigUInt64LE(BigInt(data), 64);
  bytes.writeBigUInt64LE(1n, 72);
  systemCall('recvmsg', [socket, address, MSG_CMSG_CLOEXEC | MSG_DONTWAIT], "receive the terminal's master side");
  // struct msghdr.msg_controllen at 40; struct cmsghdr: length, level, type.
  const passed = bytes.readUInt32LE(40) >= 20 && bytes.readInt32LE(192 + 8) === SOL_SOCKET && bytes.readInt32LE(192 + 12) === SCM_RIGHTS;
  if (!passed) throw new SyscallError({ attempted: "receive the terminal's master side", syscall: 'recvmsg', detail: 'the message holds no descriptor' });
  return bytes.readInt32LE(192 + 16);
}

/** Sends a descriptor, with a name as the message, to who listens on the socket: unix(7). @throws SyscallError */
export function sendDescriptor(path: string, fd: number, name: string): void {
  const { address, bytes } = scratch();
  const attempted = `pass a descriptor to "${path}"`;
  bytes.fill(0, 0, SOCKADDR_BYTES);
  bytes.writeUInt16LE(AF_UNIX, 0);
  if (Buffer.byteLength(path) >= SOCKADDR_BYTES - 2) throw new SyscallError({ attempted, syscall: 'connect', errno: 'ENAMETOOLONG', path, reason: 'the path of a socket has at most 107 bytes' });
  bytes.write(path, 2);
  const socket = systemCall('socket', [AF_UNIX, SOCK_STREAM | O_CLOEXEC, 0], 'make a socket');
  try {
    systemCall('connect', [socket, address, SOCKADDR_BYTES], attempted);
    const [iov, data, control] = [address + 64, address + 512, address + 192];
    bytes.fill(0, 0, 256);
    const length = bytes.write(name, 512);
    for (const [index, word] of [0, 0, iov, 1, control, 24, 0].entries()) bytes.writeBigUInt64LE(BigInt(word), index * 8);
    bytes.writeBigUInt64LE(BigInt(data), 64);
    bytes.writeBigUInt64LE(BigInt(length), 72);
    // struct cmsghdr: length, level, type; then the descriptor.
    bytes.writeUInt32LE(20, 192);
    bytes.writeInt32LE(SOL_SOCKET, 200);
    bytes.writeInt32LE(SCM_RIGHTS, 204);
    bytes.writeInt32LE(fd, 208);
    systemCall('sendmsg', [socket, address, 0], attempted);
  } finally {
    closeSync(socket);
  }
}

/** ioctl_tty(2), TIOCSWINSZ. Characters. */
export function resizeTerminal(fd: number, height: number, width: number): void {
  const { address, bytes } = scratch();
  bytes.writeUInt16LE(height, 0);
  bytes.writeUInt16LE(width, 2);
  bytes.writeUInt32LE(0, 4);
  systemCall('ioctl', [fd, TIOCSWINSZ, address], 'set the size of the terminal');
}
