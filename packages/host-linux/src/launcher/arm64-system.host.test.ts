/**
 * The arm64 code on a real arm64 kernel, in an emulated machine: what an emulator of user mode lacks is run here (clone3, the child's
 * side, the nested clone, the reaper). `TSC_BOX_ARM64_KERNEL` names the kernel, such as the vmlinuz of Debian's linux-image-arm64.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { createProgram, type Arg, type Program, type Ref } from './program.ts';
import { addInit, buildReaper } from './reaper.ts';
import { buildStaticElf } from './static-elf.ts';

const kernel = process.env['TSC_BOX_ARM64_KERNEL'];
const runs = (command: string): boolean => spawnSync(command, ['--version']).status === 0;
const NR = { write: 64, exit_group: 94, kill: 129, rt_sigprocmask: 135, reboot: 142, getpid: 172, clone: 220, execve: 221, wait4: 260, memfd_create: 279 } as const;
const [COMPARE, BRANCH, NESTED] = [-1, -2, -4];
const [CLONE_VM, CLONE_VFORK, CLONE_PARENT, SIGCHLD] = [0x100, 0x4000, 0x8000, 17];
const POWER_OFF = [0xfee1dead, 672274793, 0x4321fedc, 0];

function elf(build: (program: Program) => void): Uint8Array {
  const program = createProgram();
  build(program);
  return buildStaticElf(program, 'arm64').bytes;
}

/** The ABI test of abi.host.test.ts. */
function linkAbiTest(): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), 'tsc-box-arm64-'));
  try {
    const objects = ['launcher-arm64', 'abi-arm64.testing'].map((name) => {
      execFileSync('aarch64-linux-gnu-as', ['-o', join(directory, `${name}.o`), fileURLToPath(new URL(`asm/${name}.S`, import.meta.url))]);
      return join(directory, `${name}.o`);
    });
    execFileSync('aarch64-linux-gnu-ld', ['-N', '-o', join(directory, 'abi'), ...objects], { stdio: 'pipe' });
    return readFileSync(join(directory, 'abi'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Process 1 of the machine: starts one child after the other, says what came of each, and powers off. */
function addTests(program: Program): void {
  const { label, place, record, slot, cstring, pointers } = program;
  const failed = label();
  const say = (text: string): void => record({ nr: NR.write, args: [1, cstring(`${text}\n`), text.length + 1] });
  const child = (build: () => void): Ref => {
    const pid = slot('pid');
    const parent = label();
    record({ nr: NR.clone, args: [CLONE_VM + CLONE_VFORK + SIGCHLD, 0, 0, 0, 0], store: pid });
    record({ nr: BRANCH, args: [{ load: pid }], fail: parent });
    build();
    place(parent);
    return pid;
  };
  const expectStatus = (pid: Ref, status: number, name: string): void => {
    const got = slot('status');
    record({ nr: NR.wait4, args: [{ load: pid }, got, 0, 0] });
    record({ nr: COMPARE, args: [{ load: got }, status, 0xffffffff, 5], fail: failed });
    say(`ok ${name}`);
  };
  const execute = (path: string): void => record({ nr: NR.execve, args: [cstring(path), pointers([cstring(path)]), pointers([])] });

  expectStatus(child(() => execute('/abi')), 0, 'launch');

  const nested = slot('nested');
  const between = child(() => {
    record({ nr: NESTED, args: [pointers([CLONE_VM + CLONE_VFORK + CLONE_PARENT, 0, 0, 0, 0, 0, 0, 0]), 64], store: nested });
    record({ nr: NR.exit_group, args: [8] });
  });
  expectStatus(between, 0, 'between');
  expectStatus(nested, 8 << 8, 'nested');

  const reaper = buildReaper('arm64');
  for (const [path, status] of [['/exits', 5 << 8], ['/killed', 137 << 8]] as const) {
    const file = slot('file');
    record({ nr: NR.memfd_create, args: [cstring('reaper'), 1], store: file });
    record({ nr: NR.write, args: [{ load: file }, program.bytes(reaper.bytes, 8), reaper.bytes.length] });
    const encoder = { program, record: (nr: number, args: readonly Arg[], options: object = {}) => record({ nr, args, ...options }) };
    const init = child(() => addInit(encoder, { architecture: 'arm64', file: { load: file }, pidOffset: reaper.pidOffset, terminal: false }, () => {
      record({ nr: NR.rt_sigprocmask, args: [2, program.bytes(new Uint8Array(8), 8), 0, 8] });
      execute(path);
    }));
    expectStatus(init, status, `reaper ${path}`);
  }
  record({ nr: NR.reboot, args: POWER_OFF });
  place(failed);
  say('failed');
  record({ nr: NR.reboot, args: POWER_OFF });
}

/** An initramfs: cpio in the "newc" form, Documentation/driver-api/early-userspace/buffer-format.rst. */
function archive(entries: readonly { readonly name: string; readonly mode: number; readonly data?: Uint8Array; readonly device?: readonly [number, number] }[]): Uint8Array {
  const pad = (bytes: Uint8Array): Uint8Array => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
  return Buffer.concat([...entries, { name: 'TRAILER!!!', mode: 0, data: undefined, device: undefined }].flatMap(({ name, mode, data = new Uint8Array(0), device = [0, 0] }) => {
    const fields = [0, mode, 0, 0, 1, 0, data.length, 0, 0, ...device, name.length + 1, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
    return [pad(Buffer.from(header, 'latin1')), pad(data)];
  }));
}

it.skipIf(kernel === undefined || !runs('qemu-system-aarch64') || !runs('aarch64-linux-gnu-as'))('the launcher and the reaper run on an arm64 kernel (needs TSC_BOX_ARM64_KERNEL, qemu-system-aarch64, binutils for aarch64)', { timeout: 240_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'tsc-box-arm64-'));
  try {
    const initrd = join(directory, 'initrd');
    writeFileSync(initrd, archive([
      { name: 'dev', mode: 0o40755 },
      { name: 'dev/console', mode: 0o20600, device: [5, 1] },
      { name: 'init', mode: 0o100755, data: elf(addTests) },
      { name: 'abi', mode: 0o100755, data: linkAbiTest() },
      { name: 'exits', mode: 0o100755, data: elf(({ record }) => record({ nr: NR.exit_group, args: [5] })) },
      { name: 'killed', mode: 0o100755, data: elf(({ record, slot }) => {
        const own = slot('own');
        record({ nr: NR.getpid, args: [], store: own });
        record({ nr: NR.kill, args: [{ load: own }, 9] });
      }) },
    ]));
    const machine = ['-M', 'virt', '-cpu', 'max', '-m', '1024', '-nodefaults', '-no-reboot', '-display', 'none', '-serial', 'stdio'];
    const { stdout } = spawnSync('qemu-system-aarch64', [...machine, '-kernel', kernel ?? '', '-initrd', initrd, '-append', 'console=ttyAMA0 quiet panic=-1'], { encoding: 'utf8', timeout: 200_000, stdio: ['ignore', 'pipe', 'inherit'] });
    expect(stdout.split(/\r?\n/).filter((line) => /^(ok|failed)/.test(line))).toEqual(['ok launch', 'ok between', 'ok nested', 'ok reaper /exits', 'ok reaper /killed']);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
