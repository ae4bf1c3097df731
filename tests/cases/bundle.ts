/** OCI bundles with a busybox root, for what has no flag. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { busyboxRoot } from '../images/busybox.ts';
import type { Spec } from '../../packages/model/src/index.ts';

/** A root of its own, which may be written to. */
export function copyBusyboxRoot(directory: string): string {
  cpSync(busyboxRoot(), directory, { recursive: true, verbatimSymlinks: true });
  return directory;
}

const NAMESPACES = ['mount', 'pid', 'uts', 'ipc', 'network', 'cgroup'] as const;

/** Writes a bundle that runs a shell script; `change` alters its config. Returns the directory. */
export function writeBundle(directory: string, script: string, change: (spec: Spec) => Spec = (spec) => spec): string {
  mkdirSync(directory, { recursive: true });
  copyBusyboxRoot(join(directory, 'rootfs'));
  const spec: Spec = {
    ociVersion: '1.2.0',
    process: { cwd: '/', args: ['sh', '-c', script], env: ['PATH=/bin'], user: { uid: 0, gid: 0 } },
    root: { path: 'rootfs' },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755'] },
    ],
    linux: { namespaces: NAMESPACES.map((type) => ({ type })) },
  };
  writeFileSync(join(directory, 'config.json'), JSON.stringify(change(spec)));
  return directory;
}
