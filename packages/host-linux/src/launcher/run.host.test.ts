import { closeSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SyscallError } from '@tsc-box/model';
import { makePipe } from '../ffi/descriptors.unsafe.ts';
import { reapNow } from '../ffi/process.unsafe.ts';
import { SYSCALL_NUMBERS } from '../launch/syscall-numbers.ts';
import { createProgram, type Label, type Program, type Ref } from './program.ts';
import { mapProgramMemory, runLauncher } from './run.unsafe.ts';

const supported = process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64');
const arm = process.arch === 'arm64';
const NR = { ...SYSCALL_NUMBERS[arm ? 'arm64' : 'x64'], getpid: arm ? 172 : 39, getppid: arm ? 173 : 110, exit_group: arm ? 94 : 231 };
const [COMPARE, BRANCH, REPORT, NESTED, COPY, ADD] = [-1, -2, -3, -4, -5, -6];
const MMAP = arm ? 222 : 9;
const [CLONE_VM, CLONE_VFORK, CLONE_PARENT, CLONE_CHILD_CLEARTID] = [0x100, 0x4000, 0x8000, 0x200000];

interface Outcome {
  readonly code: number;
  readonly pid: number;
  readonly errno: number;
  /** Index of the record that failed. */
  readonly record: number;
  word(ref: Ref): bigint;
}

/** Builds a program, runs it in a child that ends by itself, and tells how it ended. */
function run(build: (program: Program) => void, flags = 0): Outcome {
  const program = createProgram();
  build(program);
  const { report } = program;
  const pidfdAt = program.slot('pidfd');
  const alive = program.slot('alive');
  const memory = mapProgramMemory(program.finish().size);
  program.write(memory.address, memory.bytes);
  const cloneArgs = { flags: CLONE_VM + CLONE_VFORK + CLONE_CHILD_CLEARTID + flags, pidfd: program.addressOf(memory.address, pidfdAt), childTid: program.addressOf(memory.address, alive), exitSignal: 17, cgroup: undefined };
  const pid = runLauncher({ cloneArgs, entry: program.entryAddress(memory.address), report: program.addressOf(memory.address, report) });
  const bytes = Buffer.from(memory.bytes);
  const pidfd = bytes.readInt32LE(program.offsetOf(pidfdAt));
  const code = reapNow(pidfd)?.code ?? -1;
  closeSync(pidfd);
  memory.free();
  const word = (ref: Ref): bigint => bytes.readBigUInt64LE(program.offsetOf(ref));
  const at = program.offsetOf(report);
  const address = Number(bytes.readBigUInt64LE(at + 8));
  return { code, pid, errno: Number(bytes.readBigInt64LE(at)), record: address === 0 ? -1 : program.recordIndexAt(memory.address, address), word };
}

const exit = (program: Program, code: number | { readonly load: Ref }): void => program.record({ nr: NR.exit_group, args: [code] });

/** Records that end with `code`, to jump to. */
function exitAt(program: Program, label: Label, code: number): void {
  program.place(label);
  exit(program, code);
}

