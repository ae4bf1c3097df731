/** Runs a classic BPF program on a struct seccomp_data, as the kernel would: for tests. Source: linux/filter.h, linux/bpf_common.h. */
export interface SeccompData {
  readonly number: number;
  readonly architecture: number;
  readonly args?: readonly bigint[];
}

export const AUDIT_ARCH = { x86_64: 0xc000003e, i386: 0x40000003, aarch64: 0xc00000b7 } as const;

export function runFilter(program: Uint8Array, data: SeccompData): number {
  const packet = new DataView(new ArrayBuffer(64));
  packet.setInt32(0, data.number, true);
  packet.setUint32(4, data.architecture, true);
  (data.args ?? []).forEach((value, index) => packet.setBigUint64(16 + index * 8, value, true));
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  let a = 0;
  for (let pc = 0; pc * 8 < program.length; pc += 1) {
    const op = code.getUint16(pc * 8, true);
    const [jt, jf, k] = [code.getUint8(pc * 8 + 2), code.getUint8(pc * 8 + 3), code.getUint32(pc * 8 + 4, true)];
    const jump = (taken: boolean): void => void (pc += taken ? jt : jf);
    if (op === 0x20) a = packet.getUint32(k, true);
    else if (op === 0x54) a = (a & k) >>> 0;
    else if (op === 0x05) pc += k;
    else if (op === 0x15) jump(a === k);
    else if (op === 0x25) jump(a > k);
    else if (op === 0x35) jump(a >= k);
    else if (op === 0x45) jump((a & k) !== 0);
    else if (op === 0x06) return k;
    else throw new Error(`opcode 0x${op.toString(16)}`);
  }
  throw new Error('ran off the end');
}
