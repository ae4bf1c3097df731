/** `logs`: what a container wrote, in the order in which it was read from it, both streams together. */
import { watch } from 'node:fs';
import { BoxError, type JournalFrame } from '@tsc-box/model';
import { findContainer } from '../containers/find.ts';
import type { Parts } from '../containers/run.ts';
import type { ContainerState } from '../containers/types.ts';
import { openJournal, type JournalReader } from './journal-file.ts';
import { journalOf } from './start.ts';
import type { LogEntry, LogOptions } from './types.ts';

const NEWLINE = 10;
/** Milliseconds between two looks at a process that may be killed without leaving a trace in a file. */
const LOOK_MS = 500;

/** Cuts frames into lines. Of each stream it knows whether the next byte begins one. */
export function lineCutter(): (frame: JournalFrame) => LogEntry[] {
  const atStart = new Map<string, boolean>();
  return ({ time, stream, bytes, lost }) => {
    if (stream === 'lost') return [{ time, stream, bytes: Buffer.from(`${String(lost)} bytes of output were lost: there was no space for them`), start: true }];
    const entries: LogEntry[] = [];
    for (let from = 0; from < bytes.length; ) {
      const newline = bytes.indexOf(NEWLINE, from);
      const to = newline < 0 ? bytes.length : newline + 1;
      entries.push({ time, stream, bytes: bytes.slice(from, to), start: atStart.get(stream) ?? true });
      atStart.set(stream, newline >= 0);
      from = to;
    }
    return entries;
  };
}

/** @throws BoxError ERR_TSCBOX_STATE for a container that ran in the foreground */
export function readLogs(parts: Parts, nameOrId: string, options: LogOptions = {}): AsyncIterable<LogEntry> {
  const state = findContainer(parts.store, nameOrId);
  if (state.detached !== true) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `read the logs of "${state.name}"`, detail: 'it was run in the foreground: what it wrote went to the caller and was not kept', hint: 'tsc-box run -d keeps it' });
  return entriesOf(parts, state, options);
}

async function* entriesOf(parts: Parts, state: ContainerState, { tail, since, until, follow = false, signal }: LogOptions): AsyncGenerator<LogEntry> {
  const path = journalOf(parts, state.id);
  const within = ({ time }: LogEntry): boolean => (since === undefined || time >= since) && (until === undefined || time <= until);
  let skip = tail === undefined ? 0 : Math.max(0, countLines(path, within) - tail);
  let passing = false;
  for await (const entry of followJournal(parts, state.id, { follow, ...(signal === undefined ? {} : { signal }) })) {
    if (!within(entry)) continue;
    if (entry.start) {
      passing = skip > 0;
      skip = Math.max(0, skip - 1);
    }
    // Parts of a line that is passed over are passed over with it.
    if (!passing) yield entry;
  }
}

function countLines(path: string, within: (entry: LogEntry) => boolean): number {
  const reader = openJournal(path);
  if (reader === undefined) return 0;
  const cut = lineCutter();
  let count = 0;
  try {
    for (let frames = reader.next(); frames.length > 0; frames = reader.next()) for (const frame of frames) for (const entry of cut(frame)) if (entry.start && within(entry)) count += 1;
    return count;
  } finally {
    reader.close();
  }
}

export interface FollowOptions {
  readonly follow: boolean;
  /** Where to begin; default: the start. */
  readonly position?: number;
  readonly signal?: AbortSignal;
}

/** Ends with the container, when all that it wrote has been given. */
export async function* followJournal(parts: Parts, id: string, { follow, position = 0, signal }: FollowOptions): AsyncGenerator<LogEntry> {
  const path = journalOf(parts, id);
  const isOver = (): boolean => !follow || signal?.aborted === true || parts.store.read(id)?.status !== 'running';
  yield* followOpened(openJournal(path, position), isOver, follow ? watchFiles([path, `${parts.directories.exits}/${id}`], signal) : undefined);
}

/** Both are closed at its end. */
export async function* followOpened(reader: JournalReader | undefined, isOver: () => boolean, changes: Changes | undefined): AsyncGenerator<LogEntry> {
  const cut = lineCutter();
  try {
    for (;;) {
      // Looked at before the journal: what was written by the end is in it then.
      const over = isOver();
      const frames = reader?.next() ?? [];
      for (const frame of frames) yield* cut(frame);
      if (frames.length > 0) continue;
      if (over) return;
      await changes?.next();
    }
  } finally {
    changes?.close();
    reader?.close();
  }
}

export interface Changes {
  /** Resolves when one of the files has changed since the last call, or is gone, or it was aborted; and now and then without, for what leaves no trace in a file. */
  next(): Promise<void>;
  close(): void;
}

/** inotify(7), through fs.watch: nothing is polled. Files that are not there are passed over. */
export function watchFiles(paths: readonly string[], signal?: AbortSignal): Changes {
  let changed = false;
  let wake: (() => void) | undefined;
  const note = (): void => {
    changed = true;
    wake?.();
  };
  const watchers = paths.flatMap((path) => {
    try {
      return [watch(path, note).on('error', note)];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  });
  signal?.addEventListener('abort', note);
  return {
    async next() {
      if (!changed && signal?.aborted !== true) {
        const timer = setTimeout(note, LOOK_MS);
        await new Promise<void>((resolve) => (wake = resolve));
        clearTimeout(timer);
      }
      changed = false;
      wake = undefined;
    },
    close() {
      signal?.removeEventListener('abort', note);
      for (const watcher of watchers) watcher.close();
    },
  };
}
