/** `attach`: the streams of a detached container. */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { BoxError, parseExitRecord, type ExitRecord, type ExitStatus, type MonitoredStreams, type ProcessIdentity } from '@tsc-box/model';
import { settle } from '../containers/remove.ts';
import type { Parts } from '../containers/run.ts';
import type { ContainerState } from '../containers/types.ts';
import { findRunning } from './find-state.ts';
import { openJournal } from './journal-file.ts';
import { followOpened, watchFiles } from './logs.ts';
import { journalOf, startContainer } from './start.ts';
import type { Attached } from './types.ts';

export interface AttachOptions {
  readonly signal?: AbortSignal;
}

/** @throws BoxError ERR_TSCBOX_STATE when it does not run, or runs in the foreground of another command */
export function attachContainer(parts: Parts, nameOrId: string, options: AttachOptions = {}): Attached {
  const state = findRunning(parts, nameOrId, 'attach to');
  const { monitor } = state;
  if (monitor === undefined) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `attach to the container "${state.name}"`, detail: `it runs in the foreground of process ${String(state.launcher.pid)}, which has its streams`, hint: `run another process in it: tsc-box exec -it ${state.name} sh` });
  // The monitor appends whole frames: at its end another one begins.
  return attachedTo(parts, state, monitor, statSync(journalOf(parts, state.id), { throwIfNoEntry: false })?.size ?? 0, options);
}

/** All that this run writes, also when it has ended, and even been removed, by the time that somebody looks. @throws what `start` throws */
export function startAttached(parts: Parts, nameOrId: string, options: AttachOptions = {}): Attached {
  let attached: Attached | undefined;
  startContainer(parts, nameOrId, {
    onStarted(state, position) {
      if (state.monitor !== undefined) attached = attachedTo(parts, state, state.monitor, position, options);
    },
  });
  if (attached === undefined) throw new BoxError({ code: 'ERR_TSCBOX_INTERNAL', attempted: `attach to the container "${nameOrId}"`, detail: 'it was started without a monitor' });
  return attached;
}

function attachedTo(parts: Parts, state: ContainerState, monitor: ProcessIdentity, position: number, { signal }: AttachOptions): Attached {
  const streams = openStreams(parts, monitor);
  const run = openRun(parts, state, monitor, signal);
  const reader = openJournal(journalOf(parts, state.id), position);
  let ended = false;
  return {
    state, streams, output: followOpened(reader, run.isOver, run.changes),
    resize(height, width) {
      if (streams.terminal !== undefined) parts.system.resizeTerminal(streams.terminal, height, width);
    },
    // The command reads the end when the last write end is closed: ours, then the monitor's.
    endInput() {
      if (streams.stdin !== undefined && !ended) closeSync(streams.stdin);
      ended = true;
      parts.system.endMonitoredStdin(monitor);
    },
    wait: () => run.wait(),
  };
}

/** None where it has ended: what it wrote is still there. */
function openStreams({ system }: Parts, monitor: ProcessIdentity): MonitoredStreams {
  try {
    return system.openMonitored(monitor);
  } catch (error) {
    if (error instanceof BoxError && error.code === 'ERR_TSCBOX_STATE') return {};
    throw error;
  }
}

interface OneRun {
  readonly isOver: () => boolean;
  readonly changes: ReturnType<typeof watchFiles>;
  wait(): Promise<ExitStatus>;
}

/** By a descriptor of its exit file, which tells of this run also when the container has been started again or removed. */
function openRun(parts: Parts, state: ContainerState, monitor: ProcessIdentity, signal: AbortSignal | undefined): OneRun {
  const path = `${parts.directories.exits}/${state.id}`;
  const fd = openSync(path, 'r');
  const aborted = signal === undefined ? {} : { signal };
  const changes = watchFiles([journalOf(parts, state.id), path], signal);
  let end: ExitRecord | undefined;
  let closed = false;
  const record = (): ExitRecord | undefined => {
    if (end !== undefined || closed) return end;
    const bytes = Buffer.alloc(fstatSync(fd).size);
    readSync(fd, bytes, 0, bytes.length, 0);
    const found = parseExitRecord(bytes);
    if (found !== undefined && found.pid !== 0) end = found;
    return end;
  };
  const isOver = (): boolean => signal?.aborted === true || record() !== undefined || !parts.system.isAlive(monitor.pid, monitor.startTime);
  return {
    isOver, changes,
    async wait() {
      const ends = watchFiles([path], aborted.signal);
      try {
        while (!isOver()) await ends.next();
        const last = record();
        signal?.throwIfAborted();
        if (last === undefined) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `wait for the container "${state.name}"`, detail: 'its monitor was killed: how it ended is not known' });
        const oomKilled = wasOutOfMemory(parts, state);
        return { code: last.code, ...(last.signal === undefined ? {} : { signal: last.signal }), ...(oomKilled ? { oomKilled } : {}) };
      } finally {
        ends.close();
        closed = true;
        closeSync(fd);
      }
    },
  };
}

/** Settled here, so that it holds nothing more when this is told. Of another run the answer is not ours. */
function wasOutOfMemory(parts: Parts, { id, startedAt }: ContainerState): boolean {
  const now = parts.store.read(id);
  if (now === undefined || now.startedAt !== startedAt) return false;
  settle(parts, now);
  return parts.store.read(id)?.oomKilled === true;
}
