/**
 * A guard outlives the process that made it: it stands in read(2) on a pipe of which that process holds the other end. When the
 * process ends without a word, even by SIGKILL, the guard executes a command that cleans up after it. It is a syscall program in
 * the same memory (CLONE_VM), so it costs no exec and no memory of its own.
 */
import { closeSync, writeSync } from 'node:fs';
import { createProgram } from '../launcher/program.ts';
import { mapProgramMemory, runLauncher } from '../launcher/run.unsafe.ts';
import { makePipe } from '../ffi/descriptors.unsafe.ts';
import { reapNow } from '../ffi/process.unsafe.ts';
import { flagsValue } from './constants.ts';
import { SYSCALL_NUMBERS } from './syscall-numbers.ts';

export interface Guard {
  /** All is cleaned up: the guard ends. Safe to call more than once. */
  dismiss(): void;
}

const CLONE_VM = 0x100;
const CLONE_CHILD_CLEARTID = 0x200000;
const EXIT_GROUP = { x64: 231, arm64: 94 } as const;
const SIG_SETMASK = 2;
const BRANCH = -2;
const PIPE_FD = 3;

/** `command[0]` is an absolute path; the environment is exactly `env`. */
export function startGuard(command: readonly string[], env: readonly string[]): Guard {
  const architecture = process.arch === 'arm64' ? 'arm64' : 'x64';
  const nr = SYSCALL_NUMBERS[architecture];
  const [read, write] = makePipe();
  const program = createProgram();
  const got = program.slot('got');
  const end = program.label();
  const opened = program.slot('null');
  const call = (name: keyof typeof nr, args: Parameters<typeof program.record>[0]['args'], more: { store?: typeof got } = {}): void => {
    const next = program.label();
    program.record({ nr: nr[name], args, fail: next, ...more });
    program.place(next);
  };
  call('setsid', []);
  // Nothing else of the guarded process may be held open: a reader of its output waits for the end of file.
  call('dup3', [read, PIPE_FD, 0]);
  call('close_range', [PIPE_FD + 1, 0xffffffff, 0]);
  call('openat', [-100, program.cstring('/dev/null'), flagsValue(['O_RDWR'], architecture), 0], { store: opened });
  for (const fd of [0, 1, 2]) call('dup3', [{ load: opened }, fd, 0]);
  call('chdir', [program.cstring('/')]);
  call('read', [PIPE_FD, program.bytes(new Uint8Array(8), 8), 1], { store: got });
  program.record({ nr: BRANCH, args: [{ load: got }], fail: end });
  call('close_range', [PIPE_FD, 0xffffffff, 0]);
  call('rt_sigprocmask', [SIG_SETMASK, program.bytes(new Uint8Array(8), 8), 0, 8]);
  call('execve', [program.cstring(command[0] ?? ''), program.pointers(command.map((arg) => program.cstring(arg))), program.pointers(env.map((entry) => program.cstring(entry)))]);
  program.place(end);
  program.record({ nr: EXIT_GROUP[architecture], args: [0] });
  const [pidfdAt, alive] = [program.bytes(new Uint8Array(8), 8), program.bytes(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), 8)];
  const memory = mapProgramMemory(program.finish().size);
  program.write(memory.address, memory.bytes);
  try {
    runLauncher({
      cloneArgs: { flags: CLONE_VM + CLONE_CHILD_CLEARTID, pidfd: program.addressOf(memory.address, pidfdAt), childTid: program.addressOf(memory.address, alive), exitSignal: 0, cgroup: undefined },
      entry: program.entryAddress(memory.address), report: program.addressOf(memory.address, program.report),
    });
  } catch (error) {
    closeSync(write);
    memory.free();
    throw error;
  } finally {
    closeSync(read);
  }
  const pidfd = memory.bytes.readInt32LE(program.offsetOf(pidfdAt));
  let dismissed = false;
  return {
    dismiss() {
      if (dismissed) return;
      dismissed = true;
      writeSync(write, Uint8Array.of(1));
      closeSync(write);
      reapNow(pidfd);
      closeSync(pidfd);
      memory.free();
    },
  };
}
