/**
 * How a monitored process ended: one record that the monitor writes into the exit file, which is empty until then.
 * Layout, little-endian: 0 u32 version   4 i32 si_code   8 i32 si_status   12 u32 pid   16 u64 nanoseconds of CLOCK_REALTIME
 *   24 u64 bytes that the journal lost at the end   32 ru_utime   48 ru_stime (i64 seconds, i64 microseconds each)   64 i64 ru_maxrss, KiB
 */

export interface ExitRecord {
  /** Exit status, or 128 + signal. */
  readonly code: number;
  /** Number of the signal that ended it. */
  readonly signal?: number;
  readonly pid: number;
  /** Nanoseconds of CLOCK_REALTIME when the end was seen. */
  readonly time: bigint;
  /** Bytes of output that were lost and that no frame of the journal tells of. */
  readonly lost: number;
  /** Microseconds of user and system time, with waited-for children. */
  readonly cpuTimeUs: number;
  /** Bytes: the largest resident set of the process and its waited-for children. */
  readonly peakMemory: number;
}

export const EXIT_RECORD_BYTES = 72;
export const EXIT_RECORD_VERSION = 1;

/** waitid(2), si_code: ended by itself. */
const CLD_EXITED = 1;

/** undefined for a file that is empty, short, or of another version: the end is not known. */
export function parseExitRecord(bytes: Uint8Array): ExitRecord | undefined {
  if (bytes.length < EXIT_RECORD_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== EXIT_RECORD_VERSION) return undefined;
  const status = view.getInt32(8, true);
  const exited = view.getInt32(4, true) === CLD_EXITED;
  const word = (at: number): number => Number(view.getBigInt64(at, true));
  return {
    code: exited ? status : 128 + status, ...(exited ? {} : { signal: status }), pid: view.getUint32(12, true),
    time: view.getBigUint64(16, true), lost: Number(view.getBigUint64(24, true)),
    cpuTimeUs: (word(32) + word(48)) * 1e6 + word(40) + word(56), peakMemory: word(64) * 1024,
  };
}
