/** Where execve finds what a file runs. A file of an image is the name of a command here; its own bytes are not executed. */
import type { Program } from './calls.ts';

export interface ProgramRegistry {
  /** Commands that there are, sorted: the `demo` image has a file for each. */
  readonly names: readonly string[];
  /** By base name, such as `ls`. */
  find(name: string): Program | undefined;
}

/** First line of a file that is one of the simulator's own commands; its name is the second line. */
export const PROGRAM_MARK = '\x7fTSCBOX-SIM\n';