describe.skipIf(!supported)('the launcher (needs Linux on x64 or arm64)', () => {
  it('runs system calls in a child of ours and stores their results in shared memory', () => {
    let pid: Ref | undefined;
    let parent: Ref | undefined;
    const outcome = run((program) => {
      program.record({ nr: NR.getpid, args: [], store: (pid = program.slot('pid')) });
      program.record({ nr: NR.getppid, args: [], store: (parent = program.slot('parent')) });
      exit(program, 7);
    });
    expect(outcome).toMatchObject({ code: 7, errno: 0, record: -1 });
    expect(outcome.word(pid!)).toBe(BigInt(outcome.pid));
    expect(outcome.word(parent!)).toBe(BigInt(process.pid));
  });

  it('executes a program with arguments and an environment', () => {
    const file = join(tmpdir(), `tsc-box-launcher-${String(process.pid)}`);
    const fd = openSync(file, 'w');
    const outcome = run((program) => {
      const argv = program.pointers(['sh', '-c', 'echo "$A $1"; exit 3', 'sh', 'two words'].map((text) => program.cstring(text)));
      const envp = program.pointers([program.cstring('A=b')]);
      program.record({ nr: NR.dup3, args: [fd, 1, 0] });
      program.record({ nr: NR.execve, args: [program.cstring('/bin/sh'), argv, envp] });
    });
    closeSync(fd);
    expect(outcome.code).toBe(3);
    expect(readFileSync(file, 'utf8')).toBe('b two words\n');
    rmSync(file);
  });

  it('reports errno and the record that failed, and ends with 127', () => {
    const outcome = run((program) => {
      program.record({ nr: NR.getpid, args: [] });
      program.record({ nr: NR.chdir, args: [program.cstring('/does/not/exist')] });
      exit(program, 1);
    });
    expect(outcome).toMatchObject({ code: 127, errno: 2, record: 1 });
  });

  it('goes on elsewhere after a failure where a record says so', () => {
    const outcome = run((program) => {
      const failed = program.label();
      program.record({ nr: NR.chdir, args: [program.cstring('/does/not/exist')], fail: failed });
      exit(program, 1);
      exitAt(program, failed, 5);
    });
    expect(outcome).toMatchObject({ code: 5, errno: 0 });
  });

  it.each([[2, 5, 0], [13, 127, 2]])('takes a failure with ENOENT there only when it waits for it: errno %i', (errno, code, reported) => {
    const outcome = run((program) => {
      const failed = program.label();
      program.record({ nr: NR.chdir, args: [program.cstring('/does/not/exist')], fail: failed, errno });
      exit(program, 1);
      exitAt(program, failed, 5);
    });
    expect(outcome).toMatchObject({ code, errno: reported });
  });

  it('jumps over records after a success', () => {
    const outcome = run((program) => {
      const after = program.label();
      program.record({ nr: NR.getpid, args: [], next: after });
      exit(program, 1);
      exitAt(program, after, 6);
    });
    expect(outcome.code).toBe(6);
  });

  /** `nr`, arguments, and which of them is loaded; then errno when its word is `word`. */
  it.each([
    [COMPARE, [5, 5, 7, 95], 0, 5, 0], [COMPARE, [5, 5, 7, 95], 0, 6, 95],
    [COMPARE, [5, 5, 7, 95], 1, 5, 0], [COMPARE, [5, 5, 7, 95], 1, 4, 95],
    [COMPARE, [5, 5, 7, 95], 2, 7, 0], [COMPARE, [5, 5, 7, 95], 2, 1, 95],
    [COMPARE, [5, 4, 7, 95], 3, 33, 33],
    [MMAP, [0, 4096, 1, 2, 0, 0], 4, -1, 9],
    [MMAP, [0, 4096, 3, 0x22, -1, 0], 5, 0, 0], [MMAP, [0, 4096, 3, 0x22, -1, 0], 5, 1, 22],
  ])('loads an argument from memory when the record is run: %i%j, argument %i is %i', (nr, args, index, word, errno) => {
    const outcome = run((program) => {
      const slot = program.slot('word');
      program.record({ nr: COPY, args: [word], store: slot });
      program.record({ nr, args: args.map((value, at) => (at === index ? { load: slot } : value)) });
      exit(program, 0);
    });
    expect(outcome.errno).toBe(errno);
  });

  it('compares under a mask and fails with the errno given', () => {
    const equal = run((program) => {
      program.record({ nr: COMPARE, args: [0x1234, 0x0034, 0x00ff, 95] });
      exit(program, 4);
    });
    expect(equal).toMatchObject({ code: 4, errno: 0 });
    const different = run((program) => {
      program.record({ nr: COMPARE, args: [0x1234, 0x0035, 0x00ff, 95] });
      exit(program, 4);
    });
    expect(different).toMatchObject({ code: 127, errno: 95, record: 0 });
  });

  it.each([[0, 1], [1, 2], [-1, 2]])('branches on a word that is not zero: %i', (value, code) => {
    const outcome = run((program) => {
      const taken = program.label();
      program.record({ nr: BRANCH, args: [value], fail: taken });
      exit(program, 1);
      exitAt(program, taken, 2);
    });
    expect(outcome.code).toBe(code);
  });

  it('reports on demand', () => {
    const outcome = run((program) => program.record({ nr: REPORT, args: [40] }));
    expect(outcome).toMatchObject({ code: 127, errno: 40, record: 0 });
  });

  it('copies and adds 64-bit words', () => {
    const big = 2 ** 40 + 5;
    let sum: Ref | undefined;
    const outcome = run((program) => {
      const word = program.slot('word');
      sum = program.slot('sum');
      program.record({ nr: COPY, args: [big], store: word });
      program.record({ nr: ADD, args: [{ load: word }, -3], store: sum });
      exit(program, 0);
    });
    expect(outcome.word(sum!)).toBe(BigInt(big - 3));
  });

  it('goes on in a nested process that is our child too, and the one between ends', () => {
    const [read, write] = makePipe();
    let nested: Ref | undefined;
    const outcome = run((program) => {
      nested = program.slot('nested');
      const own = program.slot('own');
      // CLONE_VFORK: the memory is not freed while the nested process runs in it.
      const args = program.pointers([CLONE_VM + CLONE_VFORK + CLONE_PARENT, 0, 0, 0, 0, 0, 0, 0]);
      program.record({ nr: NESTED, args: [args, 64], store: nested });
      program.record({ nr: NR.getpid, args: [], store: own });
      program.record({ nr: NR.write, args: [write, own, 4] });
      exit(program, 8);
    });
    expect(outcome).toMatchObject({ code: 0, errno: 0 });
    expect(outcome.word(nested!)).not.toBe(BigInt(outcome.pid));
    const bytes = Buffer.alloc(4);
    expect(readSync(read, bytes)).toBe(4);
    expect(BigInt(bytes.readInt32LE(0))).toBe(outcome.word(nested!));
    closeSync(read);
    closeSync(write);
  });

  it('begins with all signals blocked, and ours are as before', () => {
    const before = signals();
    let mask: Ref | undefined;
    const outcome = run((program) => {
      mask = program.slot('mask');
      program.record({ nr: NR.rt_sigprocmask, args: [2, 0, mask, 8] });
      exit(program, 0);
    });
    // All but SIGKILL and SIGSTOP, which can't be blocked.
    expect(outcome.word(mask!)).toBe(0xfffffffffffbfeffn);
    expect(signals()).toBe(before);
  });

  it('leaves no handler of ours in the child', () => {
    const handler = (): void => undefined;
    process.on('SIGUSR2', handler);
    let action: Ref | undefined;
    const outcome = run((program) => {
      action = program.bytes(Buffer.alloc(32, 0xff), 8);
      program.record({ nr: NR.rt_sigaction, args: [12, 0, action, 8] });
      exit(program, 0);
    });
    process.off('SIGUSR2', handler);
    expect(outcome.word(action!)).toBe(0n);
  });

  it('throws what clone3 answers, with the signals as before', () => {
    const before = signals();
    // The bits of CSIGNAL are not flags of clone3(2).
    expect(() => run((program) => exit(program, 0), 0x11)).toThrow(SyscallError);
    expect(() => run((program) => exit(program, 0), 0x11)).toThrow(/EINVAL/);
    expect(signals()).toBe(before);
  });

  it.skipIf(process.getuid?.() !== 0)('leaves this process as dumpable as before, when the child changes its user in the shared memory (needs root)', () => {
    let during: Ref | undefined;
    const outcome = run((program) => {
      during = program.slot('during');
      program.record({ nr: NR.setresuid, args: [1000, 1000, 1000] });
      program.record({ nr: NR.prctl, args: [3, 0, 0, 0, 0], store: during }); // PR_GET_DUMPABLE
      exit(program, 0);
    });
    expect(outcome.code).toBe(0);
    expect(outcome.word(during!)).not.toBe(1n);
    let after: Ref | undefined;
    expect(run((program) => {
      program.record({ nr: NR.prctl, args: [3, 0, 0, 0, 0], store: (after = program.slot('after')) });
      exit(program, 0);
    }).word(after!)).toBe(1n);
  });

  it('uses no descriptor and no memory after many launches', () => {
    const once = (): number => run((program) => exit(program, 0)).code;
    once();
    const before = mappings();
    for (let index = 0; index < 200; index++) expect(once()).toBe(0);
    // The heap may grow by a few; 200 lost mappings would show.
    expect(mappings()).toBeLessThan(before + 50);
  });
});

const signals = (): string => /^SigBlk:.*$/m.exec(readFileSync('/proc/thread-self/status', 'utf8'))?.[0] ?? '';
const mappings = (): number => readFileSync('/proc/self/maps', 'utf8').split('\n').length;
