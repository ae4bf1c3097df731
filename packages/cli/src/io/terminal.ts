/** The user's terminal while a container has it: size and raw mode. Loaded only with -t, as node:tty costs start-up time. */
import { isatty, WriteStream } from 'node:tty';
import { makeRaw } from './termios.unsafe.ts';

export interface TerminalSize {
  /** Lines of text. */
  readonly height: number;
  /** Columns of text. */
  readonly width: number;
}

/** Size of the terminal that we write to, or else read from; undefined where neither is one. */
export function terminalSize(): TerminalSize | undefined {
  const stream = [process.stdout, process.stderr].find((output) => output instanceof WriteStream && output.isTTY) ?? terminalOfInput();
  if (!(stream instanceof WriteStream)) return undefined;
  const [width, height] = stream.getWindowSize();
  return { height, width };
}

let input: WriteStream | undefined;

/** Both other streams go elsewhere: the size can be asked of what is open for reading as well. */
function terminalOfInput(): WriteStream | undefined {
  if (input === undefined && isatty(0)) {
    input = new WriteStream(0);
    input.unref?.();
  }
  return input;
}

/**
 * Every key goes to the container as it is typed, Ctrl-C as well. Returns what sets the old mode back: safe to call more than once, and
 * called at exit whatever happens. (Node itself also restores the modes it found when it started, on exit and when a signal kills it.)
 */
export function enterRawMode(): { restore(): void; again(): void } {
  let undo: (() => void) | undefined;
  const enter = (): void => {
    undo = makeRaw(0);
    if (undo === undefined && process.stdin.isTTY) {
      process.stdin.setRawMode(true);
      undo = () => void process.stdin.setRawMode(false);
    }
  };
  const restore = (): void => {
    undo?.();
    undo = undefined;
    process.off('exit', restore);
  };
  enter();
  process.once('exit', restore);
  return {
    restore,
    // After a stop and fg, the shell has set its own mode.
    again() {
      const first = undo;
      enter();
      undo = first ?? undo;
    },
  };
}
