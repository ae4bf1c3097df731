/** Progress of blobs: bars with rate and time left on a terminal, a line when a blob is done elsewhere. Always on standard error. */
import type { BlobProgress } from '@tsc-box/engine';
import { humanSize } from './bytes.ts';
import { isTerminal, writeAll } from './write.ts';

export interface Progress {
  blob(progress: BlobProgress): void;
  /** What is being done, such as a layer being unpacked. */
  text(text: string): void;
  /** Leaves the bars as they are. Safe to call more than once. */
  end(): void;
}

/** Milliseconds between two drawings. */
const DRAW_MS = 100;
/** Milliseconds that a rate is measured over. */
const RATE_MS = 3000;
const BAR_WIDTH = 24;
const STDERR = 2;

const SHOWN: Readonly<Record<BlobProgress['state'], string>> = { waiting: 'waiting', exists: 'already there', downloading: 'downloading', verifying: 'verifying', uploading: 'uploading', mounted: 'mounted from another repository', done: 'done', unpacking: 'unpacking', unpacked: 'unpacked' };

export interface Screen {
  readonly terminal: boolean;
  readonly columns: number;
  /** Milliseconds. */
  now(): number;
  write(text: string): void;
}

const COLUMNS = 80;

async function openScreen(): Promise<Screen> {
  const terminal = isTerminal(STDERR) && process.env['TERM'] !== 'dumb';
  // Not process.stderr: it would change how the descriptor behaves, which the container may share.
  const columns = terminal ? ((await import('../io/terminal.ts')).terminalSize()?.width ?? COLUMNS) : COLUMNS;
  return { terminal, columns, now: () => Date.now(), write: (text) => writeAll(STDERR, text) };
}

export async function openProgress(quiet = false, screen?: Screen): Promise<Progress> {
  if (quiet) return { blob: () => undefined, text: () => undefined, end: () => undefined };
  const on = screen ?? (await openScreen());
  return on.terminal ? bars(on) : lines(on);
}

/** Layers that are unpacked come by their number. */
const shortDigest = (digest: string): string => (digest.includes(':') ? digest.slice(digest.indexOf(':') + 1).slice(0, 12) : digest);

const isEnd = (state: BlobProgress['state']): boolean => state === 'exists' || state === 'done' || state === 'mounted';

function lines(on: Screen): Progress {
  const said = new Set<string>();
  return {
    blob({ digest, kind, state, total }) {
      if (kind !== 'layer' || !isEnd(state) || said.has(digest)) return;
      said.add(digest);
      on.write(`${shortDigest(digest)}: ${SHOWN[state]} (${humanSize(total)})\n`);
    },
    text: (text) => on.write(`${text}\n`),
    end: () => undefined,
  };
}

interface Bar {
  state: BlobProgress['state'];
  current: number;
  total: number;
  /** Where it was, and when: the last few seconds. */
  readonly marks: { readonly at: number; readonly bytes: number }[];
}

function bars(on: Screen): Progress {
  const all = new Map<string, Bar>();
  let drawn = 0;
  let drawnAt = -Infinity;
  const draw = (): void => {
    drawnAt = on.now();
    const rows = [...all].map(([digest, bar]) => formatBar(shortDigest(digest), bar, on.now(), on.columns));
    on.write(`${drawn > 0 ? `\u001B[${String(drawn)}A` : ''}${rows.map((row) => `\r\u001B[K${row}\n`).join('')}`);
    drawn = rows.length;
  };
  return {
    blob({ digest, kind, state, current, total }) {
      if (kind !== 'layer') return;
      const bar = all.get(digest) ?? { state, current, total, marks: [] };
      const changed = bar.state !== state || !all.has(digest);
      Object.assign(bar, { state, current, total });
      const now = on.now();
      bar.marks.push({ at: now, bytes: current });
      while ((bar.marks[0]?.at ?? now) < now - RATE_MS) bar.marks.shift();
      all.set(digest, bar);
      if (changed || now - drawnAt >= DRAW_MS) draw();
    },
    text(text) {
      on.write(`${text}\n`);
      // What was drawn has moved up: it stays as it is.
      all.clear();
      drawn = 0;
    },
    end() {
      if (all.size > 0) draw();
      all.clear();
      drawn = 0;
    },
  };
}

/** `0123456789ab: downloading [=====>    ] 12MB/117MB  4.1MB/s  25 s left` */
export function formatBar(name: string, { state, current, total, marks }: Bar, now: number, columns: number): string {
  const head = `${name}: ${SHOWN[state]}`;
  if (state !== 'downloading' && state !== 'uploading' && state !== 'unpacking') return head.slice(0, columns - 1);
  const done = total === 0 ? BAR_WIDTH : Math.min(BAR_WIDTH, Math.floor((current / total) * BAR_WIDTH));
  const first = marks[0];
  const rate = first === undefined || now <= first.at ? 0 : ((current - first.bytes) / (now - first.at)) * 1000;
  const left = rate > 0 ? `  ${humanSize(Math.round(rate))}/s  ${timeLeft((total - current) / rate)} left` : '';
  return `${head} [${'='.repeat(done)}${done < BAR_WIDTH ? '>' : ''}${' '.repeat(Math.max(0, BAR_WIDTH - done - 1))}] ${humanSize(current)}/${humanSize(total)}${left}`.slice(0, columns - 1);
}

/** Seconds. */
function timeLeft(seconds: number): string {
  if (seconds < 100) return `${String(Math.ceil(seconds))} s`;
  return seconds < 6000 ? `${String(Math.ceil(seconds / 60))} min` : `${String(Math.ceil(seconds / 3600))} h`;
}
