/** A command of `tsc-box`, as data, and what it is given to work with. */
import type { Engine } from '@tsc-box/engine';
import type { Flag, Parsed } from '../args/flag.ts';
import type { ErrorFormat } from '../report/errors.ts';
import type { Style } from '../report/style.ts';

/** Tidies up after this process when it is killed, unless dismissed before. */
export interface Guard {
  dismiss(): void;
}

export interface Cli {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly errorFormat: ErrorFormat;
  /** Style of standard output. */
  readonly style: Style;
  /** Opened at first use: `help` and `version` need none. */
  engine(): Promise<Engine>;
  startGuard(): Promise<Guard | undefined>;
  /** Standard output. */
  write(text: string): void;
  warn(text: string): void;
  /** An error that does not end the command. */
  report(error: unknown): void;
}

/** Returns the exit code. */
export type Run = (parsed: Parsed, cli: Cli) => Promise<number> | number;

export interface Command {
  readonly name: string;
  /** For the list of commands. */
  readonly summary: string;
  /** What comes after `tsc-box NAME`. */
  readonly usage: string;
  readonly description?: string;
  readonly flags: readonly Flag[];
  /** Flags end at the first word: what follows is the container's command. */
  readonly stopAtWord: boolean;
  /** Number of words: the fewest and the most. */
  readonly words: readonly [least: number, most: number];
  readonly complete?: 'image' | 'container' | 'store-image' | 'image-or-container' | 'file' | readonly string[];
  /** Command line and what it does. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  readonly load: () => Promise<Run>;
}
