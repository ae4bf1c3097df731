/** A launch behind a monitor, seen from the launcher: see monitored.ts. */
import { closeSync, readFileSync } from 'node:fs';
import { assert, BoxError, parseExitRecord, SyscallError, type ExitStatus, type Facts, type LaunchedProcess, type LaunchRequest, type MonitorRequest, type ProcessIdentity } from '@tsc-box/model';
import { writeByte } from '../ffi/descriptors.unsafe.ts';
import { openPidfd, reapNow, signalPidfd, waitWhileEqual } from '../ffi/process.unsafe.ts';
import type { Ref } from '../launcher/program.ts';
import { mapProgramMemory, runLauncher, type ProgramMemory } from '../launcher/run.unsafe.ts';
import { listenForChildren, watchChild } from './children.ts';
import { cloneError, mapIds } from './clone.ts';
import type { EncodedPlan } from './encode.ts';
import { errnoName } from './errno.ts';
import { launchError } from './failure.ts';
import { encode } from './launch.ts';
import { addMonitor, openMonitorFiles, readProgress, type MonitorFiles, type MonitorRecords } from './monitored.ts';
import { prepare, type Prepared } from './prepare.ts';
import { parentOf, startTimeOf } from './process-identity.ts';
import { createUndo, type Undo } from './undo.ts';

const CLONE_VM = 0x100;
const CLONE_CHILD_CLEARTID = 0x200000;
const SIGCHLD = 17;
const SIGKILL = 9;

interface Started {
  readonly process: ProcessIdentity;
  /** Of the container's process. */
  readonly pidfd: number;
  readonly monitor: ProcessIdentity;
  readonly monitorPidfd: number;
}

/** @throws SyscallError, UnsupportedError of the step that failed. */
export function launchMonitored(request: LaunchRequest, facts: Facts): LaunchedProcess {
  const failure = createUndo();
  const child = createUndo();
  try {
    const prepared = prepare(request, facts, child, failure);
    assert(prepared.hooks === undefined, 'a plan that stops for hooks has no monitor');
    const started = start(request, facts, prepared, openMonitorFiles(monitorOf(request), prepared, facts, child), child);
    child.run();
    for (const fd of Object.values(prepared.stdio.ours)) closeSync(fd);
    return launched(started, prepared, request);
  } catch (error) {
    child.run();
    failure.run();
    throw error;
  }
}

function start(request: LaunchRequest, facts: Facts, prepared: Prepared, files: MonitorFiles, child: Undo): Started {
  const { plan } = request;
  const encoded = encode(request, facts, prepared, undefined, child);
  const { program } = encoded;
  const records = addMonitor(encoded, { facts, flags: plan.clone.flags, cgroup: prepared.cgroupDirectory, prepared, files, id: plan.id });
  const pidfdAt = program.bytes(new Uint8Array(8), 8);
  const alive = program.pointers([1]);
  const memory = mapProgramMemory(program.finish().size);
  const address = (ref: typeof alive): number => program.addressOf(memory.address, ref);
  try {
    program.write(memory.address, memory.bytes);
    listenForChildren();
    const pid = runLauncher({
      cloneArgs: { flags: CLONE_VM + CLONE_CHILD_CLEARTID, pidfd: address(pidfdAt), childTid: address(alive), exitSignal: SIGCHLD, cgroup: undefined },
      report: address(program.report), entry: program.entryAddress(memory.address, records.entry),
    });
    const pidfd = memory.bytes.readInt32LE(program.offsetOf(pidfdAt));
    files.progress.closeWrite();
    const following: Following = { request, facts, prepared, files, encoded, records, memory };
    try {
      const process = follow(following);
      waitWhileEqual(address(alive), 1);
      if (memory.bytes.readUInt32LE(program.offsetOf(program.report)) !== 0) throw reported(following);
      return { ...process, monitor: { pid, startTime: startTimeOf(pid) ?? 0 }, monitorPidfd: pidfd };
    } catch (error) {
      // Both run in our memory until they have ended: nothing is freed before. The monitor waits for its child, or for our leave.
      killFirst(memory.bytes.readInt32LE(program.offsetOf(records.first)), pid);
      files.leave.closeWrite();
      reapNow(pidfd);
      closeSync(pidfd);
      throw error;
    }
  } finally {
    memory.free();
  }
}

