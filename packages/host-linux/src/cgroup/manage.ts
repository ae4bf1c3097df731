/** A container's cgroups on the real kernel: made, limited, measured, frozen, killed and removed. Source: cgroups(7), cgroup-v2.rst, cgroup-v1/*.rst. */
import { closeSync, constants, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { assembleDeviceProgram, cgroupWrites, deviceWritesV1, effectiveDeviceRules, SyscallError, UnsupportedError, type CgroupWrite, type Facts, type SpecResources } from '@tsc-box/model';
import { attachDeviceProgram } from './bpf.unsafe.ts';
import { cgroupError, errnoOf, readKey, readNumber, readPids, tryRead, writeCgroupFile } from './files.ts';
import { makeDirectory, rmdirQuietly, subtree } from './make.ts';
import { directoryIn, place, type Placement } from './place.ts';

export interface CgroupUsage {
  /** Bytes. */
  readonly memory?: number;
  readonly peakMemory?: number;
  /** Kills by the out-of-memory killer, by the counter `oom_kill`. */
  readonly oomKills?: number;
  readonly cpuTimeUs?: number;
  readonly pids?: number;
}

export interface CgroupHandle {
  readonly path: string;
  /** Absolute directories, one for each hierarchy used. */
  readonly directories: readonly string[];
  /**
   * v1: descriptors of `tasks`, opened O_WRONLY, into which the child writes "0". Close-on-exec. Not of cgroup.procs: to move a
   * thread group the kernel waits for an RCU grace period (cgroup_procs_write_start), some 15 ms; to move the one thread that writes it doesn't.
   */
  readonly taskFds: readonly number[];
  /** v2: descriptor of the directory, for CLONE_INTO_CGROUP. */
  readonly directoryFd: number | undefined;
  /** Closes the descriptors; once the child is in. */
  closeFds(): void;
  update(resources: SpecResources): void;
  pids(): readonly number[];
  usage(): CgroupUsage;
  freeze(): void;
  thaw(): void;
  frozen(): boolean;
  /** The directory of a controller, on the hierarchy where it is. `cgroup`: that of version 2. */
  directoryOf(controller: string): string | undefined;
  /** SIGKILL to everything inside, frozen or not. */
  kill(): void;
  /** Removes the directories, trying again while processes are still on their way out. */
  remove(): void;
}

/** Parent of containers' cgroups where the spec says nothing else: only ever ours, so it may go when it is empty. */
const SHARED_PARENT = '/tsc-box';

/** Makes the cgroups of a container and writes its limits; on failure nothing is left behind. */
export function createCgroup(facts: Facts, path: string, resources: SpecResources): CgroupHandle {
  const { placements, deviceProgram } = place(facts, path, resources);
  const made: string[] = [];
  if (path.split('/').every((part) => part === '')) throw new UnsupportedError({ attempted: `use the cgroup "${path}"`, detail: 'it is the root of the cgroups', hint: 'choose a path below it' });
  const handle = new Handle(facts, path, placements);
  try {
    for (const placement of placements) {
      made.push(...makeDirectory(placement));
      for (const write of placement.writes) applyWrite(placement.directory, write);
    }
    handle.open();
    handle.levels = made.filter((directory) => !handle.directories.includes(directory));
    if (deviceProgram.length > 0 && handle.directoryFd !== undefined) attachDeviceProgram(handle.directoryFd, assembleDeviceProgram(deviceProgram), path);
    return handle;
  } catch (error) {
    handle.closeFds();
    for (const directory of made.toReversed()) rmdirQuietly(directory);
    throw error;
  }
}

/** The cgroups of a container that is there already: for `exec`, `kill`, `stats`, and to sweep after a launcher that died. */
export function openCgroup(facts: Facts, path: string): CgroupHandle {
  const placements: Placement[] = [];
  for (const hierarchy of facts.cgroup.hierarchies) {
    const directory = directoryIn(hierarchy, path);
    if (tryRead(`${directory}/cgroup.procs`) !== undefined) placements.push({ hierarchy, directory, writes: [], enable: [] });
  }
  return new Handle(facts, path, placements);
}

function applyWrite(directory: string, write: CgroupWrite): void {
  const attempt = (file: string, data: string): void => {
    try {
      writeCgroupFile(`${directory}/${file}`, data);
    } catch (error) {
      const missing = errnoOf(error) === 'ENOENT';
      if (missing && write.ignoreMissing === true) return;
      if (missing && write.orElse !== undefined && file !== write.orElse.file) return attempt(write.orElse.file, write.orElse.data);
      throw cgroupError('write', `write "${data}" to "${directory}/${file}"`, `${directory}/${file}`, write.controller, error, missing ? 'this kernel has no such limit' : undefined);
    }
  };
  attempt(write.file, write.data);
}

class Handle implements CgroupHandle {
  readonly path: string;
  readonly directories: readonly string[];
  /** Directories above the container's own that were made for it, parents first. */
  levels: readonly string[] = [];
  taskFds: readonly number[] = [];
  directoryFd: number | undefined;
  readonly #facts: Facts;
  readonly #placements: readonly Placement[];

  constructor(facts: Facts, path: string, placements: readonly Placement[]) {
    this.#facts = facts;
    this.path = path;
    this.#placements = placements;
    this.directories = placements.map(({ directory }) => directory);
  }

  open(): void {
    const fds: number[] = [];
    this.taskFds = fds;
    for (const { directory, hierarchy } of this.#placements) {
      if (hierarchy.version === 2) this.directoryFd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
      else fds.push(openSync(`${directory}/tasks`, constants.O_WRONLY));
    }
  }

  closeFds(): void {
    for (const fd of this.taskFds) closeSync(fd);
    this.taskFds = [];
    if (this.directoryFd !== undefined) closeSync(this.directoryFd);
    this.directoryFd = undefined;
  }

  update(resources: SpecResources): void {
    const memory = this.#directory('memory');
    const current = memory === undefined ? undefined : readNumber(`${memory}/memory.limit_in_bytes`);
    const swap = { swap: this.#facts.swap, ...(current === undefined ? {} : { currentMemoryLimit: current }) };
    const wanted = place(this.#facts, this.path, resources).placements.flatMap(({ writes, hierarchy }) => writes.map(({ controller }) => ({ controller, version: hierarchy.version })));
    for (const { controller, version } of new Map(wanted.map((entry) => [entry.controller, entry])).values()) {
      const directory = this.#directory(controller);
      if (directory === undefined) throw new SyscallError({ attempted: `update the limits of controller ${controller} in cgroup "${this.path}"`, errno: 'ENOENT', path: this.path, reason: `it was made without a cgroup of controller ${controller}`, hint: 'set a limit of this controller when the container is made' });
      const { unified, ...rest } = resources;
      const all = [...cgroupWrites(version === 2 && unified !== undefined ? { ...rest, unified } : rest, version, swap), ...(controller === 'devices' ? deviceWritesV1(effectiveDeviceRules(resources.devices)) : [])];
      for (const write of all) if (write.controller === controller) applyWrite(directory, write);
    }
  }

  /** Where a controller of this container is, v1 or v2. */
  #directory(controller: string): string | undefined {
    const found = this.#placements.find(({ hierarchy }) => hierarchy.controllers.includes(controller)) ?? (controller === 'cgroup' ? this.#placements.find(({ hierarchy }) => hierarchy.version === 2) : undefined);
    return found?.directory;
  }

  /** Where a controller of this container is, for reading. */
  directoryOf(controller: string): string | undefined {
    return this.#directory(controller);
  }

  /** Whether all of it has stopped. */
  frozen(): boolean {
    const v1 = this.#directory('freezer');
    if (v1 !== undefined) return tryRead(`${v1}/freezer.state`)?.trim() === 'FROZEN';
    return readKey(`${this.#v2 ?? ''}/cgroup.events`, 'frozen') === 1;
  }

  get #v2(): string | undefined {
    return this.#placements.find(({ hierarchy }) => hierarchy.version === 2)?.directory;
  }

  pids(): readonly number[] {
    const pids = new Set<number>();
    for (const root of this.directories) for (const directory of subtree(root)) for (const pid of readPids(directory)) pids.add(pid);
    return [...pids];
  }

  usage(): CgroupUsage {
    const memory = this.#directory('memory') ?? '';
    const cpuacct = this.#directory('cpuacct');
    const nanoseconds = cpuacct === undefined ? undefined : readNumber(`${cpuacct}/cpuacct.usage`);
    const all = {
      memory: readNumber(`${memory}/memory.current`) ?? readNumber(`${memory}/memory.usage_in_bytes`),
      peakMemory: readNumber(`${memory}/memory.peak`) ?? readNumber(`${memory}/memory.max_usage_in_bytes`),
      oomKills: readKey(`${memory}/memory.events`, 'oom_kill') ?? readKey(`${memory}/memory.oom_control`, 'oom_kill'),
      cpuTimeUs: nanoseconds === undefined ? readKey(`${this.#v2 ?? ''}/cpu.stat`, 'usage_usec') : Math.round(nanoseconds / 1000),
      pids: readNumber(`${this.#directory('pids') ?? ''}/pids.current`),
    };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  }

  freeze(): void {
    this.#setFrozen(true);
  }

  thaw(): void {
    this.#setFrozen(false);
  }

  #setFrozen(frozen: boolean): void {
    const v1 = this.#directory('freezer');
    const directory = v1 ?? this.#v2;
    if (directory === undefined) throw new SyscallError({ attempted: `${frozen ? 'freeze' : 'thaw'} cgroup "${this.path}"`, errno: 'ENOENT', path: this.path, reason: 'the container has no cgroup with a freezer' });
    const [file, data] = v1 === undefined ? ['cgroup.freeze', frozen ? '1' : '0'] : ['freezer.state', frozen ? 'FROZEN' : 'THAWED'];
    applyWrite(directory, { controller: 'freezer', file, data, why: 'stop or go on' });
    const done = (): boolean => (v1 === undefined ? readKey(`${directory}/cgroup.events`, 'frozen') === (frozen ? 1 : 0) : tryRead(`${directory}/freezer.state`)?.trim() === data);
    for (let round = 0; !done(); round += 1) {
      if (round === 200) throw new SyscallError({ attempted: `${frozen ? 'freeze' : 'thaw'} cgroup "${directory}"`, errno: 'EBUSY', path: directory, reason: 'its processes did not get there within 2 s' });
      // v1: a freeze that is stuck at FREEZING goes on when asked again (freezer-subsystem.rst).
      if (v1 !== undefined && round > 0) applyWrite(directory, { controller: 'freezer', file, data, why: 'ask again' });
      sleep(round < 20 ? 0.2 : 10);
    }
  }

  kill(): void {
    const freezer = this.#directory('freezer');
    if (freezer !== undefined) for (const directory of subtree(freezer)) tryWrite(`${directory}/freezer.state`, 'THAWED');
    if (this.#v2 !== undefined) tryWrite(`${this.#v2}/cgroup.kill`, '1');
    // Again while new ones appear: a process may fork while the list is read.
    for (let round = 0; round < 100; round += 1) {
      const pids = this.pids().filter((pid) => pid > 0);
      if (pids.length === 0) return;
      for (const pid of pids) signal(pid);
      sleep(1);
    }
    throw new SyscallError({ attempted: `kill what lives in cgroup "${this.path}"`, errno: 'EBUSY', path: this.path, reason: `new processes appear as quickly as they are killed: ${String(this.pids().length)} are left`, hint: 'limit them: --pids-limit' });
  }

  remove(): void {
    this.closeFds();
    // Most often nothing lives and nothing was made inside: then one call a directory does.
    const left = this.directories.filter((root) => !rmdirQuietly(root));
    const deadline = performance.now() + 2000;
    for (const root of left) for (const directory of subtree(root).toReversed()) removeDirectory(directory, deadline);
    // Levels above go when this process ends and they are empty: those it made, and the one that all containers share.
    for (const level of this.levels) removeAtExit(level);
    if (dirname(this.path) === SHARED_PARENT) for (const root of this.directories) removeAtExit(dirname(root));
  }
}

function removeDirectory(directory: string, deadline: number): void {
  for (let pause = 0.1; !rmdirQuietly(directory); pause = Math.min(pause * 2, 20)) {
    if (performance.now() > deadline) throw new SyscallError({ attempted: `remove cgroup "${directory}"`, syscall: 'rmdir', errno: 'EBUSY', path: directory, reason: `it still holds ${String(readPids(directory).length)} processes`, hint: 'kill the container first' });
    sleep(pause);
  }
}

const parents = new Set<string>();

function removeAtExit(directory: string): void {
  if (parents.size === 0) process.once('exit', () => [...parents].sort((a, b) => b.length - a.length).forEach(rmdirQuietly));
  parents.add(directory);
}


function tryWrite(path: string, data: string): void {
  try {
    writeCgroupFile(path, data);
  } catch {
    // Not there, or gone: the loop over cgroup.procs does the work.
  }
}

function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

function sleep(milliseconds: number): void {
  Atomics.wait(sleeper, 0, 0, milliseconds);
}
