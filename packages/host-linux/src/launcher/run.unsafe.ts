/** Runs a syscall program in a new process: maps the launcher's machine code, and calls it. */
import { getSystemErrorName } from 'node:util';
import { SyscallError, UnsupportedError } from '@tsc-box/model';
import { mapCode, mapMemory, scratch, trySystemCall, type MappedMemory } from '../ffi/libc.unsafe.ts';
import { LAUNCHER_BLOBS } from './blobs.generated.ts';

export type ProgramMemory = MappedMemory;

export interface CloneArgs {
  /** Sum of CLONE_* values. */
  readonly flags: number;
  /** Address of the 32-bit word that gets the pidfd. */
  readonly pidfd: number;
  /** Address of the word that is cleared when the process has exec'ed or ended. */
  readonly childTid: number;
  /** Signal sent to us at its end; 0 for none. */
  readonly exitSignal: number;
  /** Descriptor of a cgroup v2 directory to begin in. */
  readonly cgroup: number | undefined;
}

export interface LauncherRequest {
  readonly cloneArgs: CloneArgs;
  /** Address of the first record. */
  readonly entry: number;
  /** Address of `Program.report`. */
  readonly report: number;
}

const CLONE_PIDFD = 0x1000;
/** Linux 5.5. Without it a handler of Node could run in the child between the unblocking of signals and execve. */
const CLONE_CLEAR_SIGHAND = 0x100000000;
const CLONE_INTO_CGROUP = 0x200000000;
const CLONE_ARGS_BYTES = 88;

const EINVAL = 22;

/** False once the kernel has refused CLONE_CLEAR_SIGHAND. */
let clearsHandlers = true;
let launchCode: ((argument: number) => number) | undefined;

const [PR_GET_DUMPABLE, PR_SET_DUMPABLE] = [3, 4];

/**
 * Memory for a program. Free it only when no process runs in it any more: the child has exec'ed or ended.
 *
 * A child that changes its user makes the memory it shares with us non-dumpable (commit_creds() of kernel/cred.c), and so /proc of
 * this process root's: `free` takes that back, or an ordinary user could not write the id maps of the next container.
 */
export function mapProgramMemory(size: number): ProgramMemory {
  const memory = mapMemory(size);
  const dumpable = trySystemCall('prctl', [PR_GET_DUMPABLE]);
  return {
    ...memory,
    free() {
      memory.free();
      if (dumpable === 1 && trySystemCall('prctl', [PR_GET_DUMPABLE]) !== 1) trySystemCall('prctl', [PR_SET_DUMPABLE, 1]);
    },
  };
}

/** The pid. @throws SyscallError when clone3(2) fails. */
export function runLauncher({ cloneArgs, entry, report }: LauncherRequest): number {
  launchCode ??= loadLauncher();
  const { address, bytes } = scratch();
  const { flags, pidfd, childTid, exitSignal, cgroup } = cloneArgs;
  bytes.fill(0, 0, 256);
  const word = (index: number, value: number): void => void bytes.writeBigUInt64LE(BigInt(value), index * 8);
  // struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup.
  const allFlags = flags + CLONE_PIDFD + (cgroup === undefined ? 0 : CLONE_INTO_CGROUP);
  word(0, allFlags + (clearsHandlers ? CLONE_CLEAR_SIGHAND : 0));
  word(1, pidfd);
  word(2, childTid);
  word(4, exitSignal);
  word(10, cgroup ?? 0);
  // struct of asm/launcher-*.S, then the saved signal set.
  const args = 128;
  for (const [index, value] of [address, CLONE_ARGS_BYTES, entry, report, address + args + 64].entries()) word(args / 8 + index, value);
  let result = launchCode(address + args);
  if (result === -EINVAL && clearsHandlers) {
    word(0, allFlags);
    result = launchCode(address + args);
    clearsHandlers = result === -EINVAL;
  }
  if (result >= 0) return result;
  throw new SyscallError({ attempted: 'clone3(2)', syscall: 'clone3', errno: getSystemErrorName(result) });
}

function loadLauncher(): (argument: number) => number {
  const { arch } = process;
  if (arch !== 'x64' && arch !== 'arm64') throw new UnsupportedError({ attempted: 'start a process', detail: `found the architecture ${arch}, supported: x64, arm64` });
  const blob = LAUNCHER_BLOBS[arch];
  return mapCode(Buffer.from(blob.code, 'base64'), blob.launch);
}
