/**
 * The cause table: what a refused call means here, and what the user can do. `reason` says what the errno stands for in this
 * place (section 2 of the manual, ERRORS); `hint` is given only where the facts or the arguments leave one cause.
 */
import type { Facts } from './facts.ts';
import type { ChildStep } from './plan.ts';

export interface Cause {
  readonly reason: string;
  readonly hint?: string;
}

interface Row {
  /** Step ids that the row is for; absent: every step of the call. */
  readonly step?: RegExp;
  readonly errno: string;
  readonly cause: (step: ChildStep, facts: Facts) => Cause;
}

const says = (reason: string, hint?: string) => (): Cause => (hint === undefined ? { reason } : { reason, hint });

const NOT_IN_KERNEL = (step: ChildStep): Cause => {
  const type = step.call === 'fsopen' ? step.args.fsname : step.call === 'mount' ? step.args.fstype : 'this file system';
  return { reason: `this kernel has no ${type} file system`, hint: `load its module as root: modprobe ${type}` };
};

const NO_ROOM = says('no memory or no room is left: what is made here counts in the memory limit of the container, which may be too small to set it up');

const ROWS: Readonly<Partial<Record<ChildStep['call'], readonly Row[]>>> = {
  fsopen: [{ errno: 'ENODEV', cause: NOT_IN_KERNEL }, { errno: 'EPERM', cause: says('mounting is not allowed here: a security module or a seccomp filter around this process forbids it') }],
  mount: [
    { errno: 'ENODEV', cause: NOT_IN_KERNEL },
    { errno: 'EPERM', cause: says('mounting is not allowed here: it needs CAP_SYS_ADMIN over this mount namespace') },
    { errno: 'EINVAL', step: /^root/, cause: says('the kernel refused an option or a directory of the overlay') },
  ],
  fsconfig: [
    { step: /^root.*create$/, errno: 'EINVAL', cause: says('the kernel refused the layers: most often the file system that holds the writable layer can not be an overlay upperdir (an overlay itself, NFS, vfat)', 'keep containers on another file system, such as ext4, xfs, btrfs or tmpfs: --root DIR') },
    { step: /^root/, errno: 'ELOOP', cause: says('one layer directory lies inside another', 'keep containers on another file system: --root DIR') },
    { step: /^root/, errno: 'EBUSY', cause: says('the writable layer is in use by another mount: two containers can not share one') },
    { step: /^root/, errno: 'ENOENT', cause: says('a layer directory is gone') },
    { step: /^root/, errno: 'EACCES', cause: says('a parent directory of a layer can not be entered by this user', 'give its parents x permission for others, or use --root DIR') },
    { step: /^root/, errno: 'ENOMEM', cause: says('too many layers for one mount, or no memory') },
    { step: /^mount/, errno: 'EINVAL', cause: (step) => ({ reason: `the file system does not know this option or its value${step.call === 'fsconfig' && step.args.key !== undefined ? `: ${step.args.key}${step.args.value === undefined ? '' : `=${step.args.value}`}` : ''}` }) },
    { errno: 'EPERM', cause: says('a new instance of this file system is not allowed here') },
  ],
  fsmount: [
    { errno: 'EPERM', cause: (step) => ({ reason: `this ${step.id.startsWith('mount') ? 'file system' : 'mount'} would show more than the one outside does, "mount too revealing" (the /proc or /sys around this process has masked paths, as in a container)`, hint: 'run the outer container with --security-opt systempaths=unconfined, or share its namespace: --pid host' }) },
    { errno: 'EBUSY', cause: says('this file system is mounted with other options already') },
  ],
  open_tree: [
    { errno: 'ENOENT', cause: (step) => ({ reason: `${step.call === 'open_tree' && step.args.path !== '' ? step.args.path : 'it'} does not exist` }) },
    { errno: 'EACCES', cause: says('a parent directory can not be entered by this user') },
    { errno: 'EINVAL', cause: says('mounts below it are locked to it in a user namespace (mount_namespaces(7)), so it can only be bound with them', 'bind it recursively: bind-recursive, option rbind') },
  ],
  mount_setattr: [
    { errno: 'EPERM', cause: says('these mount flags are locked: they come from outside the user namespace and can not be cleared (mount_namespaces(7))') },
    { errno: 'EINVAL', cause: says('this mount does not allow these attributes') },
  ],
  move_mount: [
    { errno: 'ENOTDIR', cause: says('one is a directory, the other is a file') },
    { errno: 'EINVAL', cause: says('one is a directory and the other a file, or the place is in a shared mount') },
    { errno: 'ELOOP', cause: says('the mount would lie inside itself') },
  ],
  openat2: [
    { step: /^cwd/, errno: 'ENOENT', cause: says('the working directory does not exist in the container', 'choose another with -w') },
    { step: /^cwd/, errno: 'ENOTDIR', cause: says('the working directory is not a directory in the container', 'choose another with -w') },
    { step: /^cwd/, errno: 'EACCES', cause: says('the working directory can not be entered') },
    { step: /^cwd/, errno: 'ELOOP', cause: says('the working directory leads through a magic link of /proc: those are not followed', 'choose another with -w') },
    { step: /^sysctl/, errno: 'ENOENT', cause: says('this kernel has no such sysctl, or it belongs to a namespace that the container shares with the host') },
    { step: /^sysctl/, errno: 'EACCES', cause: says('it can not be written from this user namespace') },
    { step: /^sysctl/, errno: 'EPERM', cause: says('it can not be written from this user namespace') },
    { step: /^tty/, errno: 'ENOENT', cause: says('the container has no /dev/pts with a ptmx', 'add a devpts mount at /dev/pts') },
    { errno: 'ELOOP', cause: says('the path leads through a magic link, or through too many symbolic links, in the root of the container') },
    { errno: 'EXDEV', cause: says('the path leads out of where it must stay') },
    { errno: 'ENOTDIR', cause: says('a component of the path is not a directory in the root of the container') },
    { step: /\.(reopen|parent)$/, errno: 'ENOENT', cause: says('a component is a symbolic link, and what it points to does not exist in the root of the container', 'make its target in the root, or choose another place') },
    { errno: 'ENOENT', cause: says('it does not exist') },
    { errno: 'ENOSYS', cause: says('this kernel is older than Linux 5.6', 'tsc-box needs Linux 5.12 or later') },
  ],
  mkdirat: [
    { errno: 'ENOENT', cause: says('nothing can be made there: it is in a file system such as proc or sysfs') },
    { errno: 'ENOSPC', cause: NO_ROOM },
    { errno: 'ENOMEM', cause: NO_ROOM },
    { errno: 'EROFS', cause: says('the root is read-only and the image lacks this directory', 'make it in the image') },
    { errno: 'EACCES', cause: says('the directory of the rootfs is not writable for this user') },
    { errno: 'ENOTDIR', cause: says('a component of the path is not a directory') },
  ],
  symlinkat: [{ errno: 'ENOSPC', cause: NO_ROOM }, { errno: 'ENOMEM', cause: NO_ROOM }],
  mknodat: [{ errno: 'ENOSPC', cause: NO_ROOM }, { errno: 'EPERM', cause: says('making device nodes needs CAP_MKNOD outside a user namespace') }, { errno: 'EROFS', cause: says('the root is read-only and the image lacks this file') }],
  write: [
    { step: /^cgroup/, errno: 'ENOSPC', cause: says('the cgroup has an empty cpuset.cpus or cpuset.mems') },
    { step: /^cgroup/, errno: 'EBUSY', cause: says('the cgroup has children with controllers: it may not hold processes (cgroup-v2.rst, "No Internal Process Constraint")') },
    { step: /^cgroup/, errno: 'EACCES', cause: says('this user may not move processes from its own cgroup to that one (cgroup-v2.rst, "Delegation Containment")') },
    { step: /^cgroup/, errno: 'EINVAL', cause: says('real-time processes need a real-time budget in the cgroup, or the cgroup is threaded') },
    { step: /^sysctl/, errno: 'EINVAL', cause: says('the kernel does not allow this value') },
    { step: /^sysctl/, errno: 'EPERM', cause: says('it can not be changed from this namespace') },
    { step: /^oom/, errno: 'EACCES', cause: says('lowering oom_score_adj needs CAP_SYS_RESOURCE') },
    { step: /^ns\.time/, errno: 'ERANGE', cause: says('the clock would be negative or too large') },
  ],
  read: [{ errno: 'EPIPE', cause: says('the launching process gave up, or died, before the id maps were written') }],
  setns: [
    { errno: 'EPERM', cause: says('joining needs CAP_SYS_ADMIN over that namespace, and in our own user namespace') },
    { errno: 'EINVAL', cause: says('the file is not a namespace of this kind, or this process is in it already') },
    { errno: 'EUSERS', cause: says('a limit on nesting is reached, or this namespace can only be joined by a process with memory of its own') },
  ],
  unshare: [
    { errno: 'ENOSPC', cause: says('a limit on namespaces is reached (/proc/sys/user/max_*_namespaces)') },
    { errno: 'EPERM', cause: says('a new namespace needs CAP_SYS_ADMIN') },
    { errno: 'EINVAL', cause: says('this kernel lacks that kind of namespace') },
  ],
  clone3: [{ errno: 'ENOMEM', cause: says('the pid namespace has no init any more: its first process has ended') }, { errno: 'EAGAIN', cause: says('a limit on processes is reached (ulimit -u, pids.max)') }],
  clone: [{ errno: 'EAGAIN', cause: says('a limit on processes is reached: --init needs one more (ulimit -u, pids.max)') }],
  sethostname: [{ errno: 'EINVAL', cause: says('a host name has at most 64 bytes') }, { errno: 'EPERM', cause: says('the host name belongs to a namespace that the container shares', 'leave out --hostname or --uts host') }],
  setgroups: [{ errno: 'EPERM', cause: says('supplementary groups can not be set in this user namespace (user_namespaces(7), /proc/PID/setgroups)') }],
  setresgid: [{ errno: 'EINVAL', cause: says('this gid is not mapped in the user namespace') }],
  setresuid: [{ errno: 'EINVAL', cause: says('this uid is not mapped in the user namespace') }, { errno: 'EAGAIN', cause: says('the limit on processes of this user is reached (RLIMIT_NPROC)') }],
  capset: [{ errno: 'EPERM', cause: says('a capability was asked for that this process does not hold') }],
  prctl: [{ errno: 'EPERM', cause: says('it needs a capability that this process does not hold') }],
  prlimit64: [
    {
      errno: 'EPERM', cause: (step, facts) => {
        const held = step.call === 'prlimit64' ? facts.hardRlimits[step.args.resource] : undefined;
        return { reason: 'raising a hard limit needs CAP_SYS_RESOURCE', ...(held === undefined ? {} : { hint: `the hard limit of this process is ${held}: ask for at most that` }) };
      },
    },
    { errno: 'EINVAL', cause: says('the soft limit is above the hard limit') },
  ],
  seccomp: [{ errno: 'EINVAL', cause: says('the kernel refused the filter or one of its flags') }, { errno: 'EACCES', cause: says('loading a filter needs CAP_SYS_ADMIN or no_new_privs', 'use --security-opt no-new-privileges') }],
  pivot_root: [{ errno: 'EINVAL', cause: says('the root of this machine is the initramfs, or the new root is in a shared mount', 'use --no-pivot') }],
  ioctl: [{ step: /^tty/, errno: 'ENOTTY', cause: says('/dev/pts/ptmx is not a terminal multiplexer') }, { step: /^net/, errno: 'EPERM', cause: says('the network namespace belongs to another user namespace') }],
  umount2: [{ errno: 'EINVAL', cause: says('the old root is locked in this user namespace') }],
};

