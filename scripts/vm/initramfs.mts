/** The first root of the test machine: busybox, the modules that reach the host's files, and `guest-init.sh`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { encodeCpio, type CpioEntry } from './cpio.mts';
import type { Kernel } from './kernel.mts';

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;

/** What the machine needs before it has a root: the rest is loaded from the host's files. */
const FIRST_MODULES = ['virtio_pci', 'virtio_rng', 'virtio_blk', '9p', '9pnet_virtio', 'overlay', 'ext4', 'crc32c_generic'];
const APPLETS = ['sh', 'mount', 'mkdir', 'insmod', 'switch_root', 'cut', 'cat'];

/** Module names with `-` and `_` are the same: modprobe(8). */
const plainName = (file: string): string => file.replace(/\.ko$/, '').replaceAll('-', '_');

function modulesByName(directory: string): Map<string, string> {
  const paths = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ko'));
  return new Map(paths.map((path) => [plainName(path.slice(path.lastIndexOf('/') + 1)), join(directory, path)]));
}

/** The `depends=` line of a module's .modinfo section. */
function dependenciesOf(module: Buffer): readonly string[] {
  const start = module.indexOf('\0depends=');
  if (start === -1) return [];
  const text = module.toString('latin1', start + '\0depends='.length, module.indexOf(0, start + 1));
  return text.split(',').filter((name) => name !== '').map(plainName);
}

/** The wanted modules and all they need, each after what it needs. One that is not there is built into the kernel. */
export function moduleOrder(directory: string, wanted: readonly string[]): { readonly name: string; readonly data: Buffer }[] {
  const paths = modulesByName(directory);
  const order = new Map<string, Buffer>();
  const add = (name: string): void => {
    const path = paths.get(name);
    if (path === undefined || order.has(name)) return;
    const data = readFileSync(path);
    dependenciesOf(data).forEach(add);
    order.set(name, data);
  };
  wanted.forEach(add);
  return [...order].map(([name, data]) => ({ name, data }));
}

const directory = (path: string): CpioEntry => ({ path, mode: S_IFDIR | 0o755, data: Buffer.alloc(0) });
const program = (path: string, data: Buffer): CpioEntry => ({ path, mode: S_IFREG | 0o755, data });
const link = (path: string, target: string): CpioEntry => ({ path, mode: S_IFLNK | 0o777, data: Buffer.from(target) });

/** Gzipped. `busybox` must be linked statically. */
export function makeInitramfs(kernel: Kernel, busybox: string): Buffer {
  const modules = moduleOrder(kernel.modules, FIRST_MODULES);
  return gzipSync(encodeCpio([
    ...['bin', 'dev', 'proc', 'sys', 'lower', 'upper', 'new', 'modules'].map(directory),
    program('bin/busybox', readFileSync(busybox)),
    ...APPLETS.map((name) => link(`bin/${name}`, 'busybox')),
    ...modules.map(({ name, data }) => program(`modules/${name}.ko`, data)),
    program('modules/order', Buffer.from(modules.map(({ name }) => `${name}\n`).join(''))),
    program('init', readFileSync(join(import.meta.dirname, 'guest-init.sh'))),
  ]), { level: 1 });
}
