/**
 * `--init`: process 1 reaps what is orphaned, passes signals on to the command and ends as the command does.
 *
 * The command is started first, by a clone in the memory of the launch, so that a failure to execute it is reported as without
 * `--init`. Then process 1 becomes this reaper: a static ELF file of about two kilobytes, in which the command's pid was written.
 */
import { createProgram, type Arg, type Label, type Program, type Ref } from './program.ts';
import { buildStaticElf, type StaticElf } from './static-elf.ts';

type Architecture = 'x64' | 'arm64';

/** syscall_64.tbl; include/uapi/asm-generic/unistd.h. */
const NUMBERS = {
  x64: { rt_sigprocmask: 14, ioctl: 16, pwrite64: 18, getpid: 39, clone: 56, kill: 62, setpgid: 109, rt_sigtimedwait: 128, prctl: 157, exit_group: 231, waitid: 247, execveat: 322 },
  arm64: { ioctl: 29, pwrite64: 68, exit_group: 94, waitid: 95, kill: 129, rt_sigprocmask: 135, rt_sigtimedwait: 137, setpgid: 154, prctl: 167, getpid: 172, clone: 220, execveat: 281 },
} as const;

/** Pseudo-operations of asm/launcher-x64.S. */
const [COMPARE, BRANCH, ADD] = [-1, -2, -6];

const SIG_BLOCK = 0;
const SIGSET_BYTES = 8;
const SIGCHLD = 17;
/** Sent by the kernel for a fault of process 1 itself, or for a read or write of its own on the terminal: not for the command. */
const NOT_FORWARDED = [4, 5, 6, 7, 8, 11, 21, 22, 31];
const ALL_SIGNALS = 2n ** 64n - 1n;
const FORWARDED = NOT_FORWARDED.reduce((set, signal) => set & ~(1n << BigInt(signal - 1)), ALL_SIGNALS);
const P_ALL = 0;
const [WNOHANG, WEXITED] = [1, 4];
const CLD_EXITED = 1;
const LOW_HALF = 0xffffffff;
/** siginfo_t of SIGCHLD: si_code at 8, si_pid at 16, si_status at 24, 32 bits each. */
const SIGINFO_BYTES = 128;
const [CODE_AT, PID_AT, STATUS_AT] = [8, 16, 24];
const [PR_SET_NAME, PR_SET_CHILD_SUBREAPER] = [15, 36];

export interface Reaper extends Pick<StaticElf, 'bytes'> {
  /** Where in the file the command's pid, 32 bits, is written before it is run. */
  readonly pidOffset: number;
}

/** The ELF file. It is the same for every container. */
export function buildReaper(architecture: Architecture): Reaper {
  const nr = NUMBERS[architecture];
  const program = createProgram();
  const command = program.slot('command');
  const signal = program.slot('signal');
  const status = program.slot('status');
  const child = program.bytes(new Uint8Array(SIGINFO_BYTES), 8);
  const all = program.bytes(wordBytes(ALL_SIGNALS), 8);
  const forwarded = program.bytes(wordBytes(FORWARDED), 8);
  const reap = program.label();
  const wait = program.label();
  const other = program.label();
  const killed = program.label();
  const forward = program.label();

  program.record({ nr: nr.rt_sigprocmask, args: [SIG_BLOCK, all, 0, SIGSET_BYTES] });
  program.record({ nr: nr.prctl, args: [PR_SET_NAME, program.cstring('tsc-box-init')] });
  // Without a pid namespace of its own it is not process 1, and orphans would go to the host's.
  program.record({ nr: nr.prctl, args: [PR_SET_CHILD_SUBREAPER, 1] });

  program.place(reap);
  program.record({ nr: nr.waitid, args: [P_ALL, 0, child, WEXITED | WNOHANG, 0] });
  program.record({ nr: COMPARE, args: [{ load: { ref: child, offset: PID_AT } }, 0, LOW_HALF, 0], next: wait, fail: other });
  program.place(other);
  const pid: Arg = { load: { ref: child, offset: PID_AT } };
  program.record({ nr: COMPARE, args: [pid, { load: command }, LOW_HALF, 0], fail: reap });
  program.record({ nr: COMPARE, args: [{ load: { ref: child, offset: CODE_AT } }, CLD_EXITED, LOW_HALF, 0], fail: killed });
  program.record({ nr: nr.exit_group, args: [{ load: { ref: child, offset: STATUS_AT } }] });
  program.place(killed);
  program.record({ nr: ADD, args: [{ load: { ref: child, offset: STATUS_AT } }, 128], store: status });
  program.record({ nr: nr.exit_group, args: [{ load: status }] });

  program.place(wait);
  // Interrupted by a stop and continuation: wait again.
  program.record({ nr: nr.rt_sigtimedwait, args: [forwarded, 0, 0, SIGSET_BYTES], store: signal, fail: wait });
  program.record({ nr: COMPARE, args: [{ load: signal }, SIGCHLD, ALL_SIGNALS, 0], next: reap, fail: forward });
  program.place(forward);
  program.record({ nr: nr.kill, args: [{ load: command }, { load: signal }], next: wait, fail: wait });

  const elf = buildStaticElf(program, architecture);
  return { bytes: elf.bytes, pidOffset: elf.fileOffsetOf(command) };
}

