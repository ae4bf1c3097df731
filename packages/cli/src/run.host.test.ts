/** The built command on the real kernel: streams, terminal, signals, and what is left when it is killed. Case numbers: tests/cases.md. */
import { spawn, spawnSync, type ChildProcess, type SpawnSyncReturns } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

const bundle = fileURLToPath(new URL('../dist/tsc-box.cjs', import.meta.url));
const possible = process.platform === 'linux' && process.getuid?.() === 0 && existsSync(bundle);
const scriptCommand = spawnSync('script', ['--version']).status === 0;

let root = '';
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'tsc-box-cli-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** With "--", as the command's first line has it: else Node would read --env-file itself. */
const words = (args: readonly string[]): string[] => ['--', bundle, '--root', root, ...args];
const box = (args: readonly string[], input = ''): SpawnSyncReturns<string> => spawnSync(process.execPath, words(args), { input, encoding: 'utf8', maxBuffer: 1 << 26 });

/** Runs the command line in a terminal of its own, made by script(1). Its input stays open: script would type its end into the terminal. */
async function inTerminal(args: readonly string[], before = 'true'): Promise<string> {
  const quoted = [process.execPath, ...words(args)].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  const child = spawn('script', ['-qec', `${before}; ${quoted}`, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()));
  await new Promise((resolve) => child.stdout.once('end', resolve));
  child.stdin.destroy();
  return text;
}

const children = new Set<ChildProcess>();
/** A test that failed half-way must not leave a container that keeps the test run from ending. */
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});

/** Starts a container that says "ready", and waits until it does. */
async function started(args: readonly string[]): Promise<{ child: ChildProcess; ended: Promise<number | null>; stderr: () => string }> {
  const child = spawn(process.execPath, words(args), { stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => void (said += bytes.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let text = '';
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (bytes: Buffer) => {
      text += bytes.toString();
      if (text.includes('ready')) resolve();
    });
    void ended.then((code) => reject(new Error(`ended with ${code} before it was ready: ${said}`)));
  });
  return { child, ended, stderr: () => said };
}

