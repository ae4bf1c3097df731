import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { SYSCALL_NUMBERS } from '../launch/syscall-numbers.ts';

/** Debian's linux-libc-dev. arm64 takes the generic table. */
const HEADERS = { x64: '/usr/include/x86_64-linux-gnu/asm/unistd_64.h', arm64: '/usr/include/asm-generic/unistd.h' } as const;

for (const architecture of ['x64', 'arm64'] as const) {
  it.skipIf(!existsSync(HEADERS[architecture]))(`system call numbers of ${architecture} are those of the kernel's headers (needs linux-libc-dev)`, () => {
    const header = readFileSync(HEADERS[architecture], 'utf8');
    const number = (name: string): number => Number(new RegExp(`#define __NR(?:3264)?_${name}\\s+(\\d+)`).exec(header)?.[1]);
    const names = Object.keys(SYSCALL_NUMBERS[architecture]);
    expect(SYSCALL_NUMBERS[architecture]).toEqual(Object.fromEntries(names.map((name) => [name, number(name)])));
  });
}
