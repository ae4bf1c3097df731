/**
 * System calls by what they are for: syscalls(2). What each group may do inside a container is decided in seccomp-default.ts.
 * 32-bit names (`chown32`, `mmap2`, `socketcall`, `…_time64`) are here too: 32-bit programs run on 64-bit kernels.
 */

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** Calls that act on what the process can reach anyway: the kernel checks its rights, no namespace or privilege is gained. */
export const ORDINARY_CALLS: Readonly<Record<string, readonly string[]>> = {
  process: words(`
    execve execveat exit exit_group fork vfork wait4 waitid waitpid kill tkill tgkill pause restart_syscall
    getpid getppid gettid getpgid getpgrp setpgid getsid setsid set_tid_address getrusage times prctl
    pidfd_open pidfd_send_signal process_mrelease set_robust_list get_robust_list set_thread_area get_thread_area rseq seccomp
    landlock_create_ruleset landlock_add_rule landlock_restrict_self uretprobe`),
  identity: words(`
    getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 getresgid getresgid32 getgroups getgroups32
    setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32
    setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32 capget capset umask uname sysinfo`),
  signals: words(`
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64
    rt_tgsigqueueinfo sigaltstack signalfd signalfd4 sigprocmask sigreturn alarm getitimer setitimer`),
  scheduling: words(`
    sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam sched_setparam sched_getscheduler sched_setscheduler
    sched_get_priority_max sched_get_priority_min sched_rr_get_interval sched_rr_get_interval_time64 sched_yield
    getpriority setpriority ioprio_get ioprio_set getcpu getrlimit ugetrlimit setrlimit prlimit64`),
  time: words(`
    time gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 clock_nanosleep clock_nanosleep_time64 nanosleep
    adjtimex clock_adjtime clock_adjtime64 timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64
    timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64`),
  memory: words(`
    brk mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 mlockall munlock munlockall membarrier
    memfd_create memfd_secret pkey_alloc pkey_free pkey_mprotect remap_file_pages map_shadow_stack mseal cachestat`),
  synchronisation: words('futex futex_time64 futex_waitv futex_wait futex_wake futex_requeue'),
  descriptors: words(`
    open openat openat2 creat close close_range dup dup2 dup3 fcntl fcntl64 flock ioctl pipe pipe2 eventfd eventfd2
    read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek _llseek
    sendfile sendfile64 splice tee vmsplice copy_file_range readahead fadvise64 fadvise64_64 fallocate ftruncate ftruncate64
    fsync fdatasync sync syncfs sync_file_range`),
  waiting: words(`
    select _newselect pselect6 pselect6_time64 poll ppoll ppoll_time64 epoll_create epoll_create1 epoll_ctl epoll_ctl_old
    epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark
    io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64`),
  files: words(`
    access faccessat faccessat2 stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 fstatfs fstatfs64
    chdir fchdir getcwd mkdir mkdirat rmdir mknod mknodat link linkat symlink symlinkat readlink readlinkat unlink unlinkat
    rename renameat renameat2 truncate truncate64 getdents getdents64 name_to_handle_at
    chmod fchmod fchmodat fchmodat2 chown chown32 lchown lchown32 fchown fchown32 fchownat
    utime utimes futimesat utimensat utimensat_time64
    getxattr lgetxattr fgetxattr setxattr lsetxattr fsetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr
    getxattrat setxattrat listxattrat removexattrat statmount listmount`),
  sockets: words(`
    socketpair socketcall bind listen accept accept4 connect shutdown getsockname getpeername getsockopt setsockopt
    send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64`),
  ipc: words(`
    ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget
    mq_open mq_unlink mq_notify mq_getsetattr mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64`),
  random: words('getrandom'),
};

/** Calls that a capability of the container opens. */
export const CALLS_BY_CAPABILITY: Readonly<Record<string, readonly string[]>> = {
  CAP_SYS_ADMIN: words(`
    mount umount umount2 fsopen fsconfig fsmount fspick open_tree move_mount mount_setattr setns unshare clone clone3
    sethostname setdomainname quotactl quotactl_fd bpf perf_event_open fanotify_init lookup_dcookie syslog
    lsm_get_self_attr lsm_set_self_attr lsm_list_modules`),
  CAP_DAC_READ_SEARCH: words('open_by_handle_at'),
  CAP_SYS_BOOT: words('reboot'),
  CAP_SYS_CHROOT: words('chroot'),
  CAP_SYS_MODULE: words('init_module finit_module delete_module'),
  CAP_SYS_PACCT: words('acct'),
  CAP_SYS_PTRACE: words('ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp'),
  CAP_SYS_RAWIO: words('iopl ioperm'),
  CAP_SYS_TIME: words('settimeofday stime clock_settime clock_settime64'),
  CAP_SYS_TTY_CONFIG: words('vhangup'),
  CAP_SYS_NICE: words('get_mempolicy set_mempolicy set_mempolicy_home_node mbind'),
  CAP_SYSLOG: words('syslog'),
  CAP_BPF: words('bpf'),
  CAP_PERFMON: words('perf_event_open'),
};

/** ptrace could step around a filter before Linux 4.8 (seccomp(2), "Caveats"); later kernels run the filter after the tracer. */
export const TRACE_CALLS: readonly string[] = ['ptrace', 'process_vm_readv', 'process_vm_writev'];

/** Calls of one processor family only, its 32-bit programs included. */
export const CALLS_BY_ARCHITECTURE: Readonly<Record<'x64' | 'arm64', readonly string[]>> = {
  x64: words('arch_prctl modify_ldt'),
  arm64: words('arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls'),
};
