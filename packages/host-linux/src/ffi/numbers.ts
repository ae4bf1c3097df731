/** Numbers of the system calls that the launching process itself makes: syscall_64.tbl, asm-generic/unistd.h. */
const X64 = { mmap: 9, mknodat: 259, connect: 42, sendmsg: 46, socket: 41, ppoll: 271, mprotect: 10, munmap: 11, ioctl: 16, fcntl: 72, pipe2: 293, socketpair: 53, recvmsg: 47, waitid: 247, futex: 202, pidfd_send_signal: 424, pidfd_open: 434, pidfd_getfd: 438, statfs: 137, memfd_create: 319, prctl: 157 } as const;
const ARM64: Readonly<Record<keyof typeof X64, number>> = { mmap: 222, mknodat: 33, connect: 203, sendmsg: 211, socket: 198, ppoll: 73, mprotect: 226, munmap: 215, ioctl: 29, fcntl: 25, pipe2: 59, socketpair: 199, recvmsg: 212, waitid: 95, futex: 98, pidfd_send_signal: 424, pidfd_open: 434, pidfd_getfd: 438, statfs: 43, memfd_create: 279, prctl: 167 };

export type OwnSyscall = keyof typeof X64;

export function syscallNumber(name: OwnSyscall): number {
  return (process.arch === 'arm64' ? ARM64 : X64)[name];
}
