import { describe, expect, it } from 'vitest';
import type { Spec } from '../spec/spec.ts';
import { ROOT_FACTS } from '../plan/facts.testing.ts';
import { execProcess, type ExecContext, type ExecOptions } from './exec.ts';

const FILES: Readonly<Record<string, string>> = {
  '/etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001::/home/ann:/bin/sh\nbob:x:1002:1002::/home/bob:/bin/sh\n',
  '/etc/group': 'root:x:0:\nann:x:1001:\nvideo:x:44:ann\n',
};
const context: ExecContext = { facts: ROOT_FACTS, hostEnv: { ON_HOST: 'yes' }, cwd: '/', readHostFile: (path) => (path === '/env' ? 'F=1\n' : undefined), readRootFile: (path) => FILES[path] };
const caps = ['CAP_CHOWN', 'CAP_KILL'];
const container: Spec = {
  ociVersion: '1.2.0',
  process: {
    args: ['sleep'], cwd: '/srv', env: ['PATH=/bin', 'HOME=/root', 'A=1'], user: { uid: 0, gid: 0, umask: 0o27 }, terminal: true, consoleSize: { height: 1, width: 2 }, noNewPrivileges: true,
    capabilities: { bounding: caps, effective: caps, permitted: caps, inheritable: [], ambient: [] }, rlimits: [{ type: 'RLIMIT_NOFILE', soft: 5, hard: 6 }], oomScoreAdj: 7,
  },
};
const of = (options: ExecOptions): ReturnType<typeof execProcess> => execProcess(container, ['id'], options, context);

describe('the process of exec', () => {
  it('is like the container\'s own, without its terminal', () => {
    const { terminal: _terminal, consoleSize: _size, ...rest } = container.process ?? { cwd: '', user: { uid: 0, gid: 0 } };
    expect(of({})).toEqual({ ...rest, args: ['id'], terminal: false });
  });

  it('keeps the environment of the container, and sets what is given over it (crun NEWS 1.28)', () => {
    expect(of({ env: ['A=2', 'B=b=c', 'ON_HOST', 'NOT_ON_HOST'], envFiles: ['/env'] }).env).toEqual(['PATH=/bin', 'HOME=/root', 'A=2', 'F=1', 'B=b=c', 'ON_HOST=yes']);
    expect(of({ terminal: true }).env).toEqual(['PATH=/bin', 'HOME=/root', 'A=1', 'TERM=xterm']);
  });

  it.each([
    ['ann', { uid: 1000, gid: 1001, additionalGids: [1001, 44], username: 'ann', umask: 0o27 }, '/home/ann'],
    ['1000', { uid: 1000, gid: 1001, additionalGids: [1001, 44], username: 'ann', umask: 0o27 }, '/home/ann'],
    ['ann:video', { uid: 1000, gid: 44, additionalGids: [44], username: 'ann', umask: 0o27 }, '/home/ann'],
    ['77', { uid: 77, gid: 0, additionalGids: [0], umask: 0o27 }, '/'],
  ])('looks the user %s up in the container, with groups and home (podman#25610, runc#4688)', (user, expected, home) => {
    const process = of({ user });
    expect(process.user).toEqual(expected);
    expect(process.env).toContain(`HOME=${home}`);
    expect(process.capabilities?.effective ?? []).toEqual([]);
    expect(process.capabilities?.bounding).toEqual(caps);
  });

  it('keeps a HOME that was set by hand', () => {
    const own = { ...container, process: { ...container.process, cwd: '/', user: { uid: 0, gid: 0 }, env: ['HOME=/data'] } };
    expect(execProcess(own, ['id'], { user: 'ann' }, context).env).toEqual(['HOME=/data']);
  });

  it.each([
    [{ user: 'nobody-here' }, 'find the user "nobody-here"'], [{ workdir: 'rel' }, 'read --workdir: found "rel"'], [{ env: ['=x'] }, 'read --env'], [{ envFiles: ['/none'] }, 'read the env file "/none"'],
  ])('refuses %j', (options, message) => {
    expect(() => of(options)).toThrow(message);
  });

  it('has every capability when it is privileged', () => {
    const process = of({ privileged: true });
    expect(process.capabilities?.bounding).toContain('CAP_SYS_ADMIN');
    expect(process.noNewPrivileges).toBe(false);
  });
});
