/** Which standard streams the container gets. Nothing here touches `process.stdin` and its like: those make descriptors non-blocking. */
import { UsageError, type LaunchRequest } from '@tsc-box/model';

export interface StreamWishes {
  /** -i */
  readonly interactive: boolean;
  /** -t */
  readonly terminal: boolean;
}

/**
 * Files and pipes of ours are handed down as they are: the command reads and writes them itself, at full speed, and sees their end.
 * The user's terminal never is: whoever holds it could type into it (TIOCSTI, ioctl_tty(2)), so its text is copied through pipes.
 * @throws UsageError for -i -t where standard input is no terminal.
 */
export function chooseStreams(wishes: StreamWishes, isTerminal: (fd: number) => boolean): LaunchRequest['stdio'] {
  if (wishes.terminal) {
    if (wishes.interactive && !isTerminal(0)) {
      throw new UsageError({ attempted: 'give the command a terminal', detail: 'the input device is not a TTY', hint: 'leave out -t: -i alone passes files and pipes on' });
    }
    return { stdin: 'null', stdout: 'null', stderr: 'null' };
  }
  const pass = (fd: number): number | 'pipe' => (isTerminal(fd) ? 'pipe' : fd);
  return { stdin: wishes.interactive ? pass(0) : 'null', stdout: pass(1), stderr: pass(2) };
}
