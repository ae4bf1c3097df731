/** The reaper as a file in memory. */
import { openMemoryFile } from './memory-file.unsafe.ts';
import { buildReaper, type Reaper } from './reaper.ts';

let reaper: Reaper | undefined;

export interface ReaperFile {
  /** Writable, close-on-exec, owned by the caller. Each container needs one of its own. */
  readonly fd: number;
  readonly pidOffset: number;
}

/** @throws UnsupportedError where executable memory files are forbidden; SyscallError */
export function openReaperFile(architecture: 'x64' | 'arm64'): ReaperFile {
  reaper ??= buildReaper(architecture);
  return { fd: openMemoryFile('tsc-box-init', reaper.bytes), pidOffset: reaper.pidOffset };
}
