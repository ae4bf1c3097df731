import { readFileSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Spec, SpecResources } from '../../packages/model/src/index.ts';
import { makeHome, refusal } from '../cli/command.ts';
import { missingCommand } from '../images/cache.ts';
import { writeBundle } from './bundle.ts';

const why = refusal();
const v2 = why === undefined && readdirSync('/sys/fs/cgroup').includes('cgroup.controllers');
const hasSwap = why === undefined && readFileSync('/proc/swaps', 'utf8').trimEnd().includes('\n');
const noBusybox = missingCommand('busybox') === undefined ? undefined : 'needs busybox';

/** Files of each version, as the container sees its own. On v1 the highest limit is a number: the largest multiple of a page. */
const FILES = v2
  ? { pids: '/sys/fs/cgroup/pids.max', memory: '/sys/fs/cgroup/memory.max', swap: '/sys/fs/cgroup/memory.swap.max' }
  : { pids: '/sys/fs/cgroup/pids/pids.max', memory: '/sys/fs/cgroup/memory/memory.limit_in_bytes', swap: '/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes' };
const NO_LIMIT = v2 ? 'max' : '9223372036854771712';
const MIB_32 = 33_554_432;
/** A limit of memory and swap together as the kernel's file has it: v2 counts swap alone. */
const swapFile = (together: number): string => String(v2 ? together - MIB_32 : together);

describe('cgroups', () => {
  const home = why === undefined ? makeHome() : undefined;
  afterAll(() => home?.remove());
  const title = (text: string, reason = why): string => (reason === undefined ? text : `${text} (${reason})`);
  const read = (file: string, ...flags: readonly string[]) => home!.run(['run', '--rm', ...flags, 'host', 'cat', ...file.split(' ')]);
  let count = 0;
  /** Runs a bundle with these resources, which the fields of a config.json give. */
  const readBundle = (file: string, resources: SpecResources): string => {
    const directory = join(home!.directory, `bundle-${String(count++)}`);
    const mounts = [{ destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['ro'] }, { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['ro'] }];
    const change = (spec: Spec): Spec => ({ ...spec, mounts: [...spec.mounts ?? [], ...mounts], linux: { ...spec.linux, cgroupsPath: `/tsc-box/case-${String(process.pid)}-${String(count)}`, resources } });
    const result = home!.run(['run', '--rm', '--bundle', writeBundle(directory, `cat ${file}`, change)]);
    expect(result).toMatchObject({ code: 0, stderr: '' });
    return result.stdout;
  };

  it.skipIf(why !== undefined)(title('case 26 (podman#29422): --pids-limit -1 and 0 are no limit, and a number is itself'), () => {
    expect(['-1', '0', '7'].map((limit) => read(FILES.pids, '--pids-limit', limit).stdout)).toEqual(['max\n', 'max\n', '7\n']);
  });

  const bundles = why ?? noBusybox;
  it.skipIf(bundles !== undefined)(title('case 26 (runc#5004): in a bundle -1 is no limit, and an absent one is not touched', bundles), () => {
    expect([readBundle(FILES.pids, { pids: { limit: -1 } }), readBundle(FILES.pids, {})]).toEqual(['max\n', 'max\n']);
  });

  it.skipIf(bundles !== undefined)(title('case 27 (runc#2369, #2405): memory.limit and swap that are the same leave no swap; swap is what exceeds memory', bundles), () => {
    const both = `${FILES.memory} ${FILES.swap}`;
    expect(readBundle(both, { memory: { limit: MIB_32, swap: MIB_32 } })).toBe(`${String(MIB_32)}\n${swapFile(MIB_32)}\n`);
    expect(readBundle(both, { memory: { limit: MIB_32, swap: 33_558_528 } })).toBe(`${String(MIB_32)}\n${swapFile(33_558_528)}\n`);
    expect(read(both, '--memory', '32m', '--memory-swap', '32m').stdout).toBe(`${String(MIB_32)}\n${swapFile(MIB_32)}\n`);
  });

  it.skipIf(bundles !== undefined)(title('case 28 (runc#2288, #4357, #2426): memory -1 without swap lifts both limits', bundles), () => {
    expect(readBundle(`${FILES.memory} ${FILES.swap}`, { memory: { limit: -1 } })).toBe(`${NO_LIMIT}\n${NO_LIMIT}\n`);
    expect(read(`${FILES.memory} ${FILES.swap}`, '-m', '32m', '--memory-swap', '-1').stdout).toBe(`${String(MIB_32)}\n${NO_LIMIT}\n`);
  });

  const swapless = why ?? (hasSwap ? 'needs a host without swap' : undefined);
  it.skipIf(swapless !== undefined)(title('case 28 (runc#4188): --memory alone is no error on a host without swap', swapless), () => {
    expect(read(FILES.memory, '--memory', '32m')).toMatchObject({ code: 0, stderr: '', stdout: `${String(MIB_32)}\n` });
  });

  it.skipIf(why !== undefined)(title('case 33 (moby#28456): more CPUs than there are is said in CPUs'), () => {
    const cpus = availableParallelism();
    const result = home!.run(['run', '--rm', '--cpus', String(cpus + 1), 'host', 'true']);
    expect(result.code).toBe(125);
    expect(result.stderr).toMatch(new RegExp(`found "${String(cpus + 1)}".*0\\.01 to \\d+ CPUs`));
    expect(result.stderr).not.toMatch(/\d{6}/);
  });

  it.skipIf(why !== undefined)(title('case 34 (containerd#6323, podman#13102): a process 1 that memory ran out for is said to be killed by that'), () => {
    const result = home!.run(['run', '--name', 'hungry', '--memory', '16m', '--memory-swap', '16m', 'host', 'sh', '-c', 'x=$(head -c 100000000 /dev/zero | tr "\\0" x); echo survived']);
    expect(result).toMatchObject({ code: 137, stdout: '', stderr: expect.stringContaining('memory limit was reached') });
    expect(home!.run(['ps', '-a']).stdout).toMatch(/Exited \(137, out of memory\).*hungry/);
  });

  it.skipIf(why !== undefined)(title('case 34: a child that memory ran out for is told by a warning, and the command\'s own code is kept'), () => {
    const result = home!.run(['run', '--rm', '--memory', '24m', '--memory-swap', '24m', 'host', 'sh', '-c', 'sh -c \'x=$(head -c 100000000 /dev/zero | tr "\\0" x)\'; echo $?; exit 3']);
    expect(result).toMatchObject({ code: 3, stdout: '137\n', stderr: expect.stringContaining('memory limit was reached') });
  });

  it.skipIf(why !== undefined)(title('case 34 (podman#1579): a limit too small for the command to start in says so, and is not called stopped'), () => {
    const result = home!.run(['run', '--rm', '--memory', '512k', '--memory-swap', '512k', 'host', process.execPath, '-e', '0']);
    expect([125, 137]).toContain(result.code);
    expect(result.stderr).toMatch(/memory/);
    expect(result.stderr).not.toMatch(/stopped/);
  });
});
