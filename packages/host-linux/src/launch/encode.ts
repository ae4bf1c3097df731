/**
 * The child's steps as a syscall program: one record a step, more where a step checks, repeats or searches.
 * Every record remembers its step, so that a failure names it.
 */
import { assert, SYSTEM_SLOTS, type ChildStep, type Fd } from '@tsc-box/model';
import { createProgram, type Arg, type Label, type Program, type Ref } from '../launcher/program.ts';
import { addInit } from '../launcher/reaper.ts';
import { AT_EMPTY_PATH, AT_FDCWD, flagsValue, flagValue, type Architecture } from './constants.ts';
import { PLAIN_CALLS, type Encoder, type PlainCall } from './encode-calls.ts';
import { errnoNumber } from './errno.ts';
import { encodeExec, encodeLookup, type ExecEvidence } from './encode-exec.ts';
import { COMPARE, type RecordOptions, type StepEncoder } from './step-encoder.ts';
import { SYSCALL_NUMBERS } from './syscall-numbers.ts';

/** What only the System knows: descriptors, the compiled filter. */
export interface EncodeInput {
  readonly architecture: Architecture;
  /** Descriptors in slots that the System fills. */
  readonly slots: ReadonlyMap<string, number>;
  /** cgroup v1: `tasks` of each hierarchy. */
  readonly cgroups: readonly number[];
  readonly seccomp: Uint8Array | undefined;
  /** The file that a `clone` step's parent becomes. */
  readonly reaper?: { readonly fd: number; readonly pidOffset: number };
  /** The standard streams are the terminal. */
  readonly terminal?: boolean;
}

/** A `clone3` step: the process that the plan ends in is not the one that began it. */
export interface NestedClone {
  /** Where the kernel writes its pid, as seen by the launcher. */
  readonly pid: Ref;
  /** Cleared by the kernel when it has exec'ed or ended. */
  readonly alive: Ref;
}

export interface EncodedPlan {
  readonly program: Program;
  /** Step of each record, by the record's index. */
  readonly steps: readonly ChildStep[];
  readonly exec: readonly ExecEvidence[];
  readonly nested: NestedClone | undefined;
}

/** Pseudo-operation of the launcher: see launcher/asm. */
const NESTED_CLONE = -4;

const CLONE_VM = 0x100;
const CLONE_PARENT = 0x8000;
const CLONE_PARENT_SETTID = 0x100000;
const CLONE_CHILD_CLEARTID = 0x200000;

