/**
 * The journal of a monitored container: what it wrote, as frames one after another. The monitor appends each by one write, so a reader
 * beside it sees whole frames, or a short last one that is not there yet. Layout of a frame, little-endian:
 *   0 u64 nanoseconds of CLOCK_REALTIME   8 u8 stream   9 u8[3] zero   12 u32 length   16 length bytes
 */

/** `lost`: the journal could not be written for a time (no space left, say); the frame's 8 bytes are the count of bytes lost. */
export type JournalStream = 'stdout' | 'stderr' | 'lost';

/** Number of each stream in a frame. What a terminal shows is stdout. */
export const JOURNAL_STREAMS: Readonly<Record<JournalStream, number>> = { stdout: 1, stderr: 2, lost: 3 };

export const JOURNAL_HEADER_BYTES = 16;

/** The monitor reads at most this much at once, so no frame is longer. Bytes. */
export const JOURNAL_FRAME_MAX = 16384;

export interface JournalFrame {
  /** Nanoseconds of CLOCK_REALTIME when it was read from the container. */
  readonly time: bigint;
  readonly stream: JournalStream;
  /** A view of the input, not a copy. Empty for `lost`. */
  readonly bytes: Uint8Array;
  /** Bytes that were lost here; 0 but for `lost`. */
  readonly lost: number;
  /** Where the frame begins in the input. */
  readonly offset: number;
}

export interface JournalPart {
  readonly frames: readonly JournalFrame[];
  /** Bytes of the input that the frames are; what follows is a frame that is not whole yet. */
  readonly consumed: number;
  /** Something that is no frame begins at `consumed`: a file damaged by a power failure, or not a journal. */
  readonly damaged: boolean;
}

const STREAM_NAMES: readonly (JournalStream | undefined)[] = [undefined, 'stdout', 'stderr', 'lost'];
const LOST_BYTES = 8;

/** The whole frames at the start of `bytes`. Never throws. */
export function readJournal(bytes: Uint8Array): JournalPart {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frames: JournalFrame[] = [];
  let offset = 0;
  while (offset + JOURNAL_HEADER_BYTES <= bytes.length) {
    const stream = STREAM_NAMES[view.getUint32(offset + 8, true)];
    const length = view.getUint32(offset + 12, true);
    if (stream === undefined || length > JOURNAL_FRAME_MAX || (stream === 'lost' && length !== LOST_BYTES)) return { frames, consumed: offset, damaged: true };
    const start = offset + JOURNAL_HEADER_BYTES;
    if (start + length > bytes.length) break;
    const lost = stream === 'lost' ? Number(view.getBigUint64(start, true)) : 0;
    frames.push({ time: view.getBigUint64(offset, true), stream, bytes: bytes.subarray(start, stream === 'lost' ? start : start + length), lost, offset });
    offset = start + length;
  }
  return { frames, consumed: offset, damaged: false };
}