describe.skipIf(!possible)('the command tsc-box (needs Linux, root and the build)', () => {
  it('passes output, errors and the exit code on', () => {
    const { stdout, stderr, status } = box(['run', '--rm', 'host', 'sh', '-c', 'echo out; echo err >&2; exit 7']);
    expect([stdout, stderr, status]).toEqual(['out\n', 'err\n', 7]);
  });

  it('gives the input only with -i, and its end', () => {
    expect(box(['run', '--rm', '-i', 'host', 'cat'], 'some text').stdout).toBe('some text');
    expect(box(['run', '--rm', 'host', 'cat'], 'some text').stdout).toBe('');
  });

  it('says 127 for a command that is not there and 126 for one that can\'t be executed', () => {
    expect(box(['run', '--rm', 'host', 'no-such-command']).status).toBe(127);
    expect(box(['run', '--rm', 'host', '/etc/passwd']).status).toBe(126);
  });

  it('keeps Node from reading --env-file, its own or the container\'s: a NODE_OPTIONS in such a file would run code here', () => {
    const file = join(root, 'env-file');
    writeFileSync(file, `NODE_OPTIONS=--require ${join(root, 'no-such-module.js')}\n`);
    const direct = (args: readonly string[]): SpawnSyncReturns<string> => spawnSync(bundle, ['--root', root, ...args], { encoding: 'utf8' });
    expect(direct(['run', '--rm', 'host', 'echo', '--env-file', file])).toMatchObject({ status: 0, stdout: `--env-file ${file}\n` });
    expect(direct(['run', '--rm', '--env-file', file, 'host', 'printenv', 'NODE_OPTIONS']).stdout).toContain('no-such-module');
    expect(direct(['run', '--rm', '--env-file', '/no/such/file', 'host', 'true'])).toMatchObject({ status: 125, stderr: expect.stringContaining('found no such file') as string });
  });

  it('refuses a pipe where a file is expected, at once', () => {
    const pipe = join(root, 'pipe');
    spawnSync('mkfifo', [pipe]);
    for (const flag of [['--env-file', pipe], ['--security-opt', `seccomp=${pipe}`]]) expect(box(['run', '--rm', ...flag, 'host', 'true'])).toMatchObject({ status: 125, stderr: expect.stringContaining('it is no regular file') as string });
  });

  it('tells a failed launch as JSON', () => {
    expect(JSON.parse(box(['--error-format', 'json', 'run', '--rm', 'host', 'no-such-command']).stderr)).toMatchObject({ code: 'ERR_TSCBOX_COMMAND_NOT_FOUND', step: 'exec', errno: 'ENOENT' });
  });

  it('shows what ran, what it changed, and removes it', () => {
    expect(box(['run', '--name', 'changed', 'host', 'touch', '/etc/made-inside']).status).toBe(0);
    expect(box(['ps', '-a', '--format', 'json']).stdout).toContain('"name":"changed"');
    expect(box(['diff', 'changed']).stdout).toContain('A /etc/made-inside\n');
    expect(box(['rm', 'changed']).stdout).toBe('changed\n');
    expect(box(['ps', '-aq']).stdout).toBe('');
    expect(existsSync('/etc/made-inside')).toBe(false);
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const)('passes %s on to the container', async (signal) => {
    const { child, ended } = await started(['run', '--rm', 'host', 'sh', '-c', `trap 'exit 9' ${signal.slice(3)}; echo ready; while :; do sleep 0.02; done`]);
    child.kill(signal);
    expect(await ended).toBe(9);
  });

  it.each([
    ['true', 0, /the command "true": \/\S*bin\/true/], ['no-such', 1, /the root has none of .*no-such.*127/], ['/etc', 1, /"\/etc" is a directory.*126/], ['/etc/passwd', 1, /"\/etc\/passwd" may not be executed.*126/],
  ])('check foretells what becomes of the command %s', (command, status, text) => {
    const result = box(['check', 'host', command]);
    expect({ status: result.status, stdout: result.stdout }).toEqual({ status, stdout: expect.stringMatching(text) as string });
  });

  it('a command that hears no SIGINT is killed at the third, and the second says why', async () => {
    const { child, ended, stderr } = await started(['run', '--rm', 'host', 'sh', '-c', 'trap "" INT TERM; echo ready; sleep 1000']);
    // Two that are the same may become one.
    child.kill('SIGINT');
    child.kill('SIGTERM');
    await vi.waitFor(() => expect(stderr()).toMatch(/process 1.*--init/), { timeout: 20_000, interval: 20 });
    child.kill('SIGINT');
    expect(await ended).toBe(137);
  });

  it('leaves nothing when it is killed by SIGKILL: no process, no cgroup, no file', async () => {
    const { child, ended } = await started(['run', '--rm', '--memory', '64m', 'host', 'sh', '-c', 'echo ready; exec sleep 1000']);
    const id = box(['ps', '-q', '--no-trunc']).stdout.trim();
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    const cgroups = (): string[] => ['.', ...readdirSync('/sys/fs/cgroup')].map((hierarchy) => join('/sys/fs/cgroup', hierarchy, 'tsc-box', id)).filter((path) => existsSync(path));
    expect(cgroups()).not.toEqual([]);
    child.kill('SIGKILL');
    await ended;
    await vi.waitFor(() => expect([readdirSync(join(root, 'containers')), readdirSync(join(root, 'names')), cgroups()]).toEqual([[], [], []]), { timeout: 20_000, interval: 50 });
  });
});

describe.skipIf(!possible || !scriptCommand)('a terminal (needs Linux, root, the build and script(1))', () => {
  it('case 15: has its size before the command first reads it', async () => {
    expect(await inTerminal(['run', '-it', '--rm', 'host', 'stty', 'size'], 'stty rows 42 cols 173')).toBe('42 173\r\n');
  });

  it('gives all of its output, also the end that is still in the kernel when the command ends', () => {
    const { stdout } = box(['run', '-t', '--rm', 'host', 'seq', '1', '60000']);
    expect(stdout.length).toBe(348_894 + 60_000);
    expect(stdout.endsWith('60000\r\n')).toBe(true);
  });

  it('passes bytes through unchanged: a bare line feed stays one', async () => {
    expect(await inTerminal(['run', '-it', '--rm', 'host', 'sh', '-c', 'stty -onlcr; printf "a\\nb\\n"'])).toBe('a\nb\n');
  });

  it('of the user is as it was afterwards', async () => {
    const stdout = await inTerminal(['run', '-it', '--rm', 'host', 'true'], 'before=$(stty -g); trap \'[ "$before" = "$(stty -g)" ] && echo same\' EXIT');
    expect(stdout).toBe('same\r\n');
  });

  it('of the user is not the container\'s: without -t there is none', async () => {
    expect(await inTerminal(['run', '-i', '--rm', 'host', 'sh', '-c', 'test -t 0 || test -t 1 || test -t 2 || echo none'])).toBe('none\r\n');
  });

  it('can\'t be had from a pipe', () => {
    const { stderr, status } = box(['run', '-it', '--rm', 'host', 'true']);
    expect(status).toBe(125);
    expect(stderr).toContain('the input device is not a TTY');
  });
});
