/** Performs a launch plan on this kernel: prepare, clone, id maps, wait for exec; on failure everything is taken back. */
import { closeSync, readSync } from 'node:fs';
import { assert, InternalError, type ExitStatus, type Facts, type LaunchedProcess, type LaunchRequest } from '@tsc-box/model';
import { receiveDescriptor, resizeTerminal, writeByte } from '../ffi/descriptors.unsafe.ts';
import { openPidfd, reapNow, signalPidfd, waitEnd, waitWhileEqual, type Reaped } from '../ffi/process.unsafe.ts';
import { mapProgramMemory, type ProgramMemory } from '../launcher/run.unsafe.ts';
import { seccompProgram } from '../seccomp/compile.ts';
import { listenForChildren, waitForChild } from './children.ts';
import { clone, mapIds } from './clone.ts';
import { flagsValue } from './constants.ts';
import { encodePlan, type EncodedPlan, type EncodeInput } from './encode.ts';
import { launchError } from './failure.ts';
import { awaitHeld, openHold, openHolder, splitPlan, type HoldFiles } from './hold.ts';
import { prepare, type Prepared } from './prepare.ts';
import { startTimeOf } from './process-identity.ts';
import { createUndo, type Undo } from './undo.ts';

const CLONE_VM = 0x100;
const CLONE_VFORK = 0x4000;
const CLONE_CHILD_CLEARTID = 0x200000;
const SIGCHLD = 17;
const SIGKILL = 9;

/** @throws SyscallError, UnsupportedError of the step that failed. */
export function launch(request: LaunchRequest, facts: Facts): LaunchedProcess {
  const failure = createUndo();
  const child = createUndo();
  try {
    const prepared = prepare(request, facts, child, failure);
    const hold = request.hold === undefined ? undefined : openHold(request.hold.fifo, prepared.slots, child, failure);
    const started = start(request, facts, prepared, hold, child);
    child.run();
    return launched(started, prepared, request);
  } catch (error) {
    child.run();
    failure.run();
    throw error;
  }
}

/** Stands still until the process has ended; kills it after so many milliseconds. */
export function launchAndWait(request: LaunchRequest, facts: Facts, timeoutMs: number | undefined): ExitStatus & { readonly timedOut: boolean } {
  const failure = createUndo();
  const child = createUndo();
  try {
    const prepared = prepare(request, facts, child, failure);
    const { pidfd, terminal } = start(request, facts, prepared, undefined, child);
    if (terminal !== undefined) closeSync(terminal);
    child.run();
    const timedOut = timeoutMs !== undefined && !waitEnd(pidfd, timeoutMs);
    if (timedOut) signalPidfd(pidfd, SIGKILL);
    const { code = 255, signal } = reapNow(pidfd) ?? {};
    closeSync(pidfd);
    return { code, timedOut, ...(signal === undefined ? {} : { signal }) };
  } catch (error) {
    child.run();
    failure.run();
    throw error;
  }
}

interface Started {
  readonly pid: number;
  readonly pidfd: number;
  readonly terminal: number | undefined;
}

/** The plan's child steps as a program that is not finished yet. */
export function encode({ plan, cacheDir }: LaunchRequest, facts: Facts, prepared: Prepared, hold: HoldFiles | undefined, child: Undo): EncodedPlan {
  const seccomp = plan.seccomp !== undefined && plan.child.some((step) => step.call === 'seccomp') ? seccompProgram(plan.seccomp, facts, cacheDir) : undefined;
  const input: EncodeInput = { architecture: facts.architecture, slots: prepared.slots, cgroups: prepared.cgroups, seccomp, terminal: plan.terminal, ...(prepared.reaper === undefined ? {} : { reaper: prepared.reaper }) };
  const { before, after } = splitPlan(plan);
  if ((after.length > 0) !== (hold !== undefined)) throw new InternalError('launch a plan', hold === undefined ? 'it waits for its start, but no fifo is given' : 'a fifo is given, but no step of the plan waits for it');
  if (hold !== undefined) openHolder(hold, after, input, prepared.slots, child);
  return encodePlan(before, input);
}

