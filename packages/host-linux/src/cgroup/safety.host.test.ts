import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openLinux } from '../index.ts';
import { createCgroup } from './manage.ts';
import { directoryIn } from './place.ts';

const facts = openLinux().facts();
const pids = facts.cgroup.hierarchies.find(({ controllers, parent }) => controllers.includes('pids') && parent !== undefined);
const usable = facts.privileged && pids !== undefined;

describe.skipIf(!usable)(usable ? 'cgroups of others' : 'cgroups of others (needs root and a pids controller)', () => {
  it('are refused when processes live in them or below them, and left alone', () => {
    const path = `/tsc-box-safety-${String(process.pid)}`;
    const below = `${directoryIn(pids!, path)}/child`;
    mkdirSync(below, { recursive: true });
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    writeFileSync(`${below}/cgroup.procs`, String(child.pid));
    try {
      expect(() => createCgroup(facts, path, {})).toThrow(/processes live in it or below it/);
      expect(readFileSync(`/proc/${String(child.pid)}/stat`, 'utf8')).toContain('sleep');
    } finally {
      writeFileSync(`${directoryIn(pids!, '')}/cgroup.procs`, String(child.pid));
      child.kill();
      rmdirSync(below);
      rmdirSync(directoryIn(pids!, path));
    }
  });

  it('are never the root', () => {
    expect(() => createCgroup(facts, '/', {})).toThrow(/root of the cgroups/);
  });

  it('made above the container\'s own go when the launch fails', () => {
    const path = `/tsc-box-levels-${String(process.pid)}/a/b`;
    expect(() => createCgroup(facts, path, { unified: { 'no.such': '1' } })).toThrow(/no\.such|unified|no controller no/);
    expect(existsSync(directoryIn(pids!, `/tsc-box-levels-${String(process.pid)}`))).toBe(false);
  });
});

describe('the directory of a container', () => {
  it('lies below the delegated cgroup for an ordinary user', () => {
    expect(directoryIn({ mountpoint: '/sys/fs/cgroup', version: 2, controllers: [], own: '/user/x', parent: '/user/x' }, '/tsc-box/1')).toBe('/sys/fs/cgroup/user/x/tsc-box/1');
    expect(directoryIn({ mountpoint: '/sys/fs/cgroup', version: 2, controllers: [], own: '/', parent: '/' }, '/tsc-box/1')).toBe('/sys/fs/cgroup/tsc-box/1');
  });
});
