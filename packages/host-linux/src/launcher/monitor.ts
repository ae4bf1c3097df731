/**
 * The monitor: parent of a detached container's process, a static ELF file of about five kilobytes that outlives the launcher. It waits
 * in ppoll(2) for output and for the end of the process, writes the journal (frames: model/monitor/journal.ts), and at the end the
 * exit file. Every signal is blocked before it is executed; its descriptors have fixed numbers.
 */
import { EXIT_RECORD_VERSION, JOURNAL_FRAME_MAX, JOURNAL_STREAMS } from '@tsc-box/model';
import { createProgram, type Arg, type Label, type Program, type Ref } from './program.ts';
import { buildStaticElf, type StaticElf } from './static-elf.ts';

type Architecture = 'x64' | 'arm64';

/** What the monitor's descriptors are. Those that a container has no use for are closed. */
export const MONITOR_FDS = { journal: 3, exit: 4, stdin: 5, stdout: 6, stderr: 7, terminal: 8, pidfd: 9, slave: 10 } as const;

/** Lets the monitor close its write end of standard input: the container reads the end of it once nobody else holds one. */
export const END_STDIN_SIGNAL = 10; // SIGUSR1

/** syscall_64.tbl; include/uapi/asm-generic/unistd.h. */
const NUMBERS = {
  x64: { read: 0, close: 3, lseek: 8, writev: 20, ftruncate: 77, prctl: 157, clock_gettime: 228, exit_group: 231, waitid: 247, ppoll: 271, signalfd4: 289, pwritev: 296 },
  arm64: { ftruncate: 46, close: 57, lseek: 62, read: 63, writev: 66, pwritev: 70, ppoll: 73, signalfd4: 74, exit_group: 94, waitid: 95, clock_gettime: 113, prctl: 167 },
} as const;

/** Pseudo-operations of asm/launcher-x64.S. */
const [COMPARE, BRANCH, COPY, ADD, MULTIPLY] = [-1, -2, -5, -6, -7];

const WORD = 8;
const POLLIN = 1;
const SEEK_END = 2;
const SFD_NONBLOCK = 0o4000;
const SIGNAL_INFO_BYTES = 128;
const P_PIDFD = 3;
const WEXITED = 4;
const NSIG_BYTES = 8;
const LOW_HALF = 0xffffffff;
const TWO_32 = 2 ** 32;
const HALF = 32n;
const [PR_SET_NAME, PR_SET_PTRACER, PR_SET_PTRACER_ANY] = [15, 0x59616d61, -1];
/** siginfo_t of waitid(2): si_code at 8, si_pid at 16, si_status at 24. */
const [CODE_AT, PID_AT, STATUS_AT] = [8, 16, 24];
/** A pipe holds 1 MiB at most for an ordinary user (pipe-max-size): what is left at the end is read in so many pieces, though others go on writing. */
const LAST_READS = 64;
/** struct rusage: two pairs of words, then ru_maxrss. */
const USAGE_BYTES = 40;
const NANOSECONDS = 1e9;
/** revents is the upper quarter of a struct pollfd. POLLERR, POLLHUP. */
const REVENTS = 0xffffn << 48n;
const HUNG_UP = 0x18n << 48n;
/** Beyond the data of the file: zero pages, used only as far as the container writes at once. */
const BUFFER: Ref = { data: 0x10000 };

/** Streams that the monitor reads. */
export type MonitoredOutput = 'stdout' | 'stderr' | 'terminal';
const OUTPUTS: readonly MonitoredOutput[] = ['stdout', 'stderr', 'terminal'];

interface Build {
  readonly program: Program;
  readonly nr: (typeof NUMBERS)[Architecture];
  readonly call: (nr: number, args: readonly Arg[], options?: { readonly store?: Ref; readonly fail?: Label; readonly next?: Label; readonly errno?: number }) => void;
  /** Goes to a label. */
  readonly jump: (label: Label) => void;
  readonly time: Ref;
  readonly lost: Ref;
  /** Where in the journal the next frame begins. */
  readonly end: Ref;
}

