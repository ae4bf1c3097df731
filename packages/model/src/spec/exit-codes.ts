/** What the command line returns: docker run, "Exit status"; sh(1) for 126, 127 and 128+n. */
import { BoxError } from '../errors/box-error.ts';

export const EXIT_CODES = { failure: 125, notExecutable: 126, notFound: 127, signalBase: 128 } as const;

/** Exit code of a process that ended by itself or by a signal. */
export function exitCodeOf(status: { readonly code: number } | { readonly signal: number }): number {
  return 'signal' in status ? EXIT_CODES.signalBase + status.signal : status.code;
}

/**
 * Exit code for a failure before the command ran: 127 when the command is not there, 126 when it can't be run
 * (also when its working directory can't be entered, as podman has it), 125 for every mistake or failure of our own.
 */
export function exitCodeForError(error: unknown): number {
  if (!(error instanceof BoxError)) return EXIT_CODES.failure;
  if (error.code === 'ERR_TSCBOX_COMMAND_NOT_FOUND') return EXIT_CODES.notFound;
  if (error.code === 'ERR_TSCBOX_COMMAND_NOT_EXECUTABLE' || error.step === 'cwd') return EXIT_CODES.notExecutable;
  return EXIT_CODES.failure;
}
