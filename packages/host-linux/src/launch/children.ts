/**
 * Waits for containers' processes: on SIGCHLD each is asked by waitid(2) on its pidfd. No thread is held per child, and
 * children that Node itself started are left to Node.
 */
import { closeSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { reapPidfd, type Reaped } from '../ffi/process.unsafe.ts';

interface Child {
  readonly pidfd: number;
  readonly resolve: (reaped: Reaped) => void;
  /** Keeps the event loop alive. */
  held: boolean;
}

export interface WatchedChild {
  readonly ended: Promise<Reaped>;
  /** From now on it keeps the event loop alive. */
  hold(): void;
}

const children = new Set<Child>();
let listening = false;
let keepAlive: NodeJS.Timeout | undefined;

/** Signals are not delivered to worker threads: there the children are asked at this interval, in milliseconds. */
const WORKER_POLL = 2;
const IDLE_POLL = 2 ** 30;

/** Call before the clone: a SIGCHLD that comes before anyone listens is lost. */
export function listenForChildren(): void {
  if (listening || !isMainThread) return;
  process.on('SIGCHLD', reapAll);
  listening = true;
}

/** Resolves when the process behind `pidfd` has ended; the descriptor is closed then. Keeps the event loop alive meanwhile. */
export function waitForChild(pidfd: number): Promise<Reaped> {
  const { ended, hold } = watchChild(pidfd);
  hold();
  return ended;
}

/** The same, but the event loop may end before the child does, unless it is held. */
export function watchChild(pidfd: number): WatchedChild {
  let child: Child | undefined;
  const ended = new Promise<Reaped>((resolve) => children.add((child = { pidfd, resolve, held: false })));
  keepAlive ??= setInterval(reapAll, isMainThread ? IDLE_POLL : WORKER_POLL).unref();
  reapAll();
  return {
    ended,
    hold() {
      if (child === undefined || !children.has(child)) return;
      child.held = true;
      keepAlive?.ref();
    },
  };
}

function reapAll(): void {
  for (const child of children) {
    const reaped = reapPidfd(child.pidfd);
    if (reaped === undefined) continue;
    children.delete(child);
    closeSync(child.pidfd);
    child.resolve(reaped);
  }
  if (children.size > 0) {
    if (![...children].some(({ held }) => held)) keepAlive?.unref();
    return;
  }
  clearInterval(keepAlive);
  keepAlive = undefined;
  if (!listening) return;
  process.off('SIGCHLD', reapAll);
  listening = false;
}
