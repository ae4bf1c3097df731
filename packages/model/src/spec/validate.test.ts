import { describe, expect, it } from 'vitest';
import { SpecError, UnsupportedError } from '../errors/box-error.ts';
import { byteLength, parseSpec } from './validate.ts';

const base = { ociVersion: '1.2.0', process: { cwd: '/', args: ['true'] }, linux: { namespaces: [{ type: 'uts' }, { type: 'mount' }] } };

function pointerOf(value: unknown): string {
  try {
    parseSpec(value);
  } catch (error) {
    if (error instanceof SpecError) return `${error.pointer}: ${error.detail ?? ''}`;
    throw error;
  }
  return 'accepted';
}

describe('parseSpec', () => {
  it('fills in what other tools leave out, ignores unknown fields and takes null for absent', () => {
    const { spec, warnings } = parseSpec({ ...base, hooks: null, extension: { x: 1 }, process: { cwd: '/', args: null }, linux: { namespaces: [{ type: 'pid', path: '' }] } });
    expect(spec).toEqual({ ociVersion: '1.2.0', process: { cwd: '/', user: { uid: 0, gid: 0 } }, linux: { namespaces: [{ type: 'pid' }] } });
    expect(warnings).toEqual([]);
  });

  it.each([
    ['not an object', 7, '(top): found 7, allowed: an object'],
    ['no version', {}, 'ociVersion: found nothing, allowed: a value: this field is required'],
    ['another version', { ociVersion: '2.0.0' }, 'ociVersion: found "2.0.0", allowed: a version 1.x.y'],
    ['an argument that is no string', { ...base, process: { cwd: '/', args: ['a', 7] } }, 'process.args[1]: found 7, allowed: a string'],
    ['an argument with a NUL byte', { ...base, process: { cwd: '/', args: ['a\0b'] } }, 'process.args[0]: found "a\\u0000b", allowed: a string without NUL bytes'],
    ['case 7: a relative cwd', { ...base, process: { cwd: 'x' } }, 'process.cwd: found "x", allowed: an absolute path'],
    ['no cwd', { ...base, process: {} }, 'process.cwd: found nothing, allowed: a value: this field is required'],
    ['a uid out of range', { ...base, process: { cwd: '/', user: { uid: -1 } } }, 'process.user.uid: found -1, allowed: a whole number from 0 to 4294967294'],
    ['an annotation with dots in its key', { ...base, annotations: { 'org.x': 1 } }, 'annotations["org.x"]: found 1, allowed: a string'],
    ['an unknown namespace', { ...base, linux: { namespaces: [{ type: 'net' }] } }, 'linux.namespaces[0].type: found "net", allowed: pid, network, mount, ipc, uts, user, cgroup, time'],
    ['a namespace twice', { ...base, linux: { namespaces: [{ type: 'pid' }, { type: 'pid', path: '/x' }] } }, 'linux.namespaces[1].type: found "pid" a second time, allowed: each type once'],
    ['mappings without a user namespace', { ...base, linux: { uidMappings: [{ containerID: 0, hostID: 0, size: 1 }] } }, 'linux.uidMappings: found mappings without'],
    ['mappings that overlap', { ...base, linux: { namespaces: [{ type: 'user' }], uidMappings: [{ containerID: 0, hostID: 0, size: 10 }, { containerID: 9, hostID: 100, size: 1 }] } }, 'linux.uidMappings[1].containerID: found ids 9 to 9 that overlap'],
    ['time offsets without a namespace', { ...base, linux: { timeOffsets: { monotonic: { secs: 1 } } } }, 'linux.timeOffsets: found offsets without'],
    ['an unknown clock', { ...base, linux: { namespaces: [{ type: 'time' }], timeOffsets: { realtime: {} } } }, 'linux.timeOffsets.realtime: found the clock'],
    ['a limit twice', { ...base, process: { cwd: '/', rlimits: [{ type: 'RLIMIT_CORE', soft: 1, hard: 1 }, { type: 'RLIMIT_CORE', soft: 1, hard: 1 }] } }, 'process.rlimits[1].type: found "RLIMIT_CORE" a second time'],
    ['soft above hard', { ...base, process: { cwd: '/', rlimits: [{ type: 'RLIMIT_CORE', soft: 2, hard: 1 }] } }, 'process.rlimits[0].soft: found 2 above hard 1'],
    ['an unknown limit', { ...base, process: { cwd: '/', rlimits: [{ type: 'RLIMIT_X', soft: 2, hard: 1 }] } }, 'process.rlimits[0].type: found "RLIMIT_X", allowed: RLIMIT_AS'],
    ['a variable without =', { ...base, process: { cwd: '/', env: ['A'] } }, 'process.env[0]: found "A", allowed: NAME=VALUE'],
    ['case 61: an oom score out of range', { ...base, process: { cwd: '/', oomScoreAdj: 1001 } }, 'process.oomScoreAdj: found 1001, allowed: a whole number from -1000 to 1000'],
    ['a device without numbers', { ...base, linux: { devices: [{ type: 'c', path: '/dev/x' }] } }, 'linux.devices[0]: found type "c" without numbers'],
    ['an unknown seccomp action', { ...base, linux: { seccomp: { defaultAction: 'ALLOW' } } }, 'linux.seccomp.defaultAction: found "ALLOW", allowed: SCMP_ACT_KILL'],
    ['a seccomp value that JSON can not hold', { ...base, linux: { seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['a'], action: 'SCMP_ACT_KILL', args: [{ index: 0, value: 2 ** 64, op: 'SCMP_CMP_EQ' }] }] } } }, 'linux.seccomp.syscalls[0].args[0].value: found 18446744073709552000'],
    ['a mapping that is a list', { ...base, linux: [] }, 'linux: found a list, allowed: an object'],
    ['a mount without destination', { ...base, mounts: [{}] }, 'mounts[0].destination: found nothing'],
    ['a host name without a uts namespace', { ...base, hostname: 'x', linux: {} }, 'hostname: found "x" without a uts namespace'],
  ])('refuses %s', (_, value, message) => {
    expect(pointerOf(value)).toContain(message);
  });

  it('case 62: a host name of 65 bytes is refused with the limit, 64 is fine', () => {
    expect(pointerOf({ ...base, hostname: 'a'.repeat(65) })).toBe('hostname: found 65 bytes, allowed: at most 64 bytes');
    expect(pointerOf({ ...base, hostname: 'é'.repeat(33) })).toBe('hostname: found 66 bytes, allowed: at most 64 bytes');
    expect(pointerOf({ ...base, hostname: 'a'.repeat(64), domainname: 'b'.repeat(64) })).toBe('accepted');
  });

  it('case 59: an unknown capability is left out with a warning', () => {
    const { spec, warnings } = parseSpec({ ...base, process: { cwd: '/', capabilities: { bounding: ['CAP_KILL', 'CAP_UNKNOWN'], effective: ['CAP_UNKNOWN'] } } });
    expect(spec.process?.capabilities).toEqual({ bounding: ['CAP_KILL'], effective: [] });
    expect(warnings).toEqual(['process.capabilities: unknown capability CAP_UNKNOWN is left out']);
  });

  it('cases 26 and 61: zero and absent are told apart', () => {
    const { spec } = parseSpec({ ...base, process: { cwd: '/', oomScoreAdj: 0 }, linux: { resources: { pids: { limit: 0 }, memory: {} } } });
    expect(spec.process?.oomScoreAdj).toBe(0);
    expect(spec.linux?.resources).toEqual({ pids: { limit: 0 }, memory: {} });
  });

  it('reads the greatest 64-bit numbers as no limit', () => {
    const value: unknown = JSON.parse('{"ociVersion":"1.0.2","process":{"cwd":"/","rlimits":[{"type":"RLIMIT_NPROC","soft":1,"hard":18446744073709551615}]},"linux":{"resources":{"memory":{"limit":9223372036854775807}}}}');
    const { spec } = parseSpec(value);
    expect(spec.process?.rlimits?.[0]?.hard).toBe(-1);
    expect(spec.linux?.resources?.memory?.limit).toBe(-1);
  });

  it('reads device numbers of -1 and an empty access as all', () => {
    const { spec } = parseSpec({ ...base, linux: { resources: { devices: [{ allow: true, type: 'c', major: -1, minor: 3, access: '' }] } } });
    expect(spec.linux?.resources?.devices).toEqual([{ allow: true, type: 'c', minor: 3, access: 'rwm' }]);
  });

  it('makes a relative mount destination absolute with a warning', () => {
    const { spec, warnings } = parseSpec({ ...base, mounts: [{ destination: 'data', type: 'tmpfs' }] });
    expect(spec.mounts?.[0]?.destination).toBe('/data');
    expect(warnings[0]).toContain('mounts[0].destination "data"');
  });

  it.each([
    ['process.apparmorProfile', { process: { cwd: '/', apparmorProfile: 'x' } }],
    ['linux.intelRdt', { linux: { intelRdt: {} } }],
    ['linux.seccomp.listenerPath', { linux: { seccomp: { defaultAction: 'SCMP_ACT_ALLOW', listenerPath: '/x' } } }],
    ['mounts[0].uidMappings', { mounts: [{ destination: '/x', uidMappings: [] }] }],
  ])('refuses to pass over %s', (pointer, part) => {
    expect(() => parseSpec({ ociVersion: '1.2.0', ...part })).toThrow(UnsupportedError);
    expect(() => parseSpec({ ociVersion: '1.2.0', ...part })).toThrow(`honour ${pointer}`);
  });

  it('is not fooled by names of Object.prototype', () => {
    expect(parseSpec(JSON.parse('{"ociVersion":"1.2.0","__proto__":{"hostname":"x"},"process":{"cwd":"/","capabilities":{"bounding":["constructor"]}}}')).spec.process?.capabilities?.bounding).toEqual([]);
  });

  it('counts bytes as UTF-8', () => expect(['a', 'é', '€', '😀'].map(byteLength)).toEqual([1, 2, 3, 4]));
});
