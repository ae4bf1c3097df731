/** The scheduler: who goes on next, virtual time, CPU of the call `cpu`, and the report of a deadlock. */
import { SECOND } from '../det/clock.ts';
import { cpuRunnable, isFrozen, runCpu, weightOf } from './cgroup/cpu.ts';
import { callHandler } from './calls/table.ts';
import { deliver, leaveHandler, nextSignal } from './deliver.ts';
import { clearCall } from './signal.ts';
import { exitTask, globalPid } from './task.ts';
import { BLOCKED, type Kernel, type Task } from './types.ts';
import { wakeTask } from './wait.ts';

/** What one call takes, in virtual nanoseconds. DIFFERS: the same for each call, and no other CPU works meanwhile. */
const CALL_TIME = 100;
/** Longest stretch of computing at once: Linux's slice is 2.8 to 4 ms. */
const SLICE = 4_000_000;
/** Calls that a task makes at most before another has its turn. */
const BURST = 64;

/** Runs until nothing can, or `until` says so. `until` is asked between the turns of tasks. */
export function runUntil(kernel: Kernel, until: () => boolean): boolean {
  while (!until()) if (!turn(kernel)) return false;
  return true;
}

/** One task's turn, one slice of computing, or a jump to the next timer. False when there is nothing of these. */
export function turn(kernel: Kernel): boolean {
  const { clock, runnable } = kernel;
  if (clock.next <= clock.now) clock.fireDue();
  if (runnable.length > 0) {
    const index = runnable.length === 1 ? 0 : kernel.random.schedule.integer(runnable.length);
    const task = runnable[index];
    const last = runnable.pop();
    if (task === undefined || last === undefined) return true;
    if (last !== task) runnable[index] = last;
    if (task.state === 'runnable') runTask(task);
    return true;
  }
  if (compute(kernel)) return true;
  if (clock.next === Infinity) return false;
  clock.now = Math.max(clock.now, clock.next);
  clock.fireDue();
  return true;
}

function runTask(task: Task): void {
  const { kernel } = task;
  if (isFrozen(task)) {
    // It is looked at again when its cgroup thaws.
    task.state = 'sleeping';
    return;
  }
  const { clock, trace } = kernel;
  for (let count = 0; count < BURST; count += 1) {
    if (task.pending.size > 0 && !handleSignals(task)) return;
    let { call } = task;
    if (call === undefined) {
      const frame = task.frames[task.frames.length - 1];
      if (frame === undefined) return;
      const { value, done } = frame.run.next(task.value);
      if (done === true) {
        if (task.frames.length > 1) {
          leaveHandler(task);
          continue;
        }
        return exitTask(task, (Number(value) & 0xff) << 8);
      }
      call = value;
    }
    kernel.calls += 1;
    clock.now += CALL_TIME;
    const failed = kernel.fault === undefined || task.progress !== undefined ? 0 : kernel.fault(call.call, task.comm);
    const result = failed < 0 ? failed : callHandler(task, call);
    if (result === BLOCKED) {
      task.call = call;
      // A signal that came by this very call is seen at the next turn.
      task.state = 'sleeping';
      if (task.pending.size > 0 && nextSignal(task) !== 0) wakeTask(task);
      return;
    }
    if (trace.enabled) trace.call(clock.now, globalPid(task), call, result);
    if (task.state !== 'runnable') return;
    if (task.call !== undefined || task.timer !== undefined || task.progress !== undefined) clearCall(task);
    task.value = result;
    if (clock.next <= clock.now) clock.fireDue();
    if (task.state !== 'runnable') return;
  }
  kernel.runnable.push(task);
}

/** False when the task can't go on. An interrupted call gives EINTR by the handler's frame. */
function handleSignals(task: Task): boolean {
  for (let signal = nextSignal(task); signal !== 0; signal = nextSignal(task)) {
    const frames = task.frames.length;
    if (!deliver(task, signal)) return false;
    if (task.frames.length > frames) return true;
  }
  return true;
}

/** A slice for the computing tasks that fairness favours, one a CPU. */
function compute(kernel: Kernel): boolean {
  if (kernel.computing.size === 0) return false;
  const able = [...kernel.computing].filter((task) => task.state === 'sleeping' && !isFrozen(task) && cpuRunnable(task));
  if (able.length === 0) return false;
  able.sort((a, b) => a.vruntime - b.vruntime || globalPid(a) - globalPid(b));
  const { clock, machine } = kernel;
  const free = new Set(Array.from({ length: machine.cpus }, (_unused, cpu) => cpu));
  const chosen: Task[] = [];
  for (const task of able) {
    const cpu = task.affinity.find((number) => free.has(number));
    if (cpu === undefined) continue;
    free.delete(cpu);
    chosen.push(task);
  }
  if (chosen.length === 0) return false;
  let slice = Math.max(1, Math.min(SLICE, clock.next - clock.now));
  for (const task of chosen) slice = Math.min(slice, task.progress ?? slice);
  slice = Math.max(1, runCpu(chosen, slice));
  clock.now += slice;
  for (const task of chosen) {
    task.cpuTime += slice;
    task.vruntime += (slice * 100) / weightOf(task);
    task.progress = (task.progress ?? 0) - slice;
    if (task.progress <= 0) wakeTask(task);
  }
  return true;
}

/** Why nothing goes on: one line a task. */
export function deadlockReport(kernel: Kernel): string {
  const lines = [...kernel.tasks].filter(({ state }) => state === 'sleeping' || state === 'stopped').map((task) => `  ${explainTask(task)}`);
  return [`nothing can run and no timer is set, at ${(kernel.clock.now / SECOND).toFixed(9)} s:`, ...lines].join('\n');
}

/** `5 (cat) waits in read: data in a pipe`. */
export function explainTask(task: Task): string {
  const who = `${String(globalPid(task))} (${task.comm})`;
  const queues = [...task.queues].map(({ what }) => what).join(', ');
  switch (task.state) {
    case 'sleeping':
      if (isFrozen(task)) return `${who} is frozen by its cgroup`;
      return `${who} waits in ${task.call?.call ?? 'nothing'}${queues === '' ? '' : `: ${queues}`}`;
    case 'stopped':
      return `${who} is stopped by signal ${String(task.stopSignal)}`;
    case 'zombie':
      return `${who} has ended with status ${String(task.status)}, and its parent has not waited for it`;
    case 'runnable':
      return `${who} can run`;
    case 'dead':
      return `${who} has ended`;
  }
}