function monitorOf({ monitor }: LaunchRequest): MonitorRequest {
  assert(monitor !== undefined, 'a launch behind a monitor names its files');
  return monitor;
}

/** One that waits for its id maps would wait for ever. Its pid is its own as long as the monitor, its parent, stands still or has not reaped it. */
function killFirst(pid: number, monitor: number): void {
  if (pid === 0 || parentOf(pid) !== monitor) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

interface Following {
  readonly request: LaunchRequest;
  readonly facts: Facts;
  readonly prepared: Prepared;
  readonly files: MonitorFiles;
  readonly encoded: EncodedPlan;
  readonly records: MonitorRecords;
  readonly memory: ProgramMemory;
}

/** From the clone to our leave to go on. */
function follow(following: Following): Pick<Started, 'process' | 'pidfd'> {
  const { request: { plan }, prepared, files, encoded: { program, nested }, records, memory } = following;
  const word = (ref: Ref): number => memory.bytes.readInt32LE(program.offsetOf(ref));
  if (prepared.release !== undefined) {
    if (readProgress(files) !== 'cloned') throw reported(following);
    mapIds(plan, prepared, word(records.first));
  }
  if (readProgress(files) !== 'started') throw reported(following);
  const pid = nested === undefined ? word(records.first) : word(nested.pid);
  const pidfd = openPidfd(pid);
  try {
    // The monitor reaps nothing before it has our leave: the pid can't be another's yet.
    const startTime = startTimeOf(pid) ?? 0;
    writeByte(files.leave.write);
    return { process: { pid, startTime }, pidfd };
  } catch (error) {
    closeSync(pidfd);
    throw error;
  }
}

/** What the report says: a step of the plan, the clone, or the monitor's own. */
function reported({ request, facts, encoded, records, memory }: Following): SyscallError {
  const { program } = encoded;
  const at = program.offsetOf(program.report);
  const errno = memory.bytes.readUInt32LE(at);
  const record = Number(memory.bytes.readBigUInt64LE(at + 8));
  if (errno === 0) return new SyscallError({ attempted: 'start the monitor', detail: 'it was ended before it had begun' });
  if (program.recordIndexAt(memory.address, record) < encoded.steps.length) return launchError(encoded, memory, errno, record, facts);
  if (record === program.entryAddress(memory.address, records.clone)) return cloneError(request.plan, facts, errnoName(errno));
  return new SyscallError({ attempted: 'start the monitor', errno: errnoName(errno) });
}

function launched({ process, pidfd, monitor, monitorPidfd }: Started, { cgroup }: Prepared, request: LaunchRequest): LaunchedProcess {
  const ownPids = request.plan.clone.flags.includes('CLONE_NEWPID');
  const { exit } = monitorOf(request);
  let ended = false;
  const watched = watchChild(monitorPidfd);
  const over = watched.ended.then((): void => {
    ended = true;
    closeSync(pidfd);
  });
  let status: Promise<ExitStatus> | undefined;
  return {
    ...process, monitor,
    wait() {
      watched.hold();
      return (status ??= over.then(() => readExit(exit, cgroup)));
    },
    kill: (signal) => !ended && signalPidfd(pidfd, signal),
    // The terminal is the monitor's: System.openMonitored.
    resize: () => undefined,
    usage() {
      const usage = cgroup?.usage();
      return { ...(usage?.peakMemory === undefined ? {} : { peakMemory: usage.peakMemory }), ...(usage?.cpuTimeUs === undefined ? {} : { cpuTimeUs: usage.cpuTimeUs }) };
    },
    cleanup() {
      if (!ended) signalPidfd(pidfd, SIGKILL);
      if (!ended || !ownPids) cgroup?.kill();
      cgroup?.remove();
    },
  };
}

function readExit(path: string, cgroup: Prepared['cgroup']): ExitStatus {
  const record = parseExitRecord(readFileSync(path));
  if (record === undefined) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted: 'wait for the process', path, detail: 'its monitor ended without an exit record', reason: 'it was killed' });
  const { code, signal } = record;
  const oomKilled = code !== 0 && (cgroup?.usage().oomKills ?? 0) > 0;
  return { code, ...(signal === undefined ? {} : { signal }), ...(oomKilled ? { oomKilled } : {}) };
}
