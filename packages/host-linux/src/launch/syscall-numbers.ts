/** System call numbers: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h (arm64). Those from 424 on are the same everywhere. */
import type { Architecture } from './constants.ts';

const X64 = {
  move_mount: 429, open_tree: 428, fsopen: 430, fsconfig: 431, fsmount: 432, clone3: 435, close_range: 436, openat2: 437, mount_setattr: 442,
  read: 0, write: 1, close: 3, rt_sigaction: 13, rt_sigprocmask: 14, ioctl: 16, socket: 41, sendmsg: 46, execve: 59, fcntl: 72, chdir: 80, fchdir: 81,
  umask: 95, setpriority: 141, sched_setscheduler: 144, setgroups: 116, setsid: 112, setresuid: 117, setresgid: 119, capset: 126, personality: 135, pivot_root: 155,
  prctl: 157, chroot: 161, mount: 165, umount2: 166, sethostname: 170, setdomainname: 171, ioprio_set: 251, openat: 257, mkdirat: 258, mknodat: 259, fchownat: 260,
  writev: 20, faccessat: 269, exit_group: 231, execveat: 322, symlinkat: 266, fchmodat: 268, unshare: 272, dup3: 292, prlimit64: 302, setns: 308, seccomp: 317, statx: 332,
} as const;

export type SyscallName = keyof typeof X64;

const ARM64: Readonly<Record<SyscallName, number>> = {
  move_mount: 429, open_tree: 428, fsopen: 430, fsconfig: 431, fsmount: 432, clone3: 435, close_range: 436, openat2: 437, mount_setattr: 442,
  read: 63, write: 64, close: 57, rt_sigaction: 134, rt_sigprocmask: 135, ioctl: 29, socket: 198, sendmsg: 211, execve: 221, fcntl: 25, chdir: 49, fchdir: 50,
  umask: 166, setpriority: 140, sched_setscheduler: 119, setgroups: 159, setsid: 157, setresuid: 147, setresgid: 149, capset: 91, personality: 92, pivot_root: 41,
  prctl: 167, chroot: 51, mount: 40, umount2: 39, sethostname: 161, setdomainname: 162, ioprio_set: 30, openat: 56, mkdirat: 34, mknodat: 33, fchownat: 54,
  writev: 66, faccessat: 48, exit_group: 94, execveat: 281, symlinkat: 36, fchmodat: 53, unshare: 97, dup3: 24, prlimit64: 261, setns: 268, seccomp: 277, statx: 291,
};

export const SYSCALL_NUMBERS: Readonly<Record<Architecture, Readonly<Record<SyscallName, number>>>> = { x64: X64, arm64: ARM64 };