/** The ELF file for a container with these outputs. It is the same for every such container. */
export function buildMonitor(architecture: Architecture, outputs: readonly MonitoredOutput[]): StaticElf {
  const nr = NUMBERS[architecture];
  const program = createProgram();
  const call: Build['call'] = (number, args, options = {}) => {
    // Nothing that fails may end the monitor: the container would lose its output.
    const next = program.label();
    program.record({ nr: number, args, fail: options.fail ?? next, ...options });
    program.place(next);
  };
  const build: Build = {
    program, nr, call, jump: (label) => program.record({ nr: BRANCH, args: [1], fail: label }),
    time: program.slot('time'), lost: program.slot('lost'), end: program.slot('end'),
  };
  const polled = OUTPUTS.filter((output) => outputs.includes(output));
  // struct pollfd { int fd; short events; short revents }.
  const pollfds = program.pointers([...polled.map((output) => MONITOR_FDS[output] + POLLIN * TWO_32), MONITOR_FDS.pidfd + POLLIN * TWO_32, 0]);
  const signals = polled.length + 1;
  const signalfd = program.slot('signalfd');
  const revents = (index: number): Arg => ({ load: { ref: pollfds, offset: index * WORD } });
  const loop = program.label();
  const finish = program.label();

  call(nr.prctl, [PR_SET_NAME, program.cstring('tsc-box-monitor')]);
  // Where Yama restricts ptrace(2), others of this user may still take the terminal by pidfd_getfd(2).
  call(nr.prctl, [PR_SET_PTRACER, PR_SET_PTRACER_ANY]);
  call(nr.lseek, [MONITOR_FDS.journal, 0, SEEK_END], { store: build.end });
  call(nr.signalfd4, [-1, program.pointers([2 ** (END_STDIN_SIGNAL - 1)]), NSIG_BYTES, SFD_NONBLOCK], { store: signalfd });
  program.record({ nr: ADD, args: [{ load: signalfd }, POLLIN * TWO_32], store: { ref: pollfds, offset: signals * WORD } });
  program.place(loop);
  call(nr.ppoll, [pollfds, polled.length + 2, 0, 0, NSIG_BYTES], { fail: loop });
  polled.forEach((output, index) => {
    const [ready, failed, ended, next] = [program.label(), program.label(), program.label(), program.label()];
    program.record({ nr: COMPARE, args: [revents(index), 0, REVENTS, 0], next, fail: ready });
    program.place(ready);
    addRead(build, output, { failed, ended });
    build.jump(next);
    program.place(failed);
    program.record({ nr: COMPARE, args: [revents(index), 0, HUNG_UP, 0], next, fail: ended });
    program.place(ended);
    // ppoll(2) passes over a negative descriptor.
    program.record({ nr: COPY, args: [LOW_HALF], store: { ref: pollfds, offset: index * WORD } });
    program.place(next);
  });
  const [signalled, ended] = [program.label(), program.label()];
  program.record({ nr: COMPARE, args: [revents(signals), 0, REVENTS, 0], next: ended, fail: signalled });
  program.place(signalled);
  call(nr.read, [{ load: signalfd }, BUFFER, SIGNAL_INFO_BYTES]);
  call(nr.close, [MONITOR_FDS.stdin]);
  program.place(ended);
  program.record({ nr: COMPARE, args: [revents(polled.length), 0, REVENTS, 0], next: loop, fail: finish });
  program.place(finish);
  for (const output of polled) addDrain(build, output);
  addExit(build);
  return buildStaticElf(program, architecture, BUFFER.data + JOURNAL_FRAME_MAX);
}

/** Reads once and writes a frame. `ended`: nothing will come any more. */
function addRead(build: Build, output: MonitoredOutput, { failed, ended }: { readonly failed: Label; readonly ended: Label }): void {
  const { program, nr } = build;
  const got = program.slot(`${output}.got`);
  const some = program.label();
  program.record({ nr: nr.read, args: [MONITOR_FDS[output], BUFFER, JOURNAL_FRAME_MAX], store: got, fail: failed });
  program.record({ nr: BRANCH, args: [{ load: got }], fail: some, next: ended });
  program.place(some);
  addFrame(build, JOURNAL_STREAMS[output === 'terminal' ? 'stdout' : output], got);
}

/** What is left, without waiting for others that hold the other end: the read ends do not block. */
function addDrain(build: Build, output: MonitoredOutput): void {
  const { program } = build;
  const left = program.pointers([LAST_READS]);
  const [again, ended] = [program.label(), program.label()];
  program.place(again);
  addRead(build, output, { failed: ended, ended });
  program.record({ nr: ADD, args: [{ load: left }, -1], store: left });
  program.record({ nr: BRANCH, args: [{ load: left }], fail: again });
  program.place(ended);
}

