import { describe, expect, it } from 'vitest';
import type { DeviceRule } from '../spec/spec.ts';
import { assembleDeviceProgram, BPF } from './device-program.ts';
import { DEFAULT_DEVICE_RULES, deviceWritesV1, effectiveDeviceRules } from './devices.ts';

/** Runs the few instructions that the assembler emits, as the kernel would. */
function run(program: Uint8Array, ctx: readonly [number, number, number]): number {
  const view = new DataView(program.buffer);
  const r: number[] = Array.from({ length: 11 }, () => 0);
  for (let pc = 0; pc * 8 < program.length; pc += 1) {
    const [op, regs, off, imm] = [view.getUint8(pc * 8), view.getUint8(pc * 8 + 1), view.getInt16(pc * 8 + 2, true), view.getInt32(pc * 8 + 4, true)];
    const [dst, src] = [regs & 15, regs >> 4];
    const value = r[dst] ?? 0;
    if (op === BPF.LDX_MEM_W) r[dst] = ctx[off / 4] ?? 0;
    else if (op === BPF.MOV32_REG) r[dst] = r[src] ?? 0;
    else if (op === BPF.MOV64_IMM) r[dst] = imm;
    else if (op === BPF.AND32_IMM) r[dst] = (value & imm) >>> 0;
    else if (op === BPF.RSH32_IMM) r[dst] = value >>> imm;
    else if (op === BPF.JA) pc += off;
    else if (op === BPF.JNE_IMM) pc += value !== imm ? off : 0;
    else if (op === BPF.JSET_IMM) pc += (value & imm) !== 0 ? off : 0;
    else if (op === BPF.EXIT) return r[0] ?? 0;
    else throw new Error(`opcode ${String(op)}`);
  }
  throw new Error('ran off the end');
}

function allowed(rules: readonly DeviceRule[], type: 'c' | 'b', major: number, minor: number, access: string): boolean {
  const bits = (access.includes('m') ? 1 : 0) | (access.includes('r') ? 2 : 0) | (access.includes('w') ? 4 : 0);
  return run(assembleDeviceProgram(rules), [(bits << 16) | (type === 'b' ? 1 : 2), major, minor]) === 1;
}

describe('assembleDeviceProgram', () => {
  const D = DEFAULT_DEVICE_RULES;
  const readOnly: DeviceRule[] = [{ allow: true, type: 'b', major: 8, minor: 0, access: 'r' }];
  const hole: DeviceRule[] = [{ allow: true, type: 'c', major: 1 }, { allow: false, type: 'c', major: 1, minor: 3, access: 'w' }];
  const parts: DeviceRule[] = [{ allow: true, type: 'c', major: 9, minor: 9, access: 'r' }, { allow: true, type: 'c', major: 9, minor: 9, access: 'w' }];
  const open: DeviceRule[] = [{ allow: true }, { allow: false, type: 'b', major: 8 }];
  const rows: readonly [string, readonly DeviceRule[], 'c' | 'b', number, number, string, boolean][] = [
    ['default: null rw', D, 'c', 1, 3, 'rw', true],
    ['default: block 1:3', D, 'b', 1, 3, 'r', false],
    ['default: kmsg', D, 'c', 1, 11, 'r', false],
    ['default: mknod of anything', D, 'b', 8, 0, 'm', true],
    ['default: disk read', D, 'b', 8, 0, 'r', false],
    ['default: pts', D, 'c', 136, 7, 'rw', true],
    ['read only: r', readOnly, 'b', 8, 0, 'r', true],
    ['read only: rw', readOnly, 'b', 8, 0, 'rw', false],
    ['hole: r', hole, 'c', 1, 3, 'r', true],
    ['hole: rw', hole, 'c', 1, 3, 'rw', false],
    ['hole: neighbour', hole, 'c', 1, 5, 'rw', true],
    ['two parts make rw', parts, 'c', 9, 9, 'rw', true],
    ['open: anything', open, 'c', 10, 200, 'rwm', true],
    ['open: except', open, 'b', 8, 1, 'r', false],
    ['empty: nothing', [], 'c', 1, 3, 'r', false],
  ];
  it.each(rows)('%s', (_name, rules, type, major, minor, access, expected) => {
    expect(allowed(rules, type, major, minor, access)).toBe(expected);
  });
});

describe('deviceWritesV1', () => {
  const text = (rules: readonly DeviceRule[]): string[] => deviceWritesV1(rules).map((w) => `${w.file} ${w.data}`);
  it('default list', () => {
    expect(text(DEFAULT_DEVICE_RULES).slice(0, 4)).toEqual(['devices.deny a', 'devices.allow c *:* m', 'devices.allow b *:* m', 'devices.allow c 1:3 rwm']);
  });
  it('untouched without a list', () => {
    expect(text(effectiveDeviceRules(undefined))).toEqual([]);
  });
  it('privileged: every device, defaults add nothing', () => {
    expect(text(effectiveDeviceRules([{ allow: true, access: 'rwm' }]))).toEqual(['devices.allow a']);
  });
  it('takes an exception back', () => {
    expect(text([{ allow: true, type: 'c', major: 1, minor: 3 }, { allow: false, type: 'c', major: 1, minor: 3, access: 'w' }])).toEqual(['devices.deny a', 'devices.allow c 1:3 rm']);
  });
  it('refuses a hole in a wider rule', () => {
    expect(() => deviceWritesV1([{ allow: true, type: 'c', major: 1 }, { allow: false, type: 'c', major: 1, minor: 3 }])).toThrow(/rule inside a rule/);
  });
});
