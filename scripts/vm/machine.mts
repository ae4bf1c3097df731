/**
 * A test machine with a kernel of its own: qemu, Debian's kernel, and for root the files of this machine, read-only below a
 * writable layer in memory. So Node, the packages and every peer are in it, and nothing that it does is left behind.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command } from '../../tests/images/cache.ts';
import { makeInitramfs } from './initramfs.mts';
import { findKernel } from './kernel.mts';

export interface MachineOptions {
  /** How its cgroups are mounted: every controller on version 2, or on version 1 as before systemd 243. */
  readonly cgroup: 'v1' | 'v2';
  readonly memoryMegabytes: number;
  readonly timeoutSeconds: number;
  /** A shell script, run as root on the machine's console, in this directory. */
  readonly script: string;
  readonly cwd: string;
  /** Read and written by both sides, as `/run/tsc-box-vm` in the machine. */
  readonly exchange: string;
  /** `kvm` where it boots; `tcg` emulates and works everywhere. */
  readonly accelerator: 'kvm' | 'tcg';
}

interface Files {
  readonly image: string;
  readonly initramfs: string;
  /** A raw image with an empty ext4. */
  readonly disk: string;
}

const DISK_BYTES = 16 * 2 ** 30;

/** Sparse: it takes what is written to it. */
function makeDisk(path: string): string {
  writeFileSync(path, '');
  truncateSync(path, DISK_BYTES);
  command('mkfs.ext4', '-q', '-F', '-O', '^has_journal', '-E', 'lazy_itable_init=1,nodiscard', path);
  return path;
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function qemuArguments(options: MachineOptions, { image, initramfs, disk }: Files): string[] {
  const { cgroup, memoryMegabytes, exchange, accelerator } = options;
  const share = (path: string, tag: string, more: string): string[] => ['-virtfs', `local,path=${path},mount_tag=${tag},security_model=none,multidevs=remap${more}`];
  return [
    ...(accelerator === 'kvm' ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg,thread=multi,tb-size=1024', '-cpu', 'max,la57=off']),
    '-smp', '2', '-m', String(memoryMegabytes), '-nodefaults', '-no-reboot', '-display', 'none', '-serial', 'stdio',
    '-kernel', image, '-initrd', initramfs, '-append', `console=ttyS0 quiet panic=-1 mitigations=off tsc_box_cgroup=${cgroup}`,
    ...share('/', 'host', ',readonly=on'), ...share(exchange, 'exchange', ''), '-device', 'virtio-rng-pci', '-drive', `file=${disk},format=raw,if=virtio,cache=unsafe,discard=unmap`,
  ];
}

/** Runs the script to its end. Its output is this process's. @returns its exit status. @throws Error when the machine ended without one. */
export async function runInMachine(options: MachineOptions): Promise<number> {
  const kernel = await findKernel();
  const directory = mkdtempSync(join(tmpdir(), 'tsc-box-vm-'));
  try {
    const initramfs = join(directory, 'initramfs.gz');
    writeFileSync(initramfs, makeInitramfs(kernel, '/bin/busybox'));
    copyFileSync(join(import.meta.dirname, 'guest-machine.sh'), join(options.exchange, 'machine.sh'));
    writeFileSync(join(options.exchange, 'cwd'), options.cwd);
    const modules = join(kernel.modules, '..');
    writeFileSync(join(options.exchange, 'command.sh'), `mount --bind ${quote(modules)} /lib/modules 2>/dev/null\ncd ${quote(options.cwd)} || exit 125\n${options.script}\n`);
    const status = join(options.exchange, 'status');
    rmSync(status, { force: true });
    await boot(qemuArguments(options, { image: kernel.image, initramfs, disk: makeDisk(join(directory, 'disk')) }), options.timeoutSeconds);
    if (!existsSync(status)) throw new Error(`the test machine ended before its command, or not within ${String(options.timeoutSeconds)} s`);
    return Number(readFileSync(status, 'utf8'));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function boot(args: readonly string[], timeoutSeconds: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const machine = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'inherit', 'inherit'] });
    const timer = setTimeout(() => machine.kill('SIGKILL'), timeoutSeconds * 1000);
    machine.once('error', reject);
    machine.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
