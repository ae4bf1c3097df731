/** What encodes a single step: the plan's encoder as the parts see it. */
import type { Arg, Label, Ref } from '../launcher/program.ts';
import type { Encoder } from './encode-calls.ts';
import type { SyscallName } from './syscall-numbers.ts';

export interface StepEncoder extends Encoder {
  readonly number: (name: SyscallName) => number;
  /** Adds a record of the step at hand. */
  record(name: SyscallName | number, args: readonly Arg[], options?: RecordOptions): void;
  newLabel(): Label;
  place(label: Label): void;
}

export interface RecordOptions {
  readonly store?: Ref;
  readonly next?: Label;
  readonly fail?: Label;
  readonly errno?: number;
}

/** Pseudo-operations of the launcher: see launcher/asm. */
export const COMPARE = -1;
export const REPORT = -3;
