/** Reading a journal from its file: frame by frame, from anywhere where a frame begins. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { JOURNAL_FRAME_MAX, JOURNAL_HEADER_BYTES, readJournal, type JournalFrame } from '@tsc-box/model';

const CHUNK = Math.max(1 << 18, 2 * (JOURNAL_FRAME_MAX + JOURNAL_HEADER_BYTES));

export interface JournalReader {
  /** Where the next frame begins. */
  readonly position: number;
  /** The frames that are there now behind those read before; at most some hundred kilobytes. Empty at the end. They are views: used before the next call. */
  next(): readonly JournalFrame[];
  close(): void;
}

/** Undefined where there is no journal. */
export function openJournal(path: string, position = 0): JournalReader | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const buffer = Buffer.allocUnsafe(CHUNK);
  const reader = {
    position,
    next(): readonly JournalFrame[] {
      const count = readSync(fd, buffer, 0, CHUNK, reader.position);
      const { frames, consumed, damaged } = readJournal(buffer.subarray(0, count));
      reader.position += consumed;
      // What is no frame, after a power failure, goes on to the end: nothing behind it can be told from it.
      if (damaged && frames.length === 0) reader.position = fstatSync(fd).size;
      return frames;
    },
    close: () => closeSync(fd),
  };
  return reader;
}

/** Bytes of the whole frames at the start of the file. */
export function wholeLength(path: string): number {
  const reader = openJournal(path);
  if (reader === undefined) return 0;
  try {
    let position = 0;
    while (reader.next().length > 0) position = reader.position;
    return position;
  } finally {
    reader.close();
  }
}