/** Child steps of a plan as a syscall program; `input` holds what only this launch knows. @throws InternalError for a plan that uses a slot before it is filled. */
export function encodePlan(child: readonly ChildStep[], input: EncodeInput): EncodedPlan {
  const program = createProgram();
  const steps: ChildStep[] = [];
  const exec: ExecEvidence[] = [];
  const slots = new Map<string, Ref>();
  const labels = new Map<string, Label>();
  let nested: NestedClone | undefined;
  let current: ChildStep | undefined;

  const slotRef = (name: string): Ref => {
    let ref = slots.get(name);
    if (ref === undefined) slots.set(name, (ref = program.slot(name)));
    return ref;
  };
  const filled = (name: string): Ref => {
    const ref = slots.get(name);
    assert(ref !== undefined, `the slot ${name} is filled before it is used`);
    return ref;
  };
  const labelOf = (id: string): Label => {
    let label = labels.get(id);
    if (label === undefined) labels.set(id, (label = program.label()));
    return label;
  };
  const numbers = SYSCALL_NUMBERS[input.architecture];
  const e: StepEncoder = {
    program, architecture: input.architecture, seccomp: input.seccomp,
    fd: (fd: Fd) => (typeof fd === 'number' ? fd : fd === 'AT_FDCWD' ? AT_FDCWD : (input.slots.get(fd.slot) ?? { load: filled(fd.slot) })),
    number: (name) => numbers[name],
    record(name, args, options = {}) {
      assert(current !== undefined, 'a record belongs to a step');
      program.record({ nr: typeof name === 'number' ? name : numbers[name], args, ...options });
      steps.push(current);
    },
    copy(value, to) {
      assert(current !== undefined, 'a record belongs to a step');
      program.copy(value, to);
      steps.push(current);
    },
    newLabel: () => program.label(),
    place: (label) => program.place(label),
  };

  const encodeFrom = (first: number): void => {
    for (let index = first; index < child.length; index += 1) {
      const step = child[index];
      if (step === undefined || encodeAt(index, step)) return;
    }
  };
  /** True when the rest was encoded too. */
  const encodeAt = (index: number, step: ChildStep): boolean => {
    current = step;
    if (labels.has(step.id) || isTarget(child, step.id)) program.place(labelOf(step.id));
    const following = step.onError.action === 'ignore' ? program.label() : undefined;
    const options: { -readonly [Key in keyof RecordOptions]: RecordOptions[Key] } = {};
    if (step.result !== undefined) options.store = slotRef(step.result);
    if (step.onSuccess !== undefined) options.next = labelOf(step.onSuccess);
    if (step.onError.action === 'jump') options.fail = labelOf(step.onError.to);
    if (following !== undefined) options.fail = following;
    if (step.onError.action !== 'fail' && step.onError.errno !== undefined) options.errno = errnoNumber(step.onError.errno);
    if (step.call === 'clone') {
      assert(input.reaper !== undefined, 'a plan with a reaper has its file');
      addInit(
        { program, record: e.record }, { architecture: input.architecture, file: input.reaper.fd, pidOffset: input.reaper.pidOffset, terminal: input.terminal === true },
        () => {
          encodeFrom(index + 1);
          current = step;
        },
      );
      return true;
    }
    if (step.call === 'execve') exec.push(...encodeExec(step, e));
    else if (step.call === 'faccessat') exec.push(...encodeLookup(step, e));
    else if (step.call === 'clone3') nested = encodeNestedClone(step, e, options);
    else encodeStep(step, e, options, input);
    if (following !== undefined) program.place(following);
    return false;
  };
  encodeFrom(0);
  return { program, steps, exec, nested };
}

const targets = new WeakMap<readonly ChildStep[], ReadonlySet<string>>();

/** True when some step jumps to `id`. */
function isTarget(child: readonly ChildStep[], id: string): boolean {
  let set = targets.get(child);
  if (set === undefined) {
    const found = new Set<string>();
    for (const step of child) {
      if (step.onError.action === 'jump') found.add(step.onError.to);
      if (step.onSuccess !== undefined) found.add(step.onSuccess);
    }
    targets.set(child, (set = found));
  }
  return set.has(id);
}

type OtherStep = Exclude<ChildStep, { call: 'execve' | 'faccessat' | 'clone3' | 'clone' }>;

function encodeStep(step: OtherStep, e: StepEncoder, options: RecordOptions, input: EncodeInput): void {
  switch (step.call) {
    case 'statx': return encodeVerify(step, e);
    case 'read': return encodeRead(step, e);
    case 'setpriority': return e.record('setpriority', [0, 0, step.args.nice], options);
    case 'ioprio_set': return e.record('ioprio_set', [1, 0, (flagValue(step.args.class, e.architecture) << 13) | step.args.priority], options);
    case 'execveat': return encodeHolder(step, e);
    case 'close_range': return encodeCloseRange(step, e, options, input);
    case 'write':
      if (isCgroups(step.args.fd)) return encodeJoin(step, e, input);
      return encodePlain(step, e, options);
    default: return encodePlain(step, e, options);
  }
}

function encodePlain(step: Extract<ChildStep, { call: PlainCall }>, e: StepEncoder, options: RecordOptions): void {
  // The pair (call, args) is tied by the union; TypeScript can't follow that through the table.
  const encode = PLAIN_CALLS[step.call] as (args: typeof step.args, e: Encoder) => readonly Arg[];
  const args = encode(step.args, e);
  e.record(step.call, args, options);
}

/** What the program that takes over needs is kept for it by number. */
function encodeHolder(step: Extract<ChildStep, { call: 'execveat' }>, e: StepEncoder): void {
  const { program } = e;
  for (const name of [SYSTEM_SLOTS.hold, SYSTEM_SLOTS.holdResult]) e.record('fcntl', [e.fd({ slot: name }), F_SETFD, 0]);
  e.record('execveat', [e.fd(step.args.fd), program.cstring(''), program.pointers([program.cstring('tsc-box-hold')]), program.pointers([]), AT_EMPTY_PATH]);
}

