/** An OCI seccomp profile as the numbers libseccomp takes. Pure. Source: OCI config-linux.md "Seccomp"; linux/seccomp.h; seccomp.h. */
import { SpecError, UnsupportedError, type SpecSeccomp, type SpecSyscall } from '@tsc-box/model';
import type { ArgumentComparison } from './libseccomp.unsafe.ts';

const EPERM = 1;
const ENOSYS = 38;
const ACTIONS: Readonly<Record<string, number>> = {
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
};
const ACTIONS_WITH_DATA: Readonly<Record<string, number>> = { SCMP_ACT_ERRNO: 0x00050000, SCMP_ACT_TRACE: 0x7ff00000 };
const OPERATORS: Readonly<Record<string, number>> = { SCMP_CMP_NE: 1, SCMP_CMP_LT: 2, SCMP_CMP_LE: 3, SCMP_CMP_EQ: 4, SCMP_CMP_GE: 5, SCMP_CMP_GT: 6, SCMP_CMP_MASKED_EQ: 7 };
const DENIES = new Set(['SCMP_ACT_ERRNO', 'SCMP_ACT_KILL', 'SCMP_ACT_KILL_THREAD', 'SCMP_ACT_KILL_PROCESS', 'SCMP_ACT_TRAP']);

export interface Rule {
  readonly name: string;
  readonly action: number;
  readonly comparisons: readonly ArgumentComparison[];
}

export interface RuleList {
  readonly defaultAction: number;
  /** libseccomp's names: `x86_64`, `x86`, `x32`. */
  readonly architectures: readonly string[];
  readonly rules: readonly Rule[];
}

export function seccompRules(profile: SpecSeccomp): RuleList {
  const defaultAction = actionNumber(profile.defaultAction, profile.defaultErrnoRet, 'linux.seccomp.defaultAction');
  const rules = (profile.syscalls ?? []).flatMap((syscall, index) => syscallRules(syscall, `linux.seccomp.syscalls[${String(index)}]`));
  const named = new Set(rules.map(({ name }) => name));
  // A C library tries clone3 and falls back to clone only for ENOSYS; the arguments can't be filtered (they are in memory).
  if (DENIES.has(profile.defaultAction) && !named.has('clone3')) rules.push({ name: 'clone3', action: 0x00050000 | ENOSYS, comparisons: [] });
  return {
    defaultAction,
    architectures: (profile.architectures ?? []).map((name, index) => architectureName(name, index)),
    // libseccomp refuses a rule that says what the default says.
    rules: rules.filter(({ action }) => action !== defaultAction),
  };
}

export function actionNumber(action: string, errnoRet: number | undefined, pointer: string): number {
  if (action === 'SCMP_ACT_NOTIFY') throw new UnsupportedError({ attempted: `use SCMP_ACT_NOTIFY of ${pointer}`, reason: 'tsc-box does not pass a seccomp listener to another process', hint: 'use SCMP_ACT_ERRNO or SCMP_ACT_TRACE, or a runtime with listenerPath, such as runc' });
  const plain = ACTIONS[action];
  if (plain !== undefined) return plain;
  const base = ACTIONS_WITH_DATA[action];
  if (base === undefined) throw new SpecError({ pointer, detail: `found "${action}", allowed: ${[...Object.keys(ACTIONS), ...Object.keys(ACTIONS_WITH_DATA)].join(', ')}` });
  const data = errnoRet ?? EPERM;
  if (!Number.isInteger(data) || data < 0 || data > 0xffff) throw new SpecError({ pointer: pointer.replace(/[aA]ction$/, (word) => (word === 'action' ? 'errnoRet' : 'ErrnoRet')), detail: `found ${String(data)}, allowed: 0 to 65535` });
  return base | data;
}

function architectureName(name: string, index: number): string {
  if (/^SCMP_ARCH_[A-Z0-9_]+$/.test(name)) return name.slice('SCMP_ARCH_'.length).toLowerCase();
  throw new SpecError({ pointer: `linux.seccomp.architectures[${String(index)}]`, detail: `found "${name}", allowed: SCMP_ARCH_X86_64, SCMP_ARCH_AARCH64 and so on` });
}

/** Conditions on different arguments hold together; several on one argument are alternatives, a rule each, as runc has it. */
function syscallRules(syscall: SpecSyscall, pointer: string): Rule[] {
  const action = actionNumber(syscall.action, syscall.errnoRet, `${pointer}.action`);
  const comparisons = (syscall.args ?? []).map(({ index, op, value, valueTwo }, at): ArgumentComparison => {
    const operator = OPERATORS[op];
    if (operator === undefined) throw new SpecError({ pointer: `${pointer}.args[${String(at)}].op`, detail: `found "${op}", allowed: ${Object.keys(OPERATORS).join(', ')}` });
    if (!Number.isInteger(index) || index < 0 || index > 5) throw new SpecError({ pointer: `${pointer}.args[${String(at)}].index`, detail: `found ${String(index)}, allowed: 0 to 5` });
    return { arg: index, op: operator, datum_a: BigInt.asUintN(64, BigInt(value)), datum_b: BigInt.asUintN(64, BigInt(valueTwo ?? 0)) };
  });
  const repeated = new Set(comparisons.map(({ arg }) => arg)).size < comparisons.length;
  const sets = repeated ? comparisons.map((comparison) => [comparison]) : [comparisons];
  return syscall.names.flatMap((name) => sets.map((set) => ({ name, action, comparisons: set })));
}
