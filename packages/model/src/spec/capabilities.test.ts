import { expect, it } from 'vitest';
import { allCapabilities, CAPABILITY_NUMBERS, DEFAULT_CAPABILITIES, normalizeCapability } from './capabilities.ts';

it('numbers capabilities as linux/capability.h does', () => {
  expect(CAPABILITY_NUMBERS).toMatchObject({ CAP_CHOWN: 0, CAP_SETPCAP: 8, CAP_SYS_ADMIN: 21, CAP_SETFCAP: 31, CAP_AUDIT_READ: 37, CAP_CHECKPOINT_RESTORE: 40 });
  expect(Object.keys(CAPABILITY_NUMBERS)).toHaveLength(41);
});

it('has fourteen defaults, all known', () => {
  expect(DEFAULT_CAPABILITIES).toHaveLength(14);
  expect(DEFAULT_CAPABILITIES.filter((name) => CAPABILITY_NUMBERS[name] === undefined)).toEqual([]);
});

it.each([['net_admin', 'CAP_NET_ADMIN'], ['CAP_CHOWN', 'CAP_CHOWN'], [' kill ', 'CAP_KILL']])('reads %s as %s', (text, name) => {
  expect(normalizeCapability(text)).toBe(name);
});

it('stops at the last capability that the kernel knows', () => {
  expect(allCapabilities(2)).toEqual(['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH']);
});