const F_SETFD = 2;
const LAST_FD = 0xffffffff;

/** close_range(2) has no exceptions: one call for each gap between the descriptors that stay. */
function encodeCloseRange(step: Extract<ChildStep, { call: 'close_range' }>, e: StepEncoder, options: RecordOptions, input: EncodeInput): void {
  const kept = (step.args.except ?? []).map((fd) => {
    const number = typeof fd === 'object' ? input.slots.get(fd.slot) : undefined;
    assert(number !== undefined, 'descriptors that stay open are of the System');
    return number;
  });
  const flags = flagsValue(step.args.flags, e.architecture);
  let { first } = step.args;
  for (const fd of [...kept].sort((a, b) => a - b)) {
    if (fd > first) e.record('close_range', [first, fd - 1, flags], options);
    first = Math.max(first, fd + 1);
  }
  e.record('close_range', [first, LAST_FD, flags], options);
}

function isCgroups(fd: Fd): boolean {
  return typeof fd === 'object' && fd.slot === SYSTEM_SLOTS.cgroups;
}

/** Writing 0 moves the writer itself: cgroups.rst, section 2.2. */
function encodeJoin(step: Extract<ChildStep, { call: 'write' }>, e: StepEncoder, input: EncodeInput): void {
  for (const fd of input.cgroups) e.record('write', PLAIN_CALLS.write({ fd, data: step.args.data }, e));
}

/** The read must give as many bytes as asked: none means that the other side died. */
function encodeRead(step: Extract<ChildStep, { call: 'read' }>, e: StepEncoder): void {
  const { program } = e;
  const got = program.slot(`${step.id}.got`);
  e.record('read', [e.fd(step.args.fd), program.bytes(new Uint8Array(8), 8), step.args.count], { store: got });
  e.record(COMPARE, [{ load: got }, step.args.count, -1, errnoNumber('EPIPE')]);
}

const STATX_TYPE = 1;
const STATX_MODE_OFFSET = 0x1c;
const STATX_RDEV_OFFSET = 0x80;

/** struct statx: mode at 0x1c (16 bits), rdev_major and rdev_minor at 0x80. */
function encodeVerify(step: Extract<ChildStep, { call: 'statx' }>, e: StepEncoder): void {
  const { dirfd, path, expect } = step.args;
  const buffer = e.program.bytes(new Uint8Array(256), 8);
  const flags = (path === '' ? AT_EMPTY_PATH : 0) | 0x100;
  e.record('statx', [e.fd(dirfd), e.program.cstring(path), flags, STATX_TYPE, buffer]);
  e.record(COMPARE, [{ load: { ref: buffer, offset: STATX_MODE_OFFSET } }, 0o020000, 0o170000, errnoNumber('ENXIO')]);
  const device = (BigInt(expect.minor) << 32n) | BigInt(expect.major);
  e.record(COMPARE, [{ load: { ref: buffer, offset: STATX_RDEV_OFFSET } }, device, -1, errnoNumber('ENXIO')]);
}

/**
 * The new process becomes a child of the launcher (CLONE_PARENT) and shares its memory until it execs; the process in between ends.
 * Its pid is as the launcher's own pid namespace sees it: setns(2) of a pid namespace changes only what children see.
 */
function encodeNestedClone(step: Extract<ChildStep, { call: 'clone3' }>, e: StepEncoder, options: RecordOptions): NestedClone {
  const { program } = e;
  const pid = program.bytes(new Uint8Array(8), 8);
  const alive = program.pointers([1]);
  const flags = flagsValue(step.args.flags, e.architecture) + CLONE_VM + CLONE_PARENT + CLONE_PARENT_SETTID + CLONE_CHILD_CLEARTID;
  // struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal (none with CLONE_PARENT), stack, stack_size, tls.
  const args = program.pointers([flags, 0, alive, pid, 0, 0, 0, 0]);
  // The new process stands among the container's own, and its memory is the launcher's until it execs: nobody there may ptrace it
  // (CVE-2016-9962). execve(2) undoes this for the process, the launcher does for itself.
  e.record('prctl', [flagValue('PR_SET_DUMPABLE', e.architecture), 0, 0, 0, 0]);
  e.record(NESTED_CLONE, [args, 64], options);
  return { pid, alive };
}
