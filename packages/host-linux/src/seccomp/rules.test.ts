import { describe, expect, it } from 'vitest';
import { actionNumber, seccompRules } from './rules.ts';

describe('seccompRules', () => {
  it.each([
    ['SCMP_ACT_KILL', undefined, 0],
    ['SCMP_ACT_KILL_PROCESS', undefined, 0x80000000],
    ['SCMP_ACT_ERRNO', undefined, 0x00050001],
    ['SCMP_ACT_ERRNO', 38, 0x00050026],
    ['SCMP_ACT_TRACE', 7, 0x7ff00007],
    ['SCMP_ACT_LOG', undefined, 0x7ffc0000],
    ['SCMP_ACT_ALLOW', 5, 0x7fff0000],
  ])('%s %s', (action, errno, number) => {
    expect(actionNumber(action, errno, 'p.action')).toBe(number);
  });
  it('refuses notify, unknown actions, wide errnos, unknown operators', () => {
    expect(() => actionNumber('SCMP_ACT_NOTIFY', undefined, 'p')).toThrow(expect.objectContaining({ code: 'ERR_TSCBOX_UNSUPPORTED' }));
    expect(() => actionNumber('NO', undefined, 'p.action')).toThrow(expect.objectContaining({ pointer: 'p.action' }));
    expect(() => actionNumber('SCMP_ACT_ERRNO', 70000, 'p.action')).toThrow(expect.objectContaining({ pointer: 'p.errnoRet' }));
    expect(() => seccompRules({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['read'], action: 'SCMP_ACT_LOG', args: [{ index: 0, value: 1, op: '==' }] }] })).toThrow(expect.objectContaining({ pointer: 'linux.seccomp.syscalls[0].args[0].op' }));
  });
  it('answers clone3 with ENOSYS unless it is named or everything is allowed', () => {
    expect(seccompRules({ defaultAction: 'SCMP_ACT_ERRNO' }).rules).toEqual([{ name: 'clone3', action: 0x00050026, comparisons: [] }]);
    expect(seccompRules({ defaultAction: 'SCMP_ACT_ALLOW' }).rules).toEqual([]);
    expect(seccompRules({ defaultAction: 'SCMP_ACT_ERRNO', syscalls: [{ names: ['clone3'], action: 'SCMP_ACT_ALLOW' }] }).rules).toHaveLength(1);
  });
  it('two conditions on one argument are two rules, on two arguments one', () => {
    const count = (indexes: readonly number[]): number => seccompRules({ defaultAction: 'SCMP_ACT_LOG', syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW', args: indexes.map((index) => ({ index, value: -1, op: 'SCMP_CMP_EQ' })) }] }).rules.length;
    expect([count([0, 0]), count([0, 1])]).toEqual([2, 1]);
  });
});
