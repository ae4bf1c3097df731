import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Facts, SpecSeccomp } from '@tsc-box/model';
import { afterAll, describe, expect, it } from 'vitest';
import { probeFacts } from '../facts/probe.ts';
import { compileSeccomp, seccompProgram } from './compile.ts';
import { AUDIT_ARCH, runFilter } from './interpret.testing.ts';

const facts = process.platform === 'linux' ? probeFacts() : undefined;
const usable = facts?.seccomp.filter === true && facts.seccomp.libseccomp !== undefined && facts.architecture === 'x64';
const ALLOW = 0x7fff0000;
const NR = { read: 0, write: 1, getpid: 39, clone: 56, clone3: 435, personality: 135 };

describe.skipIf(!usable)('compileSeccomp (needs Linux on x64 with libseccomp.so.2)', () => {
  const here = facts as Facts;
  const dir = mkdtempSync(join(tmpdir(), 'tsc-box-seccomp-'));
  afterAll(() => rmSync(dir, { recursive: true }));
  const profile: SpecSeccomp = {
    defaultAction: 'SCMP_ACT_ERRNO',
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
    syscalls: [
      { names: ['read', 'no_such_call'], action: 'SCMP_ACT_ALLOW' },
      { names: ['getpid'], action: 'SCMP_ACT_ERRNO', errnoRet: 13 },
      { names: ['write'], action: 'SCMP_ACT_KILL_PROCESS', args: [{ index: 0, value: 7, op: 'SCMP_CMP_GE' }] },
      { names: ['clone'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: 2114060288, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }] },
      { names: ['personality'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: 0, op: 'SCMP_CMP_EQ' }, { index: 0, value: 8, op: 'SCMP_CMP_EQ' }] },
    ],
  };
  const program = usable ? compileSeccomp(profile, here) : new Uint8Array();
  const rows: readonly [string, number, number, bigint[], number][] = [
    ['read', AUDIT_ARCH.x86_64, NR.read, [], ALLOW],
    ['getpid', AUDIT_ARCH.x86_64, NR.getpid, [], 0x0005000d],
    ['clone3', AUDIT_ARCH.x86_64, NR.clone3, [], 0x00050026],
    ['write to 6', AUDIT_ARCH.x86_64, NR.write, [6n], 0x00050001],
    ['write to 7', AUDIT_ARCH.x86_64, NR.write, [7n], 0x80000000],
    ['plain clone', AUDIT_ARCH.x86_64, NR.clone, [17n], ALLOW],
    ['clone with CLONE_NEWUSER', AUDIT_ARCH.x86_64, NR.clone, [0x10000000n], 0x00050001],
    ['personality 8', AUDIT_ARCH.x86_64, NR.personality, [8n], ALLOW],
    ['personality 9', AUDIT_ARCH.x86_64, NR.personality, [9n], 0x00050001],
    ['i386 read', AUDIT_ARCH.i386, 3, [], ALLOW],
    ['another architecture is killed', AUDIT_ARCH.aarch64, 63, [], 0],
  ];
  it.each(rows)('%s', (_name, architecture, number, args, expected) => {
    expect(runFilter(program, { architecture, number, args })).toBe(expected);
  });

  it('caches, and does not trust a damaged file', () => {
    // A copy each time: the same object is remembered by the process.
    const cached = (): Uint8Array => seccompProgram(structuredClone(profile), here, dir);
    expect(cached()).toEqual(program);
    const file = join(dir, readdirSync(dir).find((name) => name.endsWith('.bpf')) ?? '');
    expect(cached()).toEqual(program);
    truncateSync(file, 100);
    expect(cached()).toEqual(program);
    const bytes = readFileSync(file);
    // As after a crash of the machine: the size is right, the blocks were never written.
    writeFileSync(file, bytes.fill(0, bytes.length - program.length));
    expect(cached()).toEqual(program);
    expect(readdirSync(dir)).toHaveLength(1);
  });

  it('says so when libseccomp is missing', () => {
    expect(() => compileSeccomp(profile, { ...here, seccomp: { filter: true, libseccomp: undefined } })).toThrow(expect.objectContaining({ code: 'ERR_TSCBOX_UNSUPPORTED', reason: 'libseccomp.so.2 is not installed' }));
  });
});
