import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile, compileHook, type BoxError, type CompileOptions, type HeldProcess, type LaunchedProcess, type LaunchPlan, type Spec } from '@tsc-box/model';
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

  it('tells at once that there is no such command, or a directory', () => {
    for (const [command, code] of [['nope', 'ERR_TSCBOX_COMMAND_NOT_FOUND'], ['/etc', 'ERR_TSCBOX_COMMAND_NOT_EXECUTABLE'], ['/bin/nope', 'ERR_TSCBOX_COMMAND_NOT_FOUND']] as const) {
      expect(() => create(makeSpec(root, [command]))).toThrow(failing({ code }));
    }
  });

  it('tells at its start what can not be executed, as run does', async () => {
    writeFileSync(join(root.path, 'tmp', 'script'), '#!/no/interpreter\n', { mode: 0o755 });
    const { held, plan, launched } = create(makeSpec(root, ['/tmp/script']));
    expect(() => system.start(held, plan)).toThrow(/its interpreter "\/no\/interpreter" does not exist/);
    expect(await launched.wait()).toEqual({ code: 127 });
  });

  it('lets hooks look at its namespaces before the root is switched, and fails with them', async () => {
    const seen: string[] = [];
    const options = { hooks: true, hold: true, id: 'test', root: { kind: 'directory', path: root.path } } as const;
    const spec = makeSpec(root, ['true']);
    const plan = compile(spec, system.facts(), options);
    const request = { plan, stdio: { stdin: 'null', stdout: 'null', stderr: 'null' }, hold: { fifo: join(directory, 'fifo') } } as const;
    launches.push(system.launch({
      ...request,
      onSetUp(process) {
        const output = join(directory, 'output');
        const hook = compileHook({ path: '/bin/sh', args: ['sh', '-c', 'cat; readlink /proc/self/ns/mnt; hostname'], env: ['PATH=/bin:/usr/bin'] }, { ...process, spec });
        writeFileSync(output, '');
        const [stdin, stdout] = [openSync('/dev/null', 'r'), openSync(output, 'w')];
        expect(system.launchAndWait({ plan: hook, stdio: { stdin, stdout, stderr: 'null' } })).toEqual({ code: 0, timedOut: false });
        seen.push(...readFileSync(output, 'utf8').trim().split('\n'), readlinkSync(`/proc/${String(process.pid)}/ns/mnt`));
        const slow = compileHook({ path: '/bin/sleep', args: ['sleep', '600'] }, { ...process, spec });
        expect(system.launchAndWait({ plan: slow, stdio: { stdin, stdout, stderr: 'null' } }, 20)).toEqual({ code: 137, signal: 9, timedOut: true });
        closeSync(stdin);
        closeSync(stdout);
      },
    }));
    expect(seen[0]).toBe(seen[2]);
    expect(seen[1]).toBe('box');
    const failure = new Error('a hook failed');
    const other = compile(makeSpec(root, ['true']), system.facts(), options);
    expect(() => system.launch({ ...request, plan: other, hold: { fifo: join(directory, 'other') }, onSetUp: () => { throw failure; } })).toThrow(failure);
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
