/** The user's terminal while a container has it: size and raw mode. Loaded only with -t. */
import { makeRaw, windowSize } from './tty.unsafe.ts';

export interface TerminalSize {
  /** Lines of text. */
  readonly height: number;
  /** Columns of text. */
  readonly width: number;
}

/** Size of the terminal that we write to, or else read from; undefined where neither is one, or it has no size. */
export function terminalSize(): TerminalSize | undefined {
  for (const fd of [1, 2, 0]) {
    const size = windowSize(fd);
    if (size !== undefined && size.height > 0 && size.width > 0) return size;
  }
  return undefined;
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
