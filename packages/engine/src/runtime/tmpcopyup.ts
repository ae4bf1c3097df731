/** `tmpcopyup` of a tmpfs: what the root has in its place is copied into it (runc; podman `--tmpfs`, `--read-only`). */
import { spawnSync } from 'node:child_process';
import { lstatSync, readdirSync } from 'node:fs';
import { SyscallError, UnsupportedError, type Spec } from '@tsc-box/model';

const OPTION = 'tmpcopyup';

export interface CopyUps {
  /** Without the option. */
  readonly spec: Spec;
  /** Directories of the root, absolute on the host, to copy from. */
  readonly directories: readonly string[];
}

/** @throws UnsupportedError where a symbolic link of the image is on the way: what it leads to may be outside of it. */
export function takeCopyUps(spec: Spec, rootfs: string): CopyUps {
  const wanted = (spec.mounts ?? []).filter(({ options }) => options?.includes(OPTION) === true);
  if (wanted.length === 0) return { spec, directories: [] };
  const mounts = spec.mounts?.map((mount) => (mount.options === undefined ? mount : { ...mount, options: mount.options.filter((option) => option !== OPTION) }));
  return { spec: { ...spec, ...(mounts === undefined ? {} : { mounts }) }, directories: wanted.map(({ destination }) => directoryIn(rootfs, destination)).filter((path) => path !== undefined) };
}

/** undefined where there is nothing to copy. */
function directoryIn(rootfs: string, destination: string): string | undefined {
  let path = rootfs;
  for (const part of destination.split('/').filter((name) => name !== '')) {
    path = `${path}/${part}`;
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) return undefined;
    if (!found.isDirectory()) throw new UnsupportedError({ attempted: `mount a tmpfs with the option "${OPTION}" at ${destination}`, detail: found.isSymbolicLink() ? 'a symbolic link of the root is on the way' : 'the root has a file there', path });
  }
  return readdirSync(path).length === 0 ? undefined : path;
}

/** From the root as the host has it into the tmpfs that a process, which has switched no root yet, sees in the same place. */
export function copyUp(directories: readonly string[], pid: number): void {
  for (const path of directories) {
    const { status, stderr, error } = spawnSync('cp', ['-a', '--', `${path}/.`, `/proc/${String(pid)}/root${path}/`], { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
    if (status !== 0) throw new SyscallError({ attempted: `copy "${path}" into its tmpfs`, path, detail: error === undefined ? stderr.trim() : error.message });
  }
}
