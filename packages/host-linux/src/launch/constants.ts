/** The kernel's constants by name, as plans write them. Source: include/uapi/linux/{mount,fcntl,openat2,sched,capability,prctl,seccomp,close_range}.h. */
import { assert } from '@tsc-box/model';

export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_EMPTY_PATH = 0x1000;

/** Values above 2^31 stay exact: they are added, never or'ed by JavaScript's 32-bit operators. */
const VALUES: Readonly<Record<string, number>> = {
  // open(2), openat2(2). O_DIRECTORY and O_NOFOLLOW differ on arm64: see `flagValue`.
  O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2, O_NOCTTY: 0o400, O_CLOEXEC: 0o2000000, O_PATH: 0o10000000, O_NONBLOCK: 0o4000,
  RESOLVE_NO_XDEV: 1, RESOLVE_NO_MAGICLINKS: 2, RESOLVE_NO_SYMLINKS: 4, RESOLVE_BENEATH: 8, RESOLVE_IN_ROOT: 16,
  // mount(2), umount2(2)
  MS_RDONLY: 1, MS_NOSUID: 2, MS_NODEV: 4, MS_NOEXEC: 8, MS_REMOUNT: 32, MS_BIND: 4096, MS_MOVE: 8192, MS_REC: 16384,
  MS_UNBINDABLE: 1 << 17, MS_PRIVATE: 1 << 18, MS_SLAVE: 1 << 19, MS_SHARED: 1 << 20, MNT_DETACH: 2,
  // mount_setattr(2), fsmount(2)
  MOUNT_ATTR_RDONLY: 1, MOUNT_ATTR_NOSUID: 2, MOUNT_ATTR_NODEV: 4, MOUNT_ATTR_NOEXEC: 8, MOUNT_ATTR__ATIME: 0x70,
  MOUNT_ATTR_RELATIME: 0, MOUNT_ATTR_NOATIME: 0x10, MOUNT_ATTR_STRICTATIME: 0x20, MOUNT_ATTR_NODIRATIME: 0x80, MOUNT_ATTR_NOSYMFOLLOW: 0x200000,
  OPEN_TREE_CLONE: 1, OPEN_TREE_CLOEXEC: 0o2000000, AT_RECURSIVE: 0x8000, AT_EMPTY_PATH,
  FSCONFIG_SET_FLAG: 0, FSCONFIG_SET_STRING: 1, FSCONFIG_CMD_CREATE: 6,
  // clone(2), setns(2), unshare(2)
  CLONE_NEWTIME: 0x80, CLONE_NEWNS: 0x20000, CLONE_NEWCGROUP: 0x2000000, CLONE_NEWUTS: 0x4000000, CLONE_NEWIPC: 0x8000000,
  CLONE_NEWUSER: 0x10000000, CLONE_NEWPID: 0x20000000, CLONE_NEWNET: 0x40000000,
  // prctl(2)
  PR_SET_PDEATHSIG: 1, PR_SET_DUMPABLE: 4, PR_SET_KEEPCAPS: 8, PR_CAPBSET_DROP: 24, PR_SET_NO_NEW_PRIVS: 38, PR_CAP_AMBIENT: 47,
  PR_CAP_AMBIENT_RAISE: 2, PR_CAP_AMBIENT_CLEAR_ALL: 4, SIGKILL: 9,
  // seccomp(2)
  SECCOMP_FILTER_FLAG_TSYNC: 1, SECCOMP_FILTER_FLAG_LOG: 2, SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 32,
  CLOSE_RANGE_CLOEXEC: 4,
  // ioctl_tty(2)
  TIOCSCTTY: 0x540e, TIOCSWINSZ: 0x5414, TIOCSPTLCK: 0x40045431, TIOCGPTPEER: 0x5441, SIOCSIFFLAGS: 0x8914,
  // setrlimit(2)
  RLIMIT_CPU: 0, RLIMIT_FSIZE: 1, RLIMIT_DATA: 2, RLIMIT_STACK: 3, RLIMIT_CORE: 4, RLIMIT_RSS: 5, RLIMIT_NPROC: 6, RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8, RLIMIT_AS: 9, RLIMIT_LOCKS: 10, RLIMIT_SIGPENDING: 11, RLIMIT_MSGQUEUE: 12, RLIMIT_NICE: 13, RLIMIT_RTPRIO: 14, RLIMIT_RTTIME: 15,
  // sched_setscheduler(2), ioprio_set(2), personality(2)
  SCHED_OTHER: 0, SCHED_FIFO: 1, SCHED_RR: 2, SCHED_BATCH: 3, SCHED_ISO: 4, SCHED_IDLE: 5,
  IOPRIO_CLASS_RT: 1, IOPRIO_CLASS_BE: 2, IOPRIO_CLASS_IDLE: 3, LINUX: 0, LINUX32: 8,
};

/** include/uapi/asm-generic/fcntl.h and arch/arm64/include/uapi/asm/fcntl.h. */
const BY_ARCHITECTURE: Readonly<Record<'x64' | 'arm64', Readonly<Record<string, number>>>> = {
  x64: { O_DIRECTORY: 0o200000, O_NOFOLLOW: 0o400000 },
  arm64: { O_DIRECTORY: 0o40000, O_NOFOLLOW: 0o100000 },
};

export type Architecture = 'x64' | 'arm64';

/** The number behind a constant's name. */
export function flagValue(name: string, architecture: Architecture): number {
  const value = BY_ARCHITECTURE[architecture][name] ?? VALUES[name];
  assert(value !== undefined, `the constant ${name} is known`);
  return value;
}

/** The union of flags. No flag of one call occurs twice. */
export function flagsValue(names: readonly string[], architecture: Architecture): number {
  let sum = 0;
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index] ?? '';
    if (names.indexOf(name) === index) sum += flagValue(name, architecture);
  }
  return sum;
}
