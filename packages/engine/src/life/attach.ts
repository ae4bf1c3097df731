/** `attach`: the streams of a detached container. */
import { statSync } from 'node:fs';
import { BoxError } from '@tsc-box/model';
import type { Parts } from '../containers/run.ts';
import { findRunning } from './find-state.ts';
import { followJournal } from './logs.ts';
import { journalOf } from './start.ts';
import type { Attached } from './types.ts';

export interface AttachOptions {
  readonly fromStart?: boolean;
  readonly signal?: AbortSignal;
}

/** @throws BoxError ERR_TSCBOX_STATE when it does not run, or runs in the foreground of another command */
export function attachContainer(parts: Parts, nameOrId: string, { fromStart = false, signal }: AttachOptions = {}): Attached {
  const state = findRunning(parts, nameOrId, 'attach to');
  const { monitor } = state;
  if (monitor === undefined) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: `attach to the container "${state.name}"`, detail: `it runs in the foreground of process ${String(state.launcher.pid)}, which has its streams`, hint: `run another process in it: tsc-box exec -it ${state.name} sh` });
  const position = fromStart ? 0 : sizeOf(journalOf(parts, state.id));
  const streams = parts.system.openMonitored(monitor);
  return {
    state, streams, output: followJournal(parts, state.id, { follow: true, position, ...(signal === undefined ? {} : { signal }) }),
    resize(height, width) {
      if (streams.terminal !== undefined) parts.system.resizeTerminal(streams.terminal, height, width);
    },
    endInput: () => parts.system.endMonitoredStdin(monitor),
  };
}

/** The monitor appends whole frames: at its end another one begins. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
