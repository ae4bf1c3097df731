import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunOptions } from '@tsc-box/model';
import { openEngine } from './engine.ts';
import { fakeSystem, ROOT_FACTS, type FakeSystem } from './fake-system.testing.ts';
import { identityText, launcherIdentity } from './identity.ts';
import { removeTree } from './remove-tree.ts';
import { newId } from './run.ts';
import type { Engine, RunRequest } from './types.ts';

let root: string;
let rootfs: string;
let system: FakeSystem;
let engine: Engine;

beforeEach(() => {
  const base = mkdtempSync(join(tmpdir(), 'engine-test-'));
  root = join(base, 'store');
  rootfs = join(base, 'rootfs');
  mkdirSync(join(rootfs, 'etc'), { recursive: true });
  writeFileSync(join(rootfs, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
  system = fakeSystem();
  engine = openEngine({ system, root });
});

afterEach(() => removeTree(join(root, '..')));

const request = (more: Partial<RunRequest> = {}, options: RunOptions = {}): RunRequest => ({ rootfs, options, command: ['true'], hostEnv: {}, cwd: '/', ...more });
const directories = (): string[] => readdirSync(join(root, 'containers'));
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
};

describe('the life of a container', () => {
  it('is running, then exited with its code, on record', async () => {
    const container = await engine.run(request({}, { name: 'web', labels: ['a=b'] }));
    expect(engine.find('web')).toMatchObject({ status: 'running', name: 'web', pid: container.process.pid, labels: { a: 'b' }, command: ['true'] });
    system.end({ code: 3 });
    expect(await container.wait()).toEqual({ code: 3 });
    expect(engine.find('web')).toMatchObject({ status: 'exited', exitCode: 3 });
    expect(system.cleaned).toEqual([container.process.pid]);
  });

  it('is recorded also when nobody waits', async () => {
    await engine.run(request({}, { name: 'web' }));
    system.end({ code: 137, signal: 9, oomKilled: true });
    await until(() => engine.find('web').status === 'exited' && engine.find('web').finishedAt !== undefined);
    expect(engine.find('web')).toMatchObject({ exitCode: 137, signal: 9, oomKilled: true });
  });

  it('leaves nothing when it is to be removed at its end', async () => {
    const container = await engine.run(request({ remove: true }, { name: 'web' }));
    system.end({ code: 0 });
    await container.wait();
    expect(engine.list()).toEqual([]);
    await until(() => directories().length === 0);
    expect([directories(), readdirSync(join(root, 'names')), readdirSync(join(root, 'run'))]).toEqual([[], [], ['root']]);
  });

  it('leaves nothing when the launch fails, and the name is free again', async () => {
    system.fail = new Error('no');
    await expect(engine.run(request({}, { name: 'web' }))).rejects.toThrow('no');
    expect([directories(), readdirSync(join(root, 'names'))]).toEqual([[], []]);
    system.fail = undefined;
    await engine.run(request({}, { name: 'web' }));
  });

  it('gives random names and full ids', async () => {
    const [a, b] = [await engine.run(request()), await engine.run(request())];
    expect(a.state.name).toMatch(/^[a-z]+_[a-z]+\d*$/);
    expect(a.state.id).toMatch(/^[0-9a-f]{64}$/);
    expect(a.state.name).not.toBe(b.state.name);
  });

  it('refuses a name that is taken, and makes nothing', async () => {
    const first = await engine.run(request({}, { name: 'web' }));
    await expect(engine.run(request({}, { name: 'web' }))).rejects.toMatchObject({ code: 'ERR_TSCBOX_NAME_IN_USE' });
    expect(directories()).toEqual([first.state.id]);
    expect(system.launches).toHaveLength(1);
  });

  it('takes over a name that a crash has left without a container', async () => {
    const first = await engine.run(request({}, { name: 'web' }));
    rmSync(join(root, 'containers', first.state.id), { recursive: true });
    await expect(engine.run(request({}, { name: 'web' }))).rejects.toMatchObject({ code: 'ERR_TSCBOX_NAME_IN_USE' });
    system.alive.clear();
    expect((await engine.run(request({}, { name: 'web' }))).state.name).toBe('web');
  });

  it('refuses names that could be a path', async () => {
    await expect(engine.run(request({}, { name: '../x' }))).rejects.toMatchObject({ code: 'ERR_TSCBOX_USAGE' });
  });
});

describe('finding', () => {
  it('goes by name, id and the beginning of an id', async () => {
    const { state } = await engine.run(request({}, { name: 'web' }));
    for (const key of ['web', state.id, state.id.slice(0, 12), state.id.slice(0, 5)]) expect(engine.find(key).id).toBe(state.id);
  });

  it('says which ids begin so when several do', async () => {
    for (let count = 0; count < 17; count += 1) await engine.run(request());
    const firsts = engine.list().map(({ id }) => id[0] ?? '');
    const twice = firsts.find((first, index) => firsts.indexOf(first) !== index) ?? '';
    expect(() => engine.find(twice)).toThrow(/ids begin so/);
  });

  it('proposes a name that is near', async () => {
    await engine.run(request({}, { name: 'web' }));
    expect(() => engine.find('wev')).toThrow(expect.objectContaining({ code: 'ERR_TSCBOX_CONTAINER_NOT_FOUND', hint: expect.stringContaining('"web"') }));
    expect(() => engine.find('../web')).toThrow(/no container/);
  });

  it('lists the newest first', async () => {
    const ids = [];
    for (let count = 0; count < 3; count += 1) {
      ids.push((await engine.run(request())).state.id);
      const before = Date.now();
      while (Date.now() === before) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(engine.list().map(({ id }) => id)).toEqual(ids.reverse());
  });
});

describe('removing', () => {
  it('is refused while it runs, unless forced', async () => {
    const { state } = await engine.run(request({}, { name: 'web' }));
    expect(() => engine.remove('web')).toThrow(expect.objectContaining({ code: 'ERR_TSCBOX_STATE', hint: expect.stringContaining('--force') }));
    engine.remove('web', { force: true });
    expect(system.swept).toEqual([state.cgroupPath]);
    expect(engine.list()).toEqual([]);
  });

  it('in the middle of its life does not disturb those who wait', async () => {
    const warnings: string[] = [];
    const container = await engine.run(request({ onWarning: (text) => warnings.push(text) }, { name: 'web' }));
    engine.remove('web', { force: true });
    system.end({ code: 137, signal: 9 });
    expect(await container.wait()).toEqual({ code: 137, signal: 9 });
    expect(warnings.filter((text) => text.includes('exited'))).toEqual([]);
    expect(directories()).toEqual([]);
  });
});

describe('after a crash', () => {
  /** As if the process that launched it had died. */
  const orphan = (id: string, change: (record: Record<string, unknown>) => Record<string, unknown> = (record) => ({ ...record, launcher: { pid: 999_999, startTime: 1 } })): void => {
    const path = join(root, 'containers', id, 'created.json');
    writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>)));
  };

  it('a container whose process is gone is not running', async () => {
    const { state } = await engine.run(request());
    system.alive.delete(state.pid ?? 0);
    orphan(state.id);
    expect(engine.find(state.id).status).toBe('exited');
  });

  it('a container of another boot is not running, though its pid is in use again', async () => {
    const { state } = await engine.run(request());
    orphan(state.id, (record) => ({ ...record, bootId: 'another' }));
    expect(engine.find(state.id)).toMatchObject({ status: 'exited', error: expect.stringContaining('started again') });
    engine.sweep();
    expect(system.swept).toEqual([]);
  });

  it('sweep kills what lost its launcher, and says so on record', async () => {
    const { state } = await engine.run(request());
    orphan(state.id);
    expect(engine.find(state.id).status).toBe('running');
    expect(engine.sweep()).toEqual([state.id]);
    expect(system.swept).toEqual([state.cgroupPath]);
    expect(engine.find(state.id)).toMatchObject({ status: 'exited', exitCode: 137, error: expect.stringContaining('killed') });
    expect(engine.sweep()).toEqual([]);
  });

  it('sweep removes those that were to be removed, and those that never started', async () => {
    const removed = await engine.run(request({ remove: true }));
    orphan(removed.state.id);
    const never = await engine.run(request());
    orphan(never.state.id);
    rmSync(join(root, 'containers', never.state.id, 'started.json'));
    engine.sweep();
    expect([directories(), readdirSync(join(root, 'names'))]).toEqual([[], []]);
  });

  it('sweep leaves those alone whose launcher lives', async () => {
    await engine.run(request());
    expect(engine.sweep()).toEqual([]);
    expect(engine.list()).toHaveLength(1);
  });

  it('a record cut short counts as not written', async () => {
    const { state } = await engine.run(request());
    writeFileSync(join(root, 'containers', state.id, 'exited.json'), '{"exitC');
    expect(engine.find(state.id).status).toBe('running');
  });

  it('sweep finishes a removal that was cut short', async () => {
    const { state } = await engine.run(request({}, { name: 'web', addHosts: ['db:10.0.0.5'] }));
    rmSync(join(root, 'names/web'));
    renameSync(join(root, 'containers', state.id), join(root, 'containers', `.gone.${state.id}.2n9c.1`));
    expect(engine.list()).toEqual([]);
    expect([directories(), readdirSync(join(root, 'run'))]).toEqual([[], ['root']]);
  });

  it('sweep leaves a removal alone that goes on', async () => {
    const { state } = await engine.run(request());
    const away = `.gone.${state.id}.${identityText(launcherIdentity())}`;
    renameSync(join(root, 'containers', state.id), join(root, 'containers', away));
    engine.sweep();
    expect(directories()).toEqual([away]);
  });

  it('sweep removes what was being made when its maker died, at once', async () => {
    const { state } = await engine.run(request({}, { name: 'web', addHosts: ['db:10.0.0.5'] }));
    rmSync(join(root, 'containers', state.id, 'created.json'));
    engine.sweep();
    expect(directories()).toEqual([state.id]);
    system.alive.clear();
    engine.sweep();
    expect([directories(), readdirSync(join(root, 'names')), readdirSync(join(root, 'run'))]).toEqual([[], [], ['root']]);
  });
});

