import { spawnSync } from 'node:child_process';
import { chownSync, closeSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, watch, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setImmediate } from 'node:timers/promises';
import { compile, parseExitRecord, readJournal, type BoxError, type JournalFrame, type LaunchedProcess, type LaunchRequest, type ProcessIdentity, type Spec } from '@tsc-box/model';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { resizeTerminal } from '../ffi/descriptors.unsafe.ts';
import { openLinux } from '../index.ts';
import { makeRoot, makeSpec, whyNot, type Root } from './busybox.testing.ts';

/** A Node that runs TypeScript as it is. */
const RUNNER = fileURLToPath(new URL(`../../../../node_modules/node-linux-${process.arch}/bin/node`, import.meta.url));
const reason = whyNot();
const system = openLinux();
const title = reason === undefined ? 'a launch behind a monitor' : `a launch behind a monitor (${reason})`;

describe.skipIf(reason !== undefined)(title, () => {
  let root: Root;
  let directory = '';
  const launches: LaunchedProcess[] = [];
  beforeAll(() => void (root = makeRoot()));
  afterAll(() => root.remove());
  beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), 'tsc-box-monitor-'))));
  afterEach(() => {
    for (const launched of launches.splice(0)) launched.cleanup();
    rmSync(directory, { recursive: true });
  });

  const PIPES = { stdin: 'null', stdout: 'pipe', stderr: 'pipe' } as const;
  const requestFor = (spec: Spec, stdio: LaunchRequest['stdio'] = PIPES): LaunchRequest => ({
    plan: compile(spec, system.facts(), { id: 'test', root: { kind: 'directory', path: spec.root?.path ?? '' } }), stdio,
    monitor: { journal: join(directory, 'journal'), exit: join(directory, 'exit') },
  });
  const start = (spec: Spec, stdio?: LaunchRequest['stdio']): LaunchedProcess => {
    const launched = system.launch(requestFor(spec, stdio));
    launches.push(launched);
    return launched;
  };
  const frames = (): readonly JournalFrame[] => readJournal(readFileSync(join(directory, 'journal'))).frames;
  const text = (stream: string): string => frames().filter((frame) => frame.stream === stream).map(({ bytes }) => Buffer.from(bytes).toString()).join('');
  /** Resolves when the journal holds the text. */
  const written = (wanted: string): Promise<void> => new Promise((resolve) => {
    const watcher = watch(join(directory, 'journal'), check);
    function check(): void {
      if (!text('stdout').includes(wanted)) return;
      watcher.close();
      resolve();
    }
    check();
  });

  it('writes both streams as frames and the end as a record', async () => {
    const before = BigInt(Date.now()) * 1_000_000n;
    const launched = start(makeSpec(root, ['sh', '-c', 'echo one; echo two >&2; printf last; exit 7']));
    expect(await launched.wait()).toEqual({ code: 7 });
    expect(text('stdout')).toBe('one\nlast');
    expect(text('stderr')).toBe('two\n');
    const after = BigInt(Date.now() + 1000) * 1_000_000n;
    for (const { time } of frames()) expect(time > before - 1_000_000n && time < after).toBe(true);
    const record = parseExitRecord(readFileSync(join(directory, 'exit')));
    expect(record).toMatchObject({ code: 7, pid: launched.pid, lost: 0 });
    expect(record?.peakMemory).toBeGreaterThan(0);
  });

  it('tells of a signal', async () => {
    const launched = start(makeSpec(root, ['sleep', '600']));
    launched.kill(9);
    expect(await launched.wait()).toEqual({ code: 137, signal: 9 });
  });

  it('loses no byte of much output', async () => {
    const launched = start(makeSpec(root, ['sh', '-c', 'seq 1 200000; seq 1 1000 >&2']));
    await launched.wait();
    const lines = (count: number): string => Array.from({ length: count }, (_none, index) => `${String(index + 1)}\n`).join('');
    expect(text('stdout') === lines(200_000)).toBe(true);
    expect(text('stderr') === lines(1000)).toBe(true);
  });

  it('is small, in a session of its own, holds what it needs and nothing else', async () => {
    const launched = start(makeSpec(root, ['sh', '-c', 'echo ready; read line']), { ...PIPES, stdin: 'pipe' });
    await written('ready');
    const pid = String(launched.monitor?.pid);
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    expect(status).toMatch(/^Name:\s+tsc-box-monitor$/m);
    expect(Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1])).toBeLessThan(60);
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe('/');
    expect(readdirSync(`/proc/${pid}/fd`)).toEqual(['0', '3', '4', '5', '6', '7', '9']);
    expect(readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[5]).toBe(pid);
    expect(system.isAlive(launched.monitor?.pid ?? 0, launched.monitor?.startTime ?? 0)).toBe(true);
  });

  it('reports a command that is not there as any launch does, and leaves nothing', () => {
    const fds = readdirSync('/proc/self/fd').length;
    expect(() => start(makeSpec(root, ['nope']))).toThrow(expect.objectContaining({ code: 'ERR_TSCBOX_COMMAND_NOT_FOUND' }) as BoxError);
    expect(() => start(makeSpec(root, ['true'], { process: { cwd: '/none' } }))).toThrow(expect.objectContaining({ step: 'cwd' }) as BoxError);
    expect(readdirSync('/proc/self/fd')).toHaveLength(fds);
  });

  it('goes on when the launcher ends at once', async () => {
    const request = { ...requestFor(makeSpec(root, ['sh', '-c', 'read line; echo got $line; exit 9']), { ...PIPES, stdin: 'pipe' }) };
    const script = `import { openLinux } from ${JSON.stringify(new URL('../index.ts', import.meta.url).pathname)};
      const { pid, monitor, startTime } = openLinux().launch(JSON.parse(process.argv[1]));
      process.stdout.write(JSON.stringify({ pid, startTime, monitor }));`;
    const { stdout, stderr } = spawnSync(RUNNER, ['--conditions=source', '--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script, JSON.stringify(request)], { encoding: 'utf8' });
    expect(stderr).toBe('');
    const { monitor } = JSON.parse(stdout) as { readonly monitor: ProcessIdentity };
    const { stdin } = system.openMonitored(monitor);
    expect(stdin).toBeDefined();
    writeSync(stdin ?? -1, 'a line\n');
    closeSync(stdin ?? -1);
    await recorded();
    expect(text('stdout')).toBe('got a line\n');
    expect(parseExitRecord(readFileSync(join(directory, 'exit')))).toMatchObject({ code: 9 });
    expect(() => system.openMonitored(monitor)).toThrow(/it has ended/);
    system.sweep(request.plan.prepare.find((step) => step.call === 'cgroup')?.args.path, undefined, undefined);
  });

  it('closes standard input when asked to', async () => {
    const launched = start(makeSpec(root, ['cat']), { ...PIPES, stdin: 'pipe' });
    const monitor = launched.monitor ?? { pid: 0, startTime: 0 };
    const { stdin = -1, terminal } = system.openMonitored(monitor);
    expect(terminal).toBeUndefined();
    writeSync(stdin, 'to the end');
    closeSync(stdin);
    await written('to the end');
    system.endMonitoredStdin(monitor);
    expect(await launched.wait()).toEqual({ code: 0 });
  });

  it('keeps a terminal, and hands it to who attaches', async () => {
    const launched = start(makeSpec(root, ['sh', '-c', 'stty size; read line; stty size; echo got $line; read more; exit 6'], { process: { terminal: true, consoleSize: { height: 42, width: 173 } } }));
    expect(launched.terminal).toBeUndefined();
    await written('42 173');
    const { terminal = -1, stdin } = system.openMonitored(launched.monitor ?? { pid: 0, startTime: 0 });
    expect(stdin).toBeUndefined();
    resizeTerminal(terminal, 10, 20);
    writeSync(terminal, 'hello\n');
    await written('got hello\r\n');
    expect(text('stdout')).toContain('10 20\r\n');
    writeSync(terminal, '\u0004');
    closeSync(terminal);
    expect(await launched.wait()).toEqual({ code: 6 });
  });

  it('waits for nobody that the command left behind with its output', async () => {
    const spec = makeSpec(root, ['sh', '-c', 'sleep 600 & echo left; exit 3'], { linux: { namespaces: [{ type: 'mount' }] } });
    const launched = start(spec);
    expect(await launched.wait()).toEqual({ code: 3 });
    expect(text('stdout')).toBe('left\n');
  });

  it('is stopped by no signal but SIGKILL', async () => {
    const launched = start(makeSpec(root, ['sh', '-c', 'echo ready; read line; exit 4']), { ...PIPES, stdin: 'pipe' });
    await written('ready');
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGPIPE'] as const) process.kill(launched.monitor?.pid ?? 0, signal);
    system.endMonitoredStdin(launched.monitor ?? { pid: 0, startTime: 0 });
    expect(await launched.wait()).toEqual({ code: 4 });
  });

  it('makes a user namespace, and joins namespaces', async () => {
    const maps = [{ containerID: 0, hostID: 100_000, size: 1000 }];
    chownSync(root.path, 100_000, 100_000);
    const spec = makeSpec(root, ['sh', '-c', 'id -u; cat /proc/self/uid_map; exit 2']);
    const launched = start({ ...spec, linux: { ...spec.linux, uidMappings: maps, gidMappings: maps, namespaces: [...(spec.linux?.namespaces ?? []), { type: 'user' }] } });
    expect(await launched.wait()).toEqual({ code: 2 });
    expect(text('stdout')).toMatch(/^0\n\s+0\s+100000\s+1000\n$/);
    const first = start(makeSpec(root, ['sleep', '600']));
    const second = makeSpec(root, ['sh', '-c', 'echo $$; exit 6'], { linux: { namespaces: [{ type: 'mount' }, { type: 'pid', path: `/proc/${String(first.pid)}/ns/pid` }] } });
    rmSync(join(directory, 'journal'));
    const joined = start(second);
    expect(await joined.wait()).toEqual({ code: 6 });
    expect(text('stdout')).not.toBe('1\n');
  });

  it('goes on when the journal can not be written, and tells how much was lost', async () => {
    const small = join(directory, 'small');
    mkdirSync(small);
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small]).status).toBe(0);
    try {
      const request = requestFor(makeSpec(root, ['sh', '-c', 'seq 1 40000; echo end >&2; read line; echo again; exit 5']), { ...PIPES, stdin: 'pipe' });
      const launched = system.launch({ ...request, monitor: { journal: join(small, 'journal'), exit: join(directory, 'exit') } });
      launches.push(launched);
      const journal = (): Uint8Array => readFileSync(join(small, 'journal'));
      await blocked(launched.pid);
      const { frames: whole, consumed } = readJournal(journal());
      expect(consumed).toBe(journal().length);
      expect(whole.length).toBeGreaterThan(1);
      expect(spawnSync('mount', ['-o', 'remount,size=1m', small]).status).toBe(0);
      system.endMonitoredStdin(launched.monitor ?? { pid: 0, startTime: 0 });
      expect(await launched.wait()).toEqual({ code: 5 });
      const after = readJournal(journal());
      expect(after.damaged).toBe(false);
      expect(after.consumed).toBe(journal().length);
      const total = after.frames.reduce((sum, { bytes, lost }) => sum + bytes.length + lost, 0);
      const expected = Array.from({ length: 40_000 }, (_none, index) => String(index + 1).length + 1).reduce((sum, length) => sum + length, 0);
      expect(total).toBe(expected + 'end\n'.length + 'again\n'.length);
      expect(Buffer.from(after.frames.at(-1)?.bytes ?? []).toString()).toBe('again\n');
      expect(after.frames.some(({ lost }) => lost > 0)).toBe(true);
    } finally {
      spawnSync('umount', ['-l', small]);
    }
  });

  /** Resolves when the exit file has its record. */
  const recorded = (): Promise<void> => new Promise((resolve) => {
    const watcher = watch(join(directory, 'exit'), check);
    function check(): void {
      if (parseExitRecord(readFileSync(join(directory, 'exit'))) === undefined) return;
      watcher.close();
      resolve();
    }
    check();
  });

  /** Resolves when the process, a shell, waits for input. */
  const blocked = async (pid: number): Promise<void> => {
    while (!/poll|pipe_read/.test(readFileSync(`/proc/${String(pid)}/wchan`, 'utf8'))) await setImmediate();
  };
});
