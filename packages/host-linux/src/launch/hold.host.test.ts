import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile, type BoxError, type CompileOptions, type HeldProcess, type LaunchedProcess, type LaunchPlan, type Spec } from '@tsc-box/model';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openLinux } from '../index.ts';
import { makeRoot, makeSpec, readAll, whyNot, type Root } from './busybox.testing.ts';

const reason = whyNot();
const system = openLinux();
const title = reason === undefined ? 'a held process' : `a held process (${reason})`;

describe.skipIf(reason !== undefined)(title, () => {
  let root: Root;
  let directory = '';
  const launches: LaunchedProcess[] = [];
  beforeAll(() => void (root = makeRoot()));
  afterAll(() => root.remove());
  beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), 'tsc-box-hold-'))));
  afterEach(() => {
    for (const launched of launches.splice(0)) launched.cleanup();
    rmSync(directory, { recursive: true });
  });

  const create = (spec: Spec, options: Partial<CompileOptions> = {}): { readonly launched: LaunchedProcess; readonly held: HeldProcess; readonly plan: LaunchPlan } => {
    const plan = compile(spec, system.facts(), { id: 'test', root: { kind: 'directory', path: spec.root?.path ?? '' }, hold: true, ...options });
    const fifo = join(directory, 'fifo');
    const launched = system.launch({ plan, stdio: { stdin: 'null', stdout: 'pipe', stderr: 'pipe' }, hold: { fifo } });
    launches.push(launched);
    return { launched, plan, held: { pid: launched.pid, startTime: launched.startTime, fifo } };
  };
  const failing = (fields: object): BoxError => expect.objectContaining(fields) as BoxError;

  it('waits, set up and small, until it is started', async () => {
    const { launched, held, plan } = create(makeSpec(root, ['sh', '-c', 'echo started; ls /proc/$$/fd; exit 3']));
    const status = readFileSync(`/proc/${String(held.pid)}/status`, 'utf8');
    expect(Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1])).toBeLessThan(60);
    expect(readlinkSync(`/proc/${String(held.pid)}/exe`)).toContain('tsc-box-hold');
    expect(readFileSync(`/proc/${String(held.pid)}/cgroup`, 'utf8')).toContain('test-');
    system.start(held, plan);
    expect(await readAll(launched.stdout)).toBe('started\n0\n1\n2\n');
    expect(await launched.wait()).toEqual({ code: 3 });
    expect(() => system.start(held, plan)).toThrow(/does not wait/);
  });

  it('has the user, rights and filter of its spec', async () => {
    for (const noNewPrivileges of [true, false]) {
      const spec = makeSpec(root, ['sh', '-c', 'id -u; grep -E "CapBnd|CapEff|NoNewPrivs|Seccomp:" /proc/self/status; mkdir /tmp/x'], {
        process: { user: { uid: 1000, gid: 1000 }, noNewPrivileges },
        linux: { seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 }] } },
      });
      const { launched, held, plan } = create(spec);
      expect(readFileSync(`/proc/${String(held.pid)}/status`, 'utf8')).toMatch(/^Uid:\s+1000\s+1000/m);
      system.start(held, plan);
      expect(await readAll(launched.stdout)).toBe(`1000\nCapEff:\t0000000000000000\nCapBnd:\t00000000000000e1\nNoNewPrivs:\t${noNewPrivileges ? '1' : '0'}\nSeccomp:\t2\n`);
      expect(await readAll(launched.stderr)).toContain('Operation not permitted');
      await launched.wait();
      launched.cleanup();
      for (const name of readdirSync(directory)) rmSync(join(directory, name));
    }
  });

  it('tells at its start what can not be executed, as run does', async () => {
    for (const [command, code] of [['nope', 'ERR_TSCBOX_COMMAND_NOT_FOUND'], ['/etc', 'ERR_TSCBOX_COMMAND_NOT_EXECUTABLE']] as const) {
      const { held, plan, launched } = create(makeSpec(root, [command]));
      expect(() => system.start(held, plan)).toThrow(failing({ code }));
      expect(await launched.wait()).toEqual({ code: 127 });
      for (const name of readdirSync(directory)) rmSync(join(directory, name));
    }
  });

  it('tells at once what fails before it waits, and leaves nothing', () => {
    const fds = readdirSync('/proc/self/fd').length;
    expect(() => create(makeSpec(root, ['true'], { process: { cwd: '/none' } }))).toThrow(failing({ step: 'cwd' }));
    expect(() => create(makeSpec(root, ['true'], { process: { user: { uid: 0, gid: 0, additionalGids: [-1] } } }))).toThrow(failing({ step: 'groups', errno: 'EINVAL' }));
    expect(readdirSync(directory)).toEqual([]);
    expect(readdirSync('/proc/self/fd')).toHaveLength(fds);
  });

  it('is not started when it has ended', async () => {
    const { held, plan, launched } = create(makeSpec(root, ['true']));
    launched.kill(9);
    await launched.wait();
    expect(() => system.start(held, plan)).toThrow(failing({ code: 'ERR_TSCBOX_STATE' }));
  });
});