describe('roots', () => {
  it('covers hosts, hostname and resolv.conf of a rootfs only where they are', async () => {
    writeFileSync(join(rootfs, 'etc/hosts'), '');
    const plan = await engine.plan(request());
    const sources = plan.child.filter(({ call }) => call === 'open_tree').map(({ args }) => (args as { path: string }).path);
    expect(sources.filter((path) => path.startsWith(root))).toEqual([join(root, 'run', `${'0'.repeat(64)}.hosts`)]);
    expect(existsSync(root)).toBe(false);
  });

  it('covers them when the user asks for an entry', async () => {
    const plan = await engine.plan(request({}, { addHosts: ['db:10.0.0.5'] }));
    expect(JSON.stringify(plan.child)).toContain(`${'0'.repeat(64)}.hosts`);
    await engine.run(request({}, { addHosts: ['db:10.0.0.5'] }));
    expect(readFileSync(join(root, 'run', `${directories()[0] ?? ''}.hosts`), 'utf8')).toContain('10.0.0.5\tdb\n');
  });

  it('gives the same plan for the same request', async () => {
    expect(await engine.plan(request())).toEqual(await engine.plan(request()));
  });

  it('wants exactly one source', async () => {
    await expect(engine.plan(request({ image: 'host' }))).rejects.toMatchObject({ code: 'ERR_TSCBOX_USAGE' });
    await expect(engine.plan({ options: {}, command: [], hostEnv: {}, cwd: '/' })).rejects.toThrow(/found none/);
    await expect(engine.plan(request({ rootfs: '/nowhere' }))).rejects.toThrow(/no such directory/);
  });

  it('runs a bundle as it is, with its relative paths made absolute', async () => {
    const bundle = join(root, '../bundle');
    mkdirSync(join(bundle, 'rootfs'), { recursive: true });
    mkdirSync(join(bundle, 'data'));
    const config = { ociVersion: '1.2.0', root: { path: 'rootfs' }, process: { user: { uid: 0, gid: 0 }, args: ['sh'], cwd: '/' }, mounts: [{ destination: '/data', type: 'bind', source: 'data', options: ['rbind'] }], linux: { namespaces: [{ type: 'mount' }] } };
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(config));
    const { state } = await engine.run({ bundle, options: {}, command: [], hostEnv: {}, cwd: '/' });
    expect(state).toMatchObject({ command: ['sh'], root: { kind: 'directory', path: join(bundle, 'rootfs') } });
    expect(JSON.stringify(system.launches[0]?.plan.child)).toContain(join(bundle, 'data'));
    await expect(engine.run({ bundle, options: { memory: '1g' }, command: [], hostEnv: {}, cwd: '/' })).rejects.toThrow(/memory/);
    await expect(engine.run({ bundle, options: {}, command: ['ls'], hostEnv: {}, cwd: '/' })).rejects.toThrow(/command/);
    writeFileSync(join(bundle, 'config.json'), JSON.stringify({ ...config, hooks: { poststart: [{ path: '/x' }] } }));
    await expect(engine.run({ bundle, options: {}, command: [], hostEnv: {}, cwd: '/' })).rejects.toThrow(/hooks/);
  });

  it('has no diff for a plain directory', async () => {
    await engine.run(request({}, { name: 'web' }));
    expect(() => engine.diff('web')).toThrow(/nothing to compare/);
  });
});

describe('check', () => {
  it('answers with the refusal where the host can not', async () => {
    const unable = openEngine({ system: fakeSystem({ ...ROOT_FACTS, privileged: false, uid: process.geteuid?.() ?? 0, userNamespaces: { usable: false, refusal: 'kernel.unprivileged_userns_clone is 0' } }), root });
    const results = await unable.check(request());
    expect(results).toContainEqual(expect.objectContaining({ ok: false, reason: expect.stringContaining('unprivileged_userns_clone') }));
  });

  it('throws for a request that can not be understood', async () => {
    await expect(engine.check(request({}, { memory: 'much' }))).rejects.toMatchObject({ code: 'ERR_TSCBOX_USAGE' });
  });
});

it('ids are 64 hexadecimal digits', () => expect(newId()).toMatch(/^[0-9a-f]{64}$/));
