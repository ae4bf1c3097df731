import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const folder = fileURLToPath(new URL('asm/', import.meta.url));
const runs = (command: string): boolean => spawnSync(command, ['--version']).status === 0;
const onX64 = process.platform === 'linux' && process.arch === 'x64';

/** Links the launcher with a caller of its own, runs it, and gives the exit status. */
function call(architecture: 'x64' | 'arm64', prefix: string, runner: readonly string[]): number | null {
  const directory = mkdtempSync(join(tmpdir(), 'tsc-box-abi-'));
  try {
    const objects = ['launcher', 'abi'].map((name) => {
      const object = join(directory, `${name}.o`);
      execFileSync(`${prefix}as`, ['-o', object, join(folder, name === 'abi' ? `abi-${architecture}.testing.S` : `launcher-${architecture}.S`)]);
      return object;
    });
    const file = join(directory, 'abi');
    execFileSync(`${prefix}ld`, ['-N', '-o', file, ...objects], { stdio: 'pipe' });
    const args = [...runner, file];
    const command = args.shift() ?? '';
    return spawnSync(command, args).status;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe('the launcher as a C function', () => {
  it.skipIf(!onX64 || !runs('as'))('keeps registers, stack and signal mask on x86-64 (needs x64 and binutils)', () => {
    expect(call('x64', '', [])).toBe(0);
  });

  // An emulator of user mode has no clone3: what the parent does around it is run, the child's start is not.
  it.skipIf(!onX64 || !runs('aarch64-linux-gnu-as') || !runs('qemu-aarch64-static'))('keeps registers, stack and signal mask on arm64, emulated (needs qemu-user-static and binutils for aarch64)', () => {
    expect(call('arm64', 'aarch64-linux-gnu-', ['qemu-aarch64-static'])).toBe(0);
  });
});
