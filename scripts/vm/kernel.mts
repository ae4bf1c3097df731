/**
 * The kernel of the test machine: Debian's own package, unpacked beside the other things that tests keep, never installed.
 * TSC_BOX_VM_KERNEL names a directory with another one: `boot/vmlinuz-*` and `lib/modules/VERSION`.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { $ } from 'zx';
import { cached, command } from '../../tests/images/cache.ts';

export interface Kernel {
  /** `6.1.0-56-amd64`. */
  readonly version: string;
  readonly image: string;
  /** `lib/modules/VERSION`. */
  readonly modules: string;
}

/** @throws Error where there is neither a directory named for it nor a Debian to get it from. */
export async function findKernel(env: NodeJS.ProcessEnv = process.env): Promise<Kernel> {
  const named = env['TSC_BOX_VM_KERNEL'];
  return kernelIn(named ?? (await debianKernel()));
}

function kernelIn(directory: string): Kernel {
  const image = readdirSync(join(directory, 'boot')).find((name) => name.startsWith('vmlinuz-'));
  if (image === undefined) throw new Error(`find a kernel: there is no vmlinuz-* in "${join(directory, 'boot')}"`);
  const version = image.slice('vmlinuz-'.length);
  return { version, image: join(directory, 'boot', image), modules: join(directory, 'lib', 'modules', version) };
}

/** The package that Debian's `linux-image-amd64` stands for. */
async function debianKernel(): Promise<string> {
  const depends = await $({ quiet: true })`apt-cache depends linux-image-amd64`;
  const name = /Depends: (linux-image-[\w.+-]+)/.exec(depends.stdout)?.[1];
  if (name === undefined) throw new Error('find a kernel: apt-cache knows no linux-image-amd64; set TSC_BOX_VM_KERNEL to an unpacked kernel package');
  return cached(`vm-${name}`, (directory) => unpack(name, directory));
}

function unpack(name: string, directory: string): void {
  // apt-get download writes to its current directory, as another user when it may.
  const download = mkdtempSync(join(tmpdir(), 'tsc-box-vm-kernel-'));
  try {
    command('sh', '-c', 'cd "$1" && apt-get -q -o DPkg::Lock::Timeout=300 download "$2"', 'sh', download, name);
    const [file] = readdirSync(download).filter((entry) => entry.endsWith('.deb'));
    if (file === undefined) throw new Error(`get ${name}: apt-get downloaded nothing`);
    mkdirSync(directory, { recursive: true });
    command('dpkg-deb', '--extract', join(download, file), directory);
  } finally {
    rmSync(download, { recursive: true, force: true });
  }
}
