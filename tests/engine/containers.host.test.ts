import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunOptions } from '../../packages/model/src/index.ts';
import { openEngine, type Engine, type RunningContainer, type RunRequest } from '../../packages/engine/src/index.ts';
import { openLinux } from '../../packages/host-linux/src/index.ts';
import { waitFor } from '../cli/command.ts';

const root = process.platform === 'linux' && process.getuid?.() === 0;

let base: string;
let engine: Engine;
const system = openLinux();

beforeAll(() => {
  // Not /tmp: it is a tmpfs on many machines, and the containers' own.
  base = mkdtempSync('/var/tmp/tsc-box-containers-');
  engine = openEngine({ system, root: join(base, 'store') });
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

const request = (script: string, options: RunOptions = {}, more: Partial<RunRequest> = {}): RunRequest => ({
  image: 'host', command: ['sh', '-c', script], options, hostEnv: {}, cwd: '/', stdio: { stdin: 'null', stdout: 'pipe', stderr: 'pipe' }, ...more,
});

function readAll(fd: number | undefined): string {
  if (fd === undefined) return '';
  const chunk = Buffer.alloc(65_536);
  let text = '';
  for (let length = -1; length !== 0; text += chunk.toString('utf8', 0, Math.max(length, 0))) length = readSync(fd, chunk);
  return text;
}

async function run(script: string, options: RunOptions = {}, more: Partial<RunRequest> = {}): Promise<{ readonly container: RunningContainer; readonly output: string }> {
  const container = await engine.run(request(script, options, more));
  const output = `${readAll(container.process.stdout)}${readAll(container.process.stderr)}`;
  await container.wait();
  return { container, output };
}

describe.skipIf(!root)('the host image as root (needs root)', () => {
  it('is a copy-on-write view: nothing that is changed in it is changed on the machine', async () => {
    mkdirSync(join(base, 'data'));
    writeFileSync(join(base, 'data/kept'), 'old\n');
    writeFileSync(join(base, 'data/removed'), 'old\n');
    const { container, output } = await run(`cd ${base}/data && echo new > kept && rm removed && mkdir made && echo x > made/file && ls`);
    expect(output).toBe('kept\nmade\n');
    expect([readFileSync(join(base, 'data/kept'), 'utf8'), readdirSync(join(base, 'data'))]).toEqual(['old\n', ['kept', 'removed']]);
    const changes = engine.diff(container.state.id).filter(({ path }) => path.startsWith(`${base}/data`)).map(({ kind, path }) => `${kind} ${path.slice(base.length)}`);
    expect(changes).toEqual(['C /data', 'C /data/kept', 'A /data/made', 'A /data/made/file', 'D /data/removed']);
    engine.remove(container.state.id);
  });

  it('shows other local file systems too, copy-on-write, with one list of changes', async () => {
    const disk = join(base, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=1777', 'tmpfs', disk]);
    try {
      writeFileSync(join(disk, 'file'), 'on the disk\n');
      const fresh = openEngine({ system, root: join(base, 'store') });
      const container = await fresh.run(request(`cat ${disk}/file; stat -c %a ${disk}; echo more >> ${disk}/file; touch ${disk}/new`));
      expect(readAll(container.process.stdout)).toBe('on the disk\n1777\n');
      await container.wait();
      expect(readFileSync(join(disk, 'file'), 'utf8')).toBe('on the disk\n');
      const changes = fresh.diff(container.state.id).map(({ kind, path }) => `${kind} ${path}`);
      expect(changes).toEqual(expect.arrayContaining([`C ${base}`, `C ${disk}`, `C ${disk}/file`, `A ${disk}/new`]));
      expect(changes).toEqual([...changes].sort((a, b) => (a.slice(2) < b.slice(2) ? -1 : 1)));
      fresh.remove(container.state.id);
    } finally {
      execFileSync('umount', [disk]);
    }
  });

  it('is put together again when a mount of the machine came or went meanwhile', async () => {
    const disk = join(base, 'sudden');
    mkdirSync(disk);
    let tries = 0;
    const changing = openEngine({
      root: join(base, 'store'),
      system: {
        ...system,
        launch(launch) {
          tries += 1;
          if (tries > 1) return system.launch(launch);
          execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', disk]);
          throw new Error('a layer directory is gone');
        },
      },
    });
    try {
      const container = await changing.run(request(`stat -f -c %T ${disk}; grep -c ' ${disk} ' /proc/self/mountinfo`, {}, { remove: true }));
      expect(readAll(container.process.stdout)).toContain('1\n');
      await container.wait();
      expect(tries).toBe(2);
      await expect(changing.run(request('true', {}, { command: ['no-such-command'] }))).rejects.toMatchObject({ code: 'ERR_TSCBOX_COMMAND_NOT_FOUND' });
    } finally {
      execFileSync('umount', [disk]);
    }
  });

  it('keeps mode and owner of the root and of the directories in it', async () => {
    const { output, container } = await run("stat -c '%a %u %n' / /tmp /root /etc");
    const expected = ['/', '/tmp', '/root', '/etc'].map((path) => `${(lstatSync(path).mode & 0o7777).toString(8)} ${lstatSync(path).uid} ${path}\n`).join('');
    expect(output).toBe(expected);
    engine.remove(container.state.id);
  });

  it('has a fresh /run, and its own hosts, hostname and resolv.conf', async () => {
    const options: RunOptions = { hostname: 'box', addHosts: ['db:10.0.0.5'], dns: ['9.9.9.9'] };
    const { output, container } = await run('hostname; cat /etc/hostname; grep -c . /etc/hosts >/dev/null && grep db /etc/hosts; grep nameserver /etc/resolv.conf; ls /run', options);
    expect(output).toBe('box\nbox\n10.0.0.5\tdb\nnameserver 9.9.9.9\n');
    expect(engine.diff(container.state.id)).toEqual([]);
    engine.remove(container.state.id);
  });

  it('finds users in the files of the machine', async () => {
    const { output, container } = await run('id -un', { user: 'daemon' });
    expect(output).toBe('daemon\n');
    engine.remove(container.state.id);
  });
});

const userns = root && system.facts().userNamespaces.usable;

describe.skipIf(!userns)('the host image in a user namespace (needs root and user namespaces)', () => {
  it('shows the directories of the machine, copy-on-write, though mounts lie among them', async () => {
    const { output, container } = await run(`readlink /bin; cat ${base}/store/../here; touch /usr/new /new; ls -d /usr/new /new`, { userns: 'private' }, (writeFileSync(join(base, 'here'), 'here\n'), {}));
    expect(output).toContain('here\n');
    expect(output).toContain('/new\n/usr/new\n');
    expect(existsSync('/usr/new')).toBe(false);
    const changes = engine.diff(container.state.id).map(({ kind, path }) => `${kind} ${path}`);
    expect(changes).toEqual(expect.arrayContaining(['A /new', 'C /usr', 'A /usr/new']));
    engine.remove(container.state.id);
  });

  it('has a skeleton that no container changes, as others share it', async () => {
    const { output } = await run('touch /in-the-root && ls -d /in-the-root', { userns: 'private' }, { remove: true });
    expect(output).toContain('/in-the-root\n');
    const skeletons = readdirSync(join(engine.root, 'skeletons')).map((name) => join(engine.root, 'skeletons', name));
    expect(skeletons.length).toBeGreaterThan(0);
    for (const path of skeletons) expect(existsSync(join(path, 'in-the-root'))).toBe(false);
  });
});

describe.skipIf(!root)('what stays (needs root)', () => {
  it('is nothing after --rm', async () => {
    await run('mkdir -p /var/tmp/a/b; chmod 0 /var/tmp/a/b', {}, { remove: true });
    expect(engine.list()).toEqual([]);
    await waitFor('the files are gone', () => readdirSync(join(engine.root, 'containers')).length === 0, 5_000);
    expect(readdirSync(join(engine.root, 'names'))).toEqual([]);
    expect(readdirSync(engine.runRoot)).toEqual(['root']);
  });

  it('is nothing after a launch that failed', async () => {
    await expect(engine.run(request('true', {}, { command: ['no-such-command'] }))).rejects.toMatchObject({ code: 'ERR_TSCBOX_COMMAND_NOT_FOUND' });
    expect(readdirSync(join(engine.root, 'containers'))).toEqual([]);
    expect(readdirSync(engine.runRoot)).toEqual(['root']);
  });

  it('is refused where the store lies on a union already', async () => {
    const [lower, upper, work, union] = ['lower', 'upper', 'work', 'union'].map((name) => join(base, name));
    for (const path of [lower, upper, work, union]) mkdirSync(path ?? '');
    execFileSync('mount', ['-t', 'overlay', '-o', `lowerdir=${lower},upperdir=${upper},workdir=${work}`, 'overlay', union ?? '']);
    try {
      const there = openEngine({ system, root: join(union ?? '', 'store') });
      await expect(there.run(request('true'))).rejects.toMatchObject({ code: 'ERR_TSCBOX_UNSUPPORTED', hint: expect.stringContaining('--root') });
      expect(await there.check(request('true'))).toContainEqual(expect.objectContaining({ step: 'root.upper', ok: false }));
      expect(there.list()).toEqual([]);
    } finally {
      execFileSync('umount', [union ?? '']);
    }
  });
});

describe.skipIf(!root)('removing and sweeping (needs root)', () => {
  it('rm --force ends a running container, and those who wait learn how', async () => {
    const container = await engine.run(request('sleep 1000', { name: 'sleeper' }));
    expect(engine.find('sleeper').status).toBe('running');
    expect(() => engine.remove('sleeper')).toThrow(expect.objectContaining({ code: 'ERR_TSCBOX_STATE' }));
    engine.remove('sleeper', { force: true });
    expect(await container.wait()).toMatchObject({ code: 137, signal: 9 });
    expect(engine.list()).toEqual([]);
  });
});