/** The cause of a refused step, where the table knows one. */
export function explainStep(step: ChildStep, errno: string, facts: Facts): Cause | undefined {
  const row = ROWS[step.call]?.find((candidate) => candidate.errno === errno && (candidate.step?.test(step.id) ?? true));
  if (row !== undefined) return row.cause(step, facts);
  return errno === 'ENOMEM' ? NO_ROOM() : undefined;
}

/** The cause of a refused clone3(2). `flags` are those of the plan. */
export function explainClone(flags: readonly string[], errno: string, facts: Facts): Cause | undefined {
  const user = flags.includes('CLONE_NEWUSER');
  if (errno === 'EPERM' && user && !facts.userNamespaces.usable) {
    return { reason: facts.userNamespaces.refusal ?? 'user namespaces are forbidden on this host', ...(facts.userNamespaces.hint === undefined ? {} : { hint: facts.userNamespaces.hint }) };
  }
  const causes: Readonly<Record<string, Cause>> = {
    EPERM: { reason: user ? 'the kernel, a security module or a chroot forbids a new user namespace here' : 'new namespaces need CAP_SYS_ADMIN' },
    ENOSPC: { reason: 'a limit on namespaces is reached', hint: 'raise /proc/sys/user/max_*_namespaces, or end some containers' },
    EUSERS: { reason: 'user namespaces are nested too deep: 32 is the limit' },
    EAGAIN: { reason: 'a limit on processes is reached (ulimit -u, pids.max)' },
    ENOMEM: { reason: 'no memory, or the pid namespace of this process has no init any more' },
    EINVAL: { reason: `this kernel lacks one of ${flags.join(', ')}` },
    EBUSY: { reason: 'the cgroup has controllers enabled for its children: it may not hold processes' },
    ENODEV: { reason: 'the cgroup is being removed' },
    ENOSYS: { reason: 'clone3 is not there: Linux before 5.3, or a seccomp filter around this process', hint: 'inside a container, run that one with a newer seccomp profile' },
  };
  return causes[errno];
}
