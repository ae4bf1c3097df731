/**
 * The device program of a cgroup v2 (bpf(2); include/uapi/linux/bpf.h: struct bpf_insn, struct bpf_cgroup_dev_ctx).
 * It keeps in r3 the access bits still undecided and walks the entries from last to first: an allowing entry takes its bits away
 * (none left: allow), a denying one refuses when it holds one of them. What is left at the end gets the default.
 */
import { resolveDeviceRules, type DeviceEntry } from './devices.ts';
import type { DeviceRule } from '../spec/spec.ts';

/** Opcodes used, by the names of linux/bpf.h. */
export const BPF = { LDX_MEM_W: 0x61, MOV32_REG: 0xbc, MOV64_IMM: 0xb7, AND32_IMM: 0x54, RSH32_IMM: 0x74, JA: 0x05, JNE_IMM: 0x55, JSET_IMM: 0x45, EXIT: 0x95 } as const;

interface Insn {
  readonly op: number;
  readonly dst: number;
  readonly src: number;
  readonly off: number;
  readonly imm: number;
}

const insn = (op: number, dst: number, src: number, off: number, imm: number): Insn => ({ op, dst, src, off, imm });
const DEVICE_TYPE = { b: 1, c: 2 } as const;

/** Raw `struct bpf_insn` array, little-endian. Ctx: access_type = access << 16 | type, major, minor. */
export function assembleDeviceProgram(rules: readonly DeviceRule[]): Uint8Array<ArrayBuffer> {
  const { defaultAllow, entries } = resolveDeviceRules(rules);
  const program: Insn[] = [
    insn(BPF.LDX_MEM_W, 2, 1, 0, 0), // r2 = access_type
    insn(BPF.MOV32_REG, 3, 2, 0, 0),
    insn(BPF.AND32_IMM, 2, 0, 0, 0xffff), // r2 = device type
    insn(BPF.RSH32_IMM, 3, 0, 0, 16), // r3 = access bits
    insn(BPF.LDX_MEM_W, 4, 1, 4, 0), // r4 = major
    insn(BPF.LDX_MEM_W, 5, 1, 8, 0), // r5 = minor
  ];
  for (const entry of entries.toReversed()) program.push(...entryInsns(entry));
  program.push(...answer(defaultAllow));
  return encode(program);
}

function answer(allowed: boolean): readonly Insn[] {
  return [insn(BPF.MOV64_IMM, 0, 0, 0, allowed ? 1 : 0), insn(BPF.EXIT, 0, 0, 0, 0)];
}

function entryInsns(entry: DeviceEntry): readonly Insn[] {
  const decide: readonly Insn[] = entry.allow
    ? [insn(BPF.AND32_IMM, 3, 0, 0, 7 & ~entry.access), insn(BPF.JNE_IMM, 3, 0, 2, 0), ...answer(true)]
    : [insn(BPF.JSET_IMM, 3, 0, 1, entry.access), insn(BPF.JA, 0, 0, 2, 0), ...answer(false)];
  const checks: Insn[] = [];
  if (entry.minor >= 0) checks.unshift(insn(BPF.JNE_IMM, 5, 0, decide.length + checks.length, entry.minor));
  if (entry.major >= 0) checks.unshift(insn(BPF.JNE_IMM, 4, 0, decide.length + checks.length, entry.major));
  checks.unshift(insn(BPF.JNE_IMM, 2, 0, decide.length + checks.length, DEVICE_TYPE[entry.type]));
  return [...checks, ...decide];
}

function encode(program: readonly Insn[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach(({ op, dst, src, off, imm }, index) => {
    view.setUint8(index * 8, op);
    view.setUint8(index * 8 + 1, (src << 4) | dst);
    view.setInt16(index * 8 + 2, off, true);
    view.setInt32(index * 8 + 4, imm, true);
  });
  return bytes;
}