function addTime({ program, nr, call, time }: Build): void {
  const clock = program.pointers([0, 0]);
  call(nr.clock_gettime, [0, clock]);
  program.record({ nr: MULTIPLY, args: [{ load: clock }, NANOSECONDS], store: time });
  program.record({ nr: ADD, args: [{ load: time }, { load: { ref: clock, offset: WORD } }], store: time });
}

/** A frame is written where the last whole one ended, so that one that did not fit leaves nothing behind. */
function addFrame(build: Build, stream: number, length: Ref): void {
  const { program, nr, time, lost, end } = build;
  const total = program.slot('total');
  const wrote = program.slot('wrote');
  const header = program.pointers([0, stream]);
  const vectors = program.pointers([header, 2 * WORD, BUFFER, 0]);
  const [plain, tell, short, done] = [program.label(), program.label(), program.label(), program.label()];
  const set = (nr_: number, args: readonly Arg[], ref: Ref, offset = 0): void => program.record({ nr: nr_, args, store: { ref, offset } });
  addTime(build);
  program.record({ nr: BRANCH, args: [{ load: lost }], fail: tell, next: plain });
  program.place(tell);
  addLost(build, short);
  program.place(plain);
  set(COPY, [{ load: time }], header);
  set(MULTIPLY, [{ load: length }, TWO_32], header, WORD);
  set(ADD, [{ load: { ref: header, offset: WORD } }, stream], header, WORD);
  set(COPY, [{ load: length }], vectors, 3 * WORD);
  set(ADD, [{ load: length }, 2 * WORD], total);
  program.record({ nr: nr.pwritev, args: [MONITOR_FDS.journal, vectors, 2, { load: end }, 0], store: wrote, fail: short });
  program.record({ nr: COMPARE, args: [{ load: wrote }, { load: total }, -1, 0], fail: short });
  program.record({ nr: ADD, args: [{ load: end }, { load: total }], store: end, next: done });
  program.place(short);
  build.call(nr.ftruncate, [MONITOR_FDS.journal, { load: end }]);
  program.record({ nr: ADD, args: [{ load: lost }, { load: length }], store: lost });
  program.place(done);
}

/** A frame that says how much was lost, before the first that fits again. */
function addLost({ program, nr, time, lost, end }: Build, failed: Label): void {
  const frame = program.pointers([0, BigInt(JOURNAL_STREAMS.lost) | (BigInt(WORD) << HALF), 0]);
  const wrote = program.slot('wrote');
  const bytes = 3 * WORD;
  program.record({ nr: COPY, args: [{ load: time }], store: frame });
  program.record({ nr: COPY, args: [{ load: lost }], store: { ref: frame, offset: 2 * WORD } });
  program.record({ nr: nr.pwritev, args: [MONITOR_FDS.journal, program.pointers([frame, bytes]), 1, { load: end }, 0], store: wrote, fail: failed });
  program.record({ nr: COMPARE, args: [{ load: wrote }, bytes, -1, 0], fail: failed });
  program.record({ nr: ADD, args: [{ load: end }, bytes], store: end });
  program.record({ nr: COPY, args: [0], store: lost });
}

/** The exit file: model/monitor/exit-record.ts. */
function addExit(build: Build): void {
  const { program, nr, call, time, lost } = build;
  const info = program.bytes(new Uint8Array(128), 8);
  const usage = program.bytes(new Uint8Array(144), 8);
  const version = program.pointers([EXIT_RECORD_VERSION]);
  call(nr.waitid, [P_PIDFD, MONITOR_FDS.pidfd, info, WEXITED, usage]);
  addTime(build);
  const fields: readonly (readonly [Ref, number, number])[] = [[version, 0, 4], [info, CODE_AT, 4], [info, STATUS_AT, 4], [info, PID_AT, 4], [time, 0, WORD], [lost, 0, WORD], [usage, 0, USAGE_BYTES]];
  const vectors = program.pointers(fields.flatMap(([, , bytes]) => [0, bytes]));
  fields.forEach(([ref, offset], index) => program.record({ nr: COPY, args: [{ ref, offset }], store: { ref: vectors, offset: index * 2 * WORD } }));
  call(nr.writev, [MONITOR_FDS.exit, vectors, fields.length]);
  program.record({ nr: nr.exit_group, args: [0] });
}
