/** The lines of a running container, kept in memory and handed to any number of readers. */
import { Socket } from 'node:net';
import { StringDecoder } from 'node:string_decoder';
import type { LogLine } from './types.ts';

export interface Lines {
  /** From the first that is kept on. Ends when both streams have. */
  read(follow: boolean): AsyncIterable<LogLine>;
  /** Resolves when both streams have ended. */
  readonly ended: Promise<void>;
  close(): void;
}

/** `max`: characters that are kept. */
export function openLines(stdout: number | undefined, stderr: number | undefined, max: number): Lines {
  const kept: LogLine[] = [];
  const waiting = new Set<() => void>();
  let dropped = 0;
  let size = 0;
  let open = 0;
  let settle: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (settle = resolve));
  const wake = (): void => {
    const ready = Array.from(waiting);
    waiting.clear();
    for (const resolve of ready) resolve();
  };
  const add = (line: LogLine): void => {
    kept.push(line);
    size += line.line.length + 1;
    while (size > max && kept.length > 1) {
      size -= (kept.shift()?.line.length ?? 0) + 1;
      dropped += 1;
    }
    wake();
  };
  const close = [['stdout', stdout] as const, ['stderr', stderr] as const].flatMap(([stream, fd]) => {
    if (fd === undefined) return [];
    open += 1;
    return [readLines(fd, (line) => add({ time: Date.now(), stream, line }), () => {
      open -= 1;
      if (open === 0) settle();
      wake();
    })];
  });
  if (open === 0) settle();
  async function* read(follow: boolean): AsyncGenerator<LogLine> {
    for (let index = dropped; ; ) {
      index = Math.max(index, dropped);
      const line = kept[index - dropped];
      if (line !== undefined) {
        index += 1;
        yield line;
      } else if (!follow || open === 0) return;
      else await new Promise<void>((resolve) => waiting.add(resolve));
    }
  }
  return { read, ended, close: () => close.forEach((end) => end()) };
}

/** What is not ended by a newline counts as a line at the end of the stream. */
function readLines(fd: number, onLine: (line: string) => void, onEnd: () => void): () => void {
  const socket = new Socket({ fd, readable: true, writable: false });
  const decoder = new StringDecoder('utf8');
  let rest = '';
  socket.on('data', (chunk: Buffer) => {
    const parts = `${rest}${decoder.write(chunk)}`.split('\n');
    rest = parts.pop() ?? '';
    parts.forEach(onLine);
  });
  socket.on('error', () => undefined);
  socket.once('close', () => {
    rest += decoder.end();
    if (rest !== '') onLine(rest);
    onEnd();
  });
  return () => void socket.destroy();
}
