/** The container's standard streams: descriptors of ours, /dev/null, or pipes. */
import { closeSync, openSync } from 'node:fs';
import { SYSTEM_SLOTS, type LaunchRequest, type StdioSource } from '@tsc-box/model';
import { duplicate, makePipe } from '../ffi/descriptors.unsafe.ts';
import type { Undo } from './undo.ts';

export interface OpenedStdio {
  /** Descriptors for the child, by slot. All above 2, as dup3(2) refuses to copy one to itself. */
  readonly slots: ReadonlyMap<string, number>;
  /** Our ends of the pipes. */
  readonly ours: { readonly stdin?: number; readonly stdout?: number; readonly stderr?: number };
}

const NAMES = ['stdin', 'stdout', 'stderr'] as const;

/** `child` closes what only the child needs, once it has it; `failure` what nobody needs after a failed launch. */
export function openStdio(stdio: LaunchRequest['stdio'], child: Undo, failure: Undo): OpenedStdio {
  const slots = new Map<string, number>();
  const ours: { stdin?: number; stdout?: number; stderr?: number } = {};
  let none: number | undefined;
  for (const name of NAMES) {
    const source: StdioSource = stdio[name];
    if (typeof source === 'number') {
      slots.set(SYSTEM_SLOTS[name], source > 2 ? source : keep(duplicate(source, 3), child));
    } else if (source === 'null') {
      none ??= keep(openSync('/dev/null', 'r+'), child);
      slots.set(SYSTEM_SLOTS[name], none);
    } else {
      const [read, write] = makePipe();
      const [theirs, own] = name === 'stdin' ? [read, write] : [write, read];
      slots.set(SYSTEM_SLOTS[name], keep(theirs, child));
      ours[name] = keep(own, failure);
    }
  }
  return { slots, ours };
}

function keep(fd: number, undo: Undo): number {
  undo.add(() => closeSync(fd));
  return fd;
}
