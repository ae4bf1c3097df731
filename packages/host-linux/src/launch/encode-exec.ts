/**
 * The search for the command and execve(2). Each candidate is tried once, as execvp(3) does. When none could be executed they
 * are looked at again, and what is seen is left for the launcher: without it "ENOENT" could be the command or its interpreter.
 */
import type { ChildStep } from '@tsc-box/model';
import type { Ref } from '../launcher/program.ts';
import { AT_FDCWD } from './constants.ts';
import { COMPARE, REPORT, type StepEncoder } from './step-encoder.ts';
import { errnoNumber } from './errno.ts';

/** What the child saw of one candidate. All zero when it was not there. */
export interface ExecEvidence {
  readonly path: string;
  /** struct statx, 256 bytes. */
  readonly statx: Ref;
  /** The file's first bytes. */
  readonly head: Ref;
}

export const HEAD_BYTES = 256;
export const STATX_BYTES = 256;
const STATX_BASIC = 0x7ff;
/** O_CLOEXEC | O_NONBLOCK | O_NOCTTY: a pipe or a terminal must not hold the launch up. */
const O_LOOK = 0o2000000 | 0o4000 | 0o400;

const X_OK = 1;
const MODE_OFFSET = 0x1c;

/** Goes on when a candidate may be executed and is no directory. What is seen of the others is left for the launcher. */
export function encodeLookup(step: Extract<ChildStep, { call: 'faccessat' }>, e: StepEncoder): ExecEvidence[] {
  const { program } = e;
  const found = e.newLabel();
  const seen = step.args.candidates.map((path): ExecEvidence => {
    const evidence: ExecEvidence = { path, statx: program.bytes(new Uint8Array(STATX_BYTES), 8), head: program.bytes(new Uint8Array(HEAD_BYTES), 8) };
    const next = e.newLabel();
    const mode = { load: { ref: evidence.statx, offset: MODE_OFFSET } };
    e.record('statx', [AT_FDCWD, program.cstring(path), 0, STATX_BASIC, evidence.statx], { fail: next });
    e.record('faccessat', [AT_FDCWD, program.cstring(path), X_OK], { fail: next });
    // A directory: look further. Anything else is left to execve(2).
    e.record(COMPARE, [mode, 0o040000, 0o170000, errnoNumber('ENOENT')], { next, fail: found });
    e.place(next);
    return evidence;
  });
  for (const { statx } of seen) e.record(COMPARE, [{ load: { ref: statx, offset: MODE_OFFSET } }, 0, 0xffff, errnoNumber('EACCES')]);
  e.record(REPORT, [errnoNumber('ENOENT')]);
  e.place(found);
  return seen;
}

export function encodeExec(step: Extract<ChildStep, { call: 'execve' }>, e: StepEncoder): ExecEvidence[] {
  const { program } = e;
  const { candidates, argv, envp } = step.args;
  const args = program.pointers(argv.map((arg) => program.cstring(arg)));
  const env = program.pointers(envp.map((entry) => program.cstring(entry)));
  for (const path of candidates) {
    const next = e.newLabel();
    e.record('execve', [program.cstring(path), args, env], { fail: next });
    e.place(next);
  }
  const evidence = candidates.map((path): ExecEvidence => {
    const seen: ExecEvidence = { path, statx: program.bytes(new Uint8Array(STATX_BYTES), 8), head: program.bytes(new Uint8Array(HEAD_BYTES), 8) };
    const next = e.newLabel();
    const retry = e.newLabel();
    const opened = program.slot(`exec.${path}`);
    e.record('statx', [AT_FDCWD, program.cstring(path), 0, STATX_BASIC, seen.statx], { fail: next });
    e.record('openat', [AT_FDCWD, program.cstring(path), O_LOOK, 0], { store: opened, fail: retry });
    e.record('read', [{ load: opened }, seen.head, HEAD_BYTES], { fail: retry });
    e.place(retry);
    e.record('execve', [program.cstring(path), args, env]);
    e.place(next);
    return seen;
  });
  // None is there; but was that seen, or was a directory on the way closed to this user? Any errno but ENOENT is reported as it is.
  for (const { path, statx } of evidence) {
    const next = e.newLabel();
    e.record('statx', [AT_FDCWD, program.cstring(path), 0, STATX_BASIC, statx], { fail: next, errno: errnoNumber('ENOENT') });
    e.place(next);
  }
  e.record(REPORT, [errnoNumber('ENOENT')]);
  return evidence;
}
