import { closeSync, constants, existsSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { duplicate, makePipe } from '../ffi/descriptors.unsafe.ts';
import { scratch, systemCall } from '../ffi/libc.unsafe.ts';
import { reapNow, signalPidfd } from '../ffi/process.unsafe.ts';
import { SYSCALL_NUMBERS } from '../launch/syscall-numbers.ts';
import { createProgram } from './program.ts';
import { openReaperFile } from './reaper-file.ts';
import { addInit } from './reaper.ts';
import { mapProgramMemory, runLauncher } from './run.unsafe.ts';

const supported = process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64') && process.getuid?.() === 0;
const architecture = process.arch === 'arm64' ? 'arm64' : 'x64';
const NR = SYSCALL_NUMBERS[architecture];
const CLONE_FLAGS = 0x100 + 0x4000 + 0x200000; // CLONE_VM, CLONE_VFORK, CLONE_CHILD_CLEARTID
const CLONE_NEWPID = 0x20000000;
const SIG_SETMASK = 2;
const [TIOCSCTTY, TIOCSPTLCK, TIOCGPTPEER] = [0x540e, 0x40045431, 0x5441];

const opened: number[] = [];
const keep = (fd: number): number => {
  opened.push(fd);
  return fd;
};
afterEach(() => opened.splice(0).forEach((fd) => closeSync(fd)));

interface Started {
  readonly pid: number;
  readonly errno: number;
  /** What the command writes next. Waits for it; empty at the end. */
  read(): string;
  closeInput(): void;
  kill(signal: number): void;
  exitCode(): number | undefined;
}

interface Options {
  readonly path?: string;
  readonly flags?: number;
  /** The other end of its terminal. */
  readonly terminal?: number;
}

/** Starts `sh -c script` under the reaper, which is process 1 of a pid namespace. */
function start(script: string, { path = '/bin/sh', flags = CLONE_NEWPID, terminal }: Options = {}): Started {
  const [input, toInput] = makePipe();
  const [fromOutput, output] = makePipe();
  const reaper = openReaperFile(architecture);
  const program = createProgram();
  const record = (nr: number, args: Parameters<typeof program.record>[0]['args'], options: object = {}): void => program.record({ nr, args, ...options });
  const stdin = duplicate(terminal ?? input, 10);
  if (terminal !== undefined) {
    record(NR.setsid, []);
    record(NR.ioctl, [stdin, TIOCSCTTY, 0]);
  }
  record(NR.dup3, [stdin, 0, 0]);
  record(NR.dup3, [output, 1, 0]);
  record(NR.close_range, [3, 0xffffffff, 4]); // CLOSE_RANGE_CLOEXEC
  addInit({ program, record }, { architecture, file: reaper.fd, pidOffset: reaper.pidOffset, terminal: terminal !== undefined }, () => {
    record(NR.rt_sigprocmask, [SIG_SETMASK, program.bytes(new Uint8Array(8), 8), 0, 8]);
    record(NR.execve, [program.cstring(path), program.pointers(['sh', '-c', script].map((text) => program.cstring(text))), program.pointers([program.cstring('PATH=/usr/bin:/bin')])]);
  });
  const pidfdAt = program.slot('pidfd');
  const alive = program.slot('alive');
  const memory = mapProgramMemory(program.finish().size);
  program.write(memory.address, memory.bytes);
  const address = (ref: typeof pidfdAt): number => program.addressOf(memory.address, ref);
  const pid = runLauncher({
    cloneArgs: { flags: CLONE_FLAGS + flags, pidfd: address(pidfdAt), childTid: address(alive), exitSignal: 17, cgroup: undefined },
    entry: program.entryAddress(memory.address), report: address(program.report),
  });
  const pidfd = keep(memory.bytes.readInt32LE(program.offsetOf(pidfdAt)));
  const errno = memory.bytes.readInt32LE(program.offsetOf(program.report));
  memory.free();
  for (const fd of [input, output, stdin, reaper.fd]) closeSync(fd);
  keep(toInput);
  keep(fromOutput);
  const buffer = Buffer.alloc(4096);
  return {
    pid, errno,
    read: () => buffer.toString('latin1', 0, readSync(fromOutput, buffer)),
    closeInput: () => opened.splice(opened.indexOf(toInput), 1).forEach((fd) => closeSync(fd)),
    kill: (signal) => void signalPidfd(pidfd, signal),
    exitCode: () => reapNow(pidfd)?.code,
  };
}

describe.skipIf(!supported)('the reaper (needs root, for a pid namespace)', () => {
  it('ends with the exit status of the command', () => {
    expect(start('exit 5').exitCode()).toBe(5);
    expect(start('exit 0').exitCode()).toBe(0);
  });

  it('ends with 128 + n when signal n ended the command', () => {
    expect(start('kill -KILL $$').exitCode()).toBe(137);
    expect(start('kill -SEGV $$').exitCode()).toBe(139);
  });

  it('is process 1, and the command is its child', () => {
    const started = start('echo $$ $PPID; read line');
    expect(started.read()).toBe('2 1\n');
    expect(readFileSync(`/proc/${String(started.pid)}/comm`, 'utf8')).toBe('tsc-box-init\n');
    started.kill(9);
    expect(started.exitCode()).toBe(137);
  });

  it.each([15, 1, 12, 34])('passes signal %i on to the command', (signal) => {
    const started = start(`trap 'exit 9' ${String(signal)}; echo ready; while :; do read line; done`, signal === 34 ? { path: '/bin/bash' } : {});
    expect(started.read()).toBe('ready\n');
    started.kill(signal);
    // A shell that got the signal just before its read(2) runs the trap when the read has ended.
    started.closeInput();
    expect(started.exitCode()).toBe(9);
  });

  it('lets a signal end a command that does not handle it, which process 1 itself would ignore', () => {
    const started = start('echo ready; read line');
    expect(started.read()).toBe('ready\n');
    started.kill(15);
    expect(started.exitCode()).toBe(143);
  });

  it('reaps orphans', () => {
    // A zombie still answers kill -0: the loop ends only when it is gone.
    const started = start('for i in 1 2 3 4 5; do p=$(true >/dev/null & echo $!); while kill -0 $p 2>/dev/null; do :; done; done; exit 4');
    expect(started.exitCode()).toBe(4);
  });

  it('ends when the command has ended, and takes with it what the command left running', () => {
    const started = start('sh -c "read line" <&0 & exit 6');
    expect(started.exitCode()).toBe(6);
    expect(existsSync(`/proc/${String(started.pid)}`)).toBe(false);
    // The last writer is gone: the end of the output is seen.
    expect(started.read()).toBe('');
  });

  it('starts the command with no signal blocked', () => {
    const started = start('grep SigBlk /proc/self/status');
    expect(started.read()).toBe('SigBlk:\t0000000000000000\n');
    expect(started.exitCode()).toBe(0);
  });

  it('reports a command that can not be executed, and ends', () => {
    const started = start('', { path: '/does/not/exist' });
    expect(started.errno).toBe(2);
    expect(started.exitCode()).toBe(127);
  });

  it('needs no memory to speak of, and keeps no descriptor but the standard ones', () => {
    const started = start('echo ready; read line');
    started.read();
    const status = readFileSync(`/proc/${String(started.pid)}/status`, 'utf8');
    expect(Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1])).toBeLessThan(32);
    expect(Number(/^VmSize:\s+(\d+) kB/m.exec(status)?.[1])).toBeLessThan(512);
    started.kill(9);
    started.exitCode();
  });

  it('reaps orphans without a pid namespace too', () => {
    const started = start('p=$(true >/dev/null & echo $!); while kill -0 $p 2>/dev/null; do :; done; exit 3', { flags: 0 });
    expect(started.exitCode()).toBe(3);
  });

  it('makes the command the foreground job of its terminal: what is typed interrupts it', () => {
    const master = keep(openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY));
    const { address, bytes } = scratch();
    bytes.writeUInt32LE(0, 0);
    systemCall('ioctl', [master, TIOCSPTLCK, address], 'unlock the terminal');
    const peer = keep(systemCall('ioctl', [master, TIOCGPTPEER, constants.O_RDWR | constants.O_NOCTTY], 'open the terminal'));
    const started = start('read a b c d group session tty foreground rest < /proc/self/stat; [ $group = $foreground ] && echo foreground; read line', { terminal: peer });
    expect(started.read()).toBe('foreground\n');
    writeSync(master, '\u0003');
    expect(started.exitCode()).toBe(130);
  });
});
