/** Other runtimes are asked whether what we make is a spec that runs. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT_FACTS, testContext } from './context.testing.ts';
import type { RunOptions } from './run-options.ts';
import { specFromOptions } from './spec-from-options.ts';

const BUSYBOX = '/bin/busybox';
const isRoot = process.getuid?.() === 0;
/** crun 1.8 refuses to run at all where v1 and v2 hierarchies are mixed. */
const hybrid = existsSync('/sys/fs/cgroup/unified/cgroup.controllers');

function hasCommand(name: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((dir) => existsSync(join(dir, name)));
}

/** Runs the shell script in a bundle whose root holds busybox only, with the runtime's state in the same temporary directory. */
function runBundle(runtime: string, options: RunOptions, script: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'tsc-box-bundle-'));
  const id = `tsc-box-peer-${process.pid}-${Date.now().toString(36)}`;
  try {
    mkdirSync(join(dir, 'rootfs/bin'), { recursive: true });
    copyFileSync(BUSYBOX, join(dir, 'rootfs/bin/busybox'));
    for (const name of ['sh', 'id', 'grep', 'cat', 'hostname', 'stat']) symlinkSync('busybox', join(dir, 'rootfs/bin', name));
    // Swap is left alone: whether it is accounted differs from host to host.
    const context = testContext({ id, facts: { ...ROOT_FACTS, swap: false }, hostPath: (path) => (existsSync(path) ? { kind: statSync(path).isDirectory() ? 'directory' : 'file' } : undefined) });
    const { spec } = specFromOptions(options, ['/bin/sh', '-ec', script], undefined, context);
    writeFileSync(join(dir, 'config.json'), JSON.stringify(spec));
    return execFileSync(runtime, ['--root', join(dir, 'state'), 'run', id], { cwd: dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000 });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

for (const runtime of ['runc', 'crun']) {
  const lacking = !isRoot || !existsSync(BUSYBOX) || !hasCommand(runtime) || (runtime === 'crun' && hybrid);
  const needs = `needs root, ${runtime}, a static busybox${runtime === 'crun' ? ' and a host without hybrid cgroups' : ''}`;
  it.skipIf(lacking)(`${runtime} runs a container from our default spec (${needs})`, () => {
    expect(runBundle(runtime, { hostname: 'box' }, 'id; hostname; grep -E "CapEff|Seccomp:" /proc/self/status')).toMatch(/uid=0.*\nbox\nCapEff:\t00000000a80425fb\nSeccomp:\t2\n/);
  });
  it.skipIf(lacking)(`${runtime} runs a container from our spec with limits, mounts and a user (${needs})`, () => {
    const options: RunOptions = {
      readOnly: true, user: '5:6', ulimits: ['nofile=100:200'], sysctls: ['net.core.somaxconn=77'], tmpfs: ['/t:size=64k,exec'], volumes: ['/usr:/data:ro'], capAdd: ['SYS_ADMIN'], securityOpt: ['no-new-privileges'], env: ['A=b=c'],
    };
    const text = runBundle(runtime, options, 'id -u; id -g; ulimit -n; cat /proc/sys/net/core/somaxconn; stat -c %a /t; echo $A; grep -E "CapBnd|NoNewPrivs" /proc/self/status; grep " /data " /proc/self/mounts');
    expect(text).toMatch(/^5\n6\n100\n77\n1777\nb=c\nCapBnd:\t00000000a82425fb\nNoNewPrivs:\t1\n.* \/data \S+ ro,/);
  });
}
