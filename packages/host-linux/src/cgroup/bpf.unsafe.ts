/** bpf(2) through koffi: loads a device program and attaches it to a cgroup v2 directory. Nothing is loaded before the first use. */
import { closeSync } from 'node:fs';
import type * as Koffi from 'koffi';
import { koffi } from '../ffi/koffi.unsafe.ts';
import { SyscallError } from '@tsc-box/model';

const SYS_BPF = process.arch === 'arm64' ? 280 : 321;
const BPF_PROG_LOAD = 5;
const BPF_PROG_ATTACH = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
const BPF_CGROUP_DEVICE = 6;
const BPF_F_ALLOW_MULTI = 2;

interface Bindings {
  readonly ffi: typeof Koffi;
  readonly call: (number: number, command: number, attributes: Uint8Array, size: number) => number | bigint;
}

let bindings: Bindings | undefined;

function bind(): Bindings {
  if (bindings === undefined) {
    const ffi = koffi();
    bindings = { ffi, call: ffi.load(null).func('long syscall(long number, int command, _Inout_ uint8_t *attributes, uint size)') };
  }
  return bindings;
}

function bpf(command: number, attributes: Uint8Array, attempted: string, path: string): number {
  const cached = bind();
  const result = Number(cached.call(SYS_BPF, command, attributes, attributes.length));
  if (result >= 0) return result;
  const code = cached.ffi.errno();
  const errno = Object.entries(cached.ffi.os.errno).find(([, value]) => value === code)?.[0] ?? String(code);
  throw new SyscallError({ attempted, syscall: 'bpf', errno, path, hint: errno === 'EPERM' ? 'a device list on cgroup v2 needs CAP_BPF or CAP_SYS_ADMIN outside a user namespace' : undefined });
}

/** The program stays attached, and in the kernel, as long as the cgroup lives. */
export function attachDeviceProgram(directoryFd: number, program: Uint8Array, path: string): void {
  const { ffi } = bind();
  const license = Buffer.from('Apache-2.0\0', 'latin1');
  const load = new Uint8Array(128);
  const view = new DataView(load.buffer);
  view.setUint32(0, BPF_PROG_TYPE_CGROUP_DEVICE, true);
  view.setUint32(4, program.length / 8, true);
  view.setBigUint64(8, BigInt(ffi.address(program)), true);
  view.setBigUint64(16, BigInt(ffi.address(license)), true);
  const fd = bpf(BPF_PROG_LOAD, load, 'load the device program', path);
  try {
    const attach = new Uint8Array(32);
    const fields = new DataView(attach.buffer);
    [directoryFd, fd, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI].forEach((value, index) => fields.setUint32(index * 4, value, true));
    bpf(BPF_PROG_ATTACH, attach, `attach the device program to cgroup "${path}"`, path);
  } finally {
    closeSync(fd);
  }
}
