/** What a launcher has of a simulated process's standard streams. */
import type { Task } from '../kernel/types.ts';
import { takeBytes, type Pipe } from '../kernel/pipe.ts';
import { wake } from '../kernel/wait.ts';
import type { Launched } from './launch.ts';

export type OutputName = 'stdout' | 'stderr';

export interface SimStreams {
  /** Bytes for its standard input, or its terminal. */
  write(data: Uint8Array): void;
  /** No more input. */
  end(): void;
  /** Told of output as it comes, while `wait` runs. A terminal's is `stdout`. */
  onData: ((name: OutputName, bytes: Uint8Array) => void) | undefined;
  /** Resolves when there is more input: asked when the process waits for it. */
  input?: () => Promise<void>;
}

const ALL = 1 << 30;

export function writeInput({ stdin, console }: Launched, init: Task, data: Uint8Array): void {
  if (console !== undefined) console.ops.write?.(init, data, undefined);
  else if (stdin !== undefined && data.length > 0) {
    stdin.chunks.push(data.slice());
    stdin.length += data.length;
    wake(stdin.readable);
  }
}

export function closeInput({ stdin }: Launched): void {
  if (stdin === undefined || stdin.writers === 0) return;
  stdin.writers -= 1;
  wake(stdin.readable);
}

/** What has come since the last time. */
export function readOutput({ stdout, stderr, console }: Launched, init: Task): (readonly [OutputName, Uint8Array])[] {
  const found: (readonly [OutputName, Uint8Array])[] = [];
  const take = (name: OutputName, pipe: Pipe | undefined): void => {
    if (pipe === undefined || pipe.length === 0) return;
    found.push([name, takeBytes(pipe, ALL)]);
    wake(pipe.writable);
  };
  take('stdout', stdout);
  take('stderr', stderr);
  take('stdout', console === undefined ? undefined : init.kernel.masters.get(console)?.output);
  return found;
}
