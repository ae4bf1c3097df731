/** A verb of the OCI runtime's command line, as data: parsing and help come from it. */
import type { Runtime } from '@tsc-box/engine/runtime';
import type { Flag, Parsed } from '../args/flag.ts';
import { stringValue } from '../args/flag.ts';
import { UsageError } from '@tsc-box/model';

/** What the global flags say. */
export interface Globals {
  readonly root: string;
  /** No cgroups are made: crun's `--cgroup-manager disabled`. */
  readonly withoutCgroup: boolean;
}

export interface Invocation {
  readonly parsed: Parsed;
  readonly globals: Globals;
  /** The Linux system is opened at the first use. */
  runtime(): Runtime;
  write(text: string): void;
}

export interface Verb {
  readonly name: string;
  /** Words after the flags, for the help. */
  readonly usage: string;
  readonly help: string;
  readonly flags: readonly Flag[];
  /** Flags end at the first word: what follows is a command. */
  readonly stopAtWord?: boolean;
  /** How many words are allowed. */
  readonly words: readonly [least: number, most: number];
  /** Exit code of a failure. */
  readonly failure?: number;
  /** The exit code. */
  run(invocation: Invocation): Promise<number>;
}

const GROUP = 'Options';

export const flag = (long: string, help: string, more: Partial<Omit<Flag, 'long' | 'help' | 'group' | 'key'>> = {}): Flag => ({ long, key: long, help, group: GROUP, kind: 'string', ...more });
export const toggle = (long: string, help: string, more: Partial<Flag> = {}): Flag => ({ long, key: long, help, group: GROUP, kind: 'boolean', ...more });

/** @throws UsageError for anything but a whole number of at least 0. */
export function countOf(parsed: Parsed, key: string): number | undefined {
  const text = stringValue(parsed, key);
  if (text === undefined) return undefined;
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new UsageError({ attempted: `read --${key}`, detail: `found "${text}", allowed: a whole number` });
}

/** The container's ID: the first word. */
export function idOf({ positionals }: Parsed): string {
  return positionals[0] ?? '';
}