function start(request: LaunchRequest, facts: Facts, prepared: Prepared, hold: HoldFiles | undefined, child: Undo): Started {
  const { plan } = request;
  const encoded = encode(request, facts, prepared, hold, child);
  const { program } = encoded;
  const { report } = program;
  const pidfdAt = program.bytes(new Uint8Array(8), 8);
  const alive = program.bytes(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), 8);
  const layout = program.finish();
  const memory = mapProgramMemory(layout.size);
  try {
    program.write(memory.address, memory.bytes);
    const word = (ref: typeof report, offset = 0): number => memory.bytes.readUInt32LE(program.offsetOf(ref) + offset);
    // The child stops by itself at the id maps; else the launcher stands still until it has exec'ed.
    const waits = plan.clone.idMaps !== undefined || prepared.hooks !== undefined;
    listenForChildren();
    const pid = clone(plan, facts, {
      flags: flagsValue(plan.clone.flags, facts.architecture) + CLONE_VM + CLONE_CHILD_CLEARTID + (waits ? 0 : CLONE_VFORK),
      pidfd: program.addressOf(memory.address, pidfdAt), childTid: program.addressOf(memory.address, alive), exitSignal: SIGCHLD, cgroup: prepared.cgroupDirectory,
    }, program.addressOf(memory.address, report), program.entryAddress(memory.address));
    let current: Started = { pid, pidfd: word(pidfdAt), terminal: undefined };
    hold?.closeWriter();
    try {
      if (plan.clone.idMaps !== undefined) mapIds(plan, prepared, pid);
      if (prepared.hooks !== undefined) awaitSetUp(request, prepared.hooks, () => (encoded.nested === undefined ? pid : word(encoded.nested.pid)));
      waitWhileEqual(program.addressOf(memory.address, alive), 1);
      if (encoded.nested !== undefined) current = followNested(encoded, memory, current, word);
      if (word(report) !== 0) {
        const address = Number(memory.bytes.readBigUInt64LE(program.offsetOf(report) + 8));
        throw launchError(encoded, memory, word(report), address, facts);
      }
      if (hold !== undefined) awaitHeld(hold, plan, facts);
      return { ...current, terminal: prepared.console === undefined ? undefined : receiveDescriptor(prepared.console) };
    } catch (error) {
      // The child runs in our memory until it has ended: nothing is freed before.
      end(current.pidfd);
      const nested = encoded.nested === undefined ? 0 : word(encoded.nested.pid);
      if (nested !== 0 && nested !== current.pid) end(openPidfd(nested));
      throw error;
    }
  } finally {
    memory.free();
  }
}

function end(pidfd: number): void {
  signalPidfd(pidfd, SIGKILL);
  reapNow(pidfd);
  closeSync(pidfd);
}

/** The child waits while hooks are run; when it has ended before, its report tells why. */
function awaitSetUp({ onSetUp }: LaunchRequest, { setUp, goOn }: NonNullable<Prepared['hooks']>, pidOf: () => number): void {
  setUp.closeWrite();
  if (readSync(setUp.read, Buffer.alloc(1)) === 0) return;
  const pid = pidOf();
  onSetUp?.({ pid, startTime: startTimeOf(pid) ?? 0 });
  writeByte(goOn.write);
}

/** The first process has ended, by its nested clone or by a failure; the one it made is our child and goes on. */
function followNested({ nested, program }: EncodedPlan, memory: ProgramMemory, first: Started, word: (ref: NonNullable<EncodedPlan['nested']>['pid']) => number): Started {
  assert(nested !== undefined, 'the plan has a nested clone');
  const pid = word(nested.pid);
  if (pid === 0) return first;
  waitWhileEqual(program.addressOf(memory.address, nested.alive), 1);
  reapNow(first.pidfd);
  closeSync(first.pidfd);
  return { pid, pidfd: openPidfd(pid), terminal: undefined };
}

function launched({ pid, pidfd, terminal }: Started, { cgroup, stdio }: Prepared, { plan, leave }: LaunchRequest): LaunchedProcess {
  const ownPids = plan.clone.flags.includes('CLONE_NEWPID');
  let ended = false;
  let last: Reaped | undefined;
  const reaped = leave === true ? new Promise<Reaped>(() => undefined) : waitForChild(pidfd);
  const status = reaped.then((exit): ExitStatus => {
    ended = true;
    last = exit;
    // Any process of it: behind an init or a shell the first one ends by itself, with the code of the one that was killed. A success needs no explanation.
    const oomKilled = exit.code !== 0 && (cgroup?.usage().oomKills ?? 0) > 0;
    return { code: exit.code, ...(exit.signal === undefined ? {} : { signal: exit.signal }), ...(oomKilled ? { oomKilled } : {}) };
  });
  return {
    pid, startTime: startTimeOf(pid) ?? 0,
    ...(terminal === undefined ? {} : { terminal }), ...stdio.ours,
    wait: () => status,
    kill: (signal) => !ended && signalPidfd(pidfd, signal),
    resize(height, width) {
      if (terminal !== undefined) resizeTerminal(terminal, height, width);
    },
    usage() {
      const usage = cgroup?.usage();
      const peakMemory = usage?.peakMemory;
      const cpuTimeUs = usage?.cpuTimeUs ?? last?.cpuTimeUs;
      return { ...(peakMemory === undefined ? {} : { peakMemory }), ...(cpuTimeUs === undefined ? {} : { cpuTimeUs }) };
    },
    cleanup() {
      if (!ended) signalPidfd(pidfd, SIGKILL);
      // With a pid namespace of its own, everything has ended with the first process.
      if (!ended || !ownPids) cgroup?.kill();
      cgroup?.remove();
    },
  };
}