/** What adding records to a launch needs of its encoder. */
export interface InitEncoder {
  readonly program: Program;
  record(nr: number, args: readonly Arg[], options?: { readonly store?: Ref; readonly next?: Label; readonly fail?: Label; readonly errno?: number }): void;
}

const SIGNAL_AND_CLONE_FLAGS = 0x100 + 0x4000 + SIGCHLD; // CLONE_VM, CLONE_VFORK
const AT_EMPTY_PATH = 0x1000;
const TIOCSPGRP = 0x5410;
const EXIT_FAILED = 127;

export interface InitOptions {
  readonly architecture: Architecture;
  /** Descriptor of a writable memfd with the reaper: openReaperFile. */
  readonly file: Arg;
  readonly pidOffset: number;
  /** Standard input is the terminal that this process controls: the command becomes its foreground job. */
  readonly terminal: boolean;
}

/**
 * Adds the records that start the command as a child and make the present process the reaper. `addCommand` adds those that run in
 * the command's process, up to its execve and what reports its failure.
 * Signals should be blocked until the command's own records unblock them, so that none is lost before the reaper waits for it.
 *
 * clone(2), not clone3: seccomp profiles answer ENOSYS to clone3, as its flags can't be filtered.
 */
export function addInit(encoder: InitEncoder, { architecture, file, pidOffset, terminal }: InitOptions, addCommand: () => void): void {
  const nr = NUMBERS[architecture];
  const { program } = encoder;
  const pid = program.slot('init.command');
  const reaper = program.label();
  const failed = program.label();
  // With CLONE_VFORK the child runs first and stores its 0; this process stores the pid once the child has exec'ed or ended.
  encoder.record(nr.clone, [SIGNAL_AND_CLONE_FLAGS, 0, 0, 0, 0], { store: pid });
  encoder.record(BRANCH, [{ load: pid }], { fail: reaper });
  if (terminal) {
    const own = program.slot('init.own');
    encoder.record(nr.getpid, [], { store: own });
    encoder.record(nr.setpgid, [0, 0]);
    // SIGTTOU is blocked: a background job may do this.
    encoder.record(nr.ioctl, [0, TIOCSPGRP, own]);
  }
  addCommand();
  program.place(reaper);
  encoder.record(COMPARE, [{ load: program.report }, 0, ALL_SIGNALS, 0], { fail: failed });
  encoder.record(nr.pwrite64, [file, pid, 4, pidOffset]);
  encoder.record(nr.execveat, [file, program.cstring(''), program.pointers([program.cstring('tsc-box-init')]), program.pointers([]), AT_EMPTY_PATH]);
  program.place(failed);
  encoder.record(nr.exit_group, [EXIT_FAILED]);
}

function wordBytes(value: bigint): Uint8Array {
  return new Uint8Array(BigUint64Array.of(value).buffer);
}
