/** Makes cgroup directories level by level. Source: cgroup-v2.rst "Enabling and Disabling", "No Internal Process Constraint"; cgroup-v1/cpusets.rst 2. */
import { mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { SyscallError } from '@tsc-box/model';
import { cgroupError, errnoOf, readPids, tryRead, writeCgroupFile } from './files.ts';
import type { Placement } from './place.ts';

/**
 * Makes the directory and the ones above it; returns those that were not there, parents first.
 * @throws SyscallError when it is there and processes live in it or below: they are not the container's, and would be killed with it.
 */
export function makeDirectory(placement: Placement): string[] {
  const { hierarchy, directory } = placement;
  const controller = hierarchy.controllers.join() || 'cgroup2';
  const made: string[] = [];
  if (hierarchy.version === 2) enableAbove(placement, made);
  const isNew = mkdirOnce(directory, controller, hierarchy.mountpoint, hierarchy.controllers.includes('cpuset') && hierarchy.version === 1, made);
  if (!isNew && subtree(directory).some((level) => readPids(level).length > 0)) {
    throw new SyscallError({ attempted: `make cgroup "${directory}"`, syscall: 'mkdir', errno: 'EEXIST', path: directory, reason: 'it exists, and processes live in it or below it', hint: 'another container uses this cgroup path: choose another, or remove that container' });
  }
  return made;
}

function mkdirOnce(directory: string, controller: string, mountpoint: string, cpuset: boolean, made: string[]): boolean {
  try {
    mkdirSync(directory, 0o755);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EEXIST') return false;
    if (errno !== 'ENOENT' || dirname(directory).length < mountpoint.length) throw cgroupError('mkdir', `make cgroup "${directory}"`, directory, controller, error);
    mkdirOnce(dirname(directory), controller, mountpoint, cpuset, made);
    return mkdirOnce(directory, controller, mountpoint, cpuset, made);
  }
  made.push(directory);
  if (cpuset) copyCpuset(directory);
  return true;
}

/** A new v1 cpuset is empty, and no process may enter it so: it starts as its parent is. */
function copyCpuset(directory: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const value = tryRead(`${dirname(directory)}/${file}`)?.trim() ?? '';
    try {
      if (value !== '') writeCgroupFile(`${directory}/${file}`, value);
    } catch (error) {
      throw cgroupError('write', `copy "${value}" down to "${directory}/${file}"`, `${directory}/${file}`, 'cpuset', error);
    }
  }
}

/** Enables controllers in every cgroup from the root (or ours, when delegated) down to the parent. */
function enableAbove({ hierarchy, directory, enable }: Placement, made: string[]): void {
  if (enable.length === 0) return;
  const start = hierarchy.parent === undefined || hierarchy.parent === '/' ? hierarchy.mountpoint : hierarchy.mountpoint + hierarchy.parent;
  const levels: string[] = [];
  for (let level = dirname(directory); level.length >= start.length; level = dirname(level)) levels.unshift(level);
  for (const level of levels) {
    mkdirOnce(level, enable.join(), hierarchy.mountpoint, false, made);
    const on = new Set((tryRead(`${level}/cgroup.subtree_control`) ?? '').trim().split(' '));
    const missing = enable.filter((name) => !on.has(name));
    if (missing.length > 0) enableAt(level, missing);
  }
}

function enableAt(level: string, controllers: readonly string[]): void {
  const file = `${level}/cgroup.subtree_control`;
  const data = controllers.map((name) => `+${name}`).join(' ');
  const fail = (error: unknown): SyscallError => cgroupError('write', `enable "${data}" in "${file}"`, file, controllers.join(), error, errnoOf(error) === 'EBUSY' ? internalHint(level) : undefined);
  try {
    writeCgroupFile(file, data);
  } catch (error) {
    if (errnoOf(error) !== 'EBUSY' || !moveSelf(level)) throw fail(error);
    try {
      writeCgroupFile(file, data);
    } catch (again) {
      throw fail(again);
    }
  }
}

const internalHint = (level: string): string => `cgroup "${level}" holds processes, and a cgroup v2 with processes can't give controllers to its children ("no internal processes"): start tsc-box in a cgroup of its own, with systemd-run --user --scope -p Delegate=yes`;

/** When this process is alone in the cgroup it moves into a leaf below it. */
function moveSelf(level: string): boolean {
  const pids = readPids(level);
  if (pids.length !== 1 || pids[0] !== process.pid) return false;
  const leaf = `${level}/tsc-box-launcher`;
  try {
    mkdirOnce(leaf, 'cgroup2', level, false, []);
    writeCgroupFile(`${leaf}/cgroup.procs`, String(process.pid));
    return true;
  } catch {
    rmdirQuietly(leaf);
    return false;
  }
}

export function rmdirQuietly(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    return errnoOf(error) === 'ENOENT';
  }
}

/** The directory and all below it, parents first. */
export function subtree(root: string): string[] {
  const all = [root];
  for (const directory of all) {
    try {
      for (const entry of readdirSync(directory, { withFileTypes: true })) if (entry.isDirectory()) all.push(`${directory}/${entry.name}`);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENODEV') throw error;
    }
  }
  return all;
}
