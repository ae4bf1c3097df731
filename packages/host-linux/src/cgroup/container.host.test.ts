import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { probeFacts } from '../facts/probe.ts';
import { containerCgroup } from './container.ts';
import { createCgroup } from './manage.ts';

const facts = process.platform === 'linux' ? probeFacts() : undefined;
const usable = facts?.privileged === true && facts.cgroup.hierarchies.some(({ parent }) => parent !== undefined);

describe('the cgroup of a container, from outside (needs root and cgroups)', () => {
  it.skipIf(!usable)('tells use and limits, lists, freezes and thaws its processes, and takes new limits', async () => {
    const path = `/tsc-box/outside-${String(process.pid)}`;
    const made = createCgroup(facts!, path, { memory: { limit: 64 * 2 ** 20 }, pids: { limit: 7 } });
    const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
    try {
      await once(child, 'spawn');
      for (const directory of made.directories) writeFileSync(`${directory}/cgroup.procs`, String(child.pid));
      const cgroup = containerCgroup(facts!, path);
      expect(cgroup.stats()).toMatchObject({ memoryLimit: 64 * 2 ** 20, pids: 1, pidsLimit: 7, oomKills: 0 });
      expect(cgroup.processes()).toMatchObject([{ pid: child.pid, parent: process.pid, uid: 0, command: 'sleep 1000' }]);
      expect(Math.abs((cgroup.processes()[0]?.startedAt ?? 0) - Date.now())).toBeLessThan(30_000);
      cgroup.freeze();
      expect(cgroup.frozen()).toBe(true);
      cgroup.thaw();
      expect(cgroup.frozen()).toBe(false);
      cgroup.update({ memory: { limit: 32 * 2 ** 20 }, pids: { limit: 9 } });
      expect(cgroup.stats()).toMatchObject({ memoryLimit: 32 * 2 ** 20, pidsLimit: 9 });
    } finally {
      made.kill();
      made.remove();
    }
    expect(containerCgroup(facts!, path).stats()).toEqual({});
  });
});
