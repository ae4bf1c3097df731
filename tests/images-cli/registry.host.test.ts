/** pull, push and `run` of an image that is not there, with Debian's docker-registry on loopback, skopeo and podman as peers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasDockerRegistry, NEEDS_REGISTRY, startDockerRegistry, type RunningRegistry } from '../../packages/engine/src/registry/docker-registry.testing.ts';
import { spawn } from 'node:child_process';
import { bundle, makeHome, refusal, type Home, type Result } from '../cli/command.ts';
import { busyboxImages } from '../images/busybox.ts';
import { missingCommand } from '../images/cache.ts';

const missing = missingCommand('busybox', 'umoci', 'skopeo');
const why = refusal() ?? (hasDockerRegistry ? (missing === undefined ? undefined : `needs ${missing}`) : NEEDS_REGISTRY);

/** Not spawnSync: the registry's output is read meanwhile. */
function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Result> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  const [out, err]: [string[], string[]] = [[], []];
  child.stdout.setEncoding('utf8').on('data', (text: string) => out.push(text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => err.push(text));
  return new Promise((resolve) => void child.on('close', (code, signal) => resolve({ code, signal, stdout: out.join(''), stderr: err.join('') })));
}

const boxOf = (home: Home, ...args: readonly string[]): Promise<Result> => run(process.execPath, [bundle, '--root', home.store, ...args], { HOME: home.directory });

describe.skipIf(why !== undefined)(`a registry${why === undefined ? '' : ` (${why})`}`, () => {
  const directory = mkdtempSync(join(tmpdir(), 'tsc-box-registry-'));
  const homes = [makeHome(), makeHome()] as const;
  let registry: RunningRegistry;

  beforeAll(async () => {
    registry = await startDockerRegistry(directory);
    const copied = await run('skopeo', ['copy', '--dest-tls-verify=false', `docker-archive:${join(busyboxImages(), 'docker.tar')}`, `docker://${registry.host}/box:1`]);
    expect(copied).toMatchObject({ code: 0 });
  });
  afterAll(async () => {
    await registry.stop();
    for (const home of homes) home.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  it('run fetches an image that the store lacks, and tells of it on standard error only', async () => {
    const first = await boxOf(homes[0], 'run', '--rm', `${registry.host}/box:1`);
    expect(first).toMatchObject({ code: 0, stdout: 'second\n' });
    expect(first.stderr).toContain(`image ${registry.host}/box:1 is not in the store: pulling it\n`);
    expect(first.stderr).toMatch(/^[0-9a-f]{12}: done \([0-9.]+kB|MB\)$/m);
    expect(await boxOf(homes[0], 'run', '--rm', `${registry.host}/box:1`)).toMatchObject({ code: 0, stdout: 'second\n', stderr: '' });
    expect(await boxOf(homes[0], 'run', '--rm', '--pull', 'never', `${registry.host}/other:1`)).toMatchObject({ code: 125 });
  });

  it('pull says what it has got, and that it is up to date the second time', async () => {
    const first = await boxOf(homes[1], 'pull', `${registry.host}/box:1`);
    expect(first.stdout).toMatch(/^Digest: sha256:[0-9a-f]{64}\nStatus: Downloaded newer image for /);
    expect((await boxOf(homes[1], 'pull', `${registry.host}/box:1`)).stdout).toContain('Status: Image is up to date for');
    expect(await boxOf(homes[1], 'pull', '-q', `${registry.host}/box:1`)).toEqual({ code: 0, signal: null, stdout: `${registry.host}/box:1\n`, stderr: '' });
  });

  it('push gives a committed image that skopeo and another store read', async () => {
    const name = `${registry.host}/pushed:2`;
    await boxOf(homes[0], 'run', '--name', 'changer', `${registry.host}/box:1`, 'sh', '-c', 'echo pushed >/data/new');
    expect(await boxOf(homes[0], 'commit', 'changer', name)).toMatchObject({ code: 0 });
    expect((await boxOf(homes[0], 'push', name)).stdout).toMatch(/: digest: sha256:[0-9a-f]{64}\n$/);
    const inspected = await run('skopeo', ['inspect', '--tls-verify=false', `docker://${name}`]);
    expect(inspected).toMatchObject({ code: 0 });
    expect(await boxOf(homes[1], 'run', '--rm', '--entrypoint', 'cat', name, '/data/new')).toMatchObject({ code: 0, stdout: 'pushed\n' });
  });

  it.skipIf(missingCommand('podman') !== undefined)('podman runs what was pushed (needs podman)', async () => {
    const storage = ['--root', join(directory, 'podman'), '--runroot', join(directory, 'podman-run'), '--storage-driver', 'vfs'];
    expect(await run('podman', [...storage, 'pull', '--tls-verify=false', '-q', `${registry.host}/pushed:2`])).toMatchObject({ code: 0 });
    const shown = await run('podman', [...storage, 'image', 'inspect', '--format', '{{json .RootFS.Layers}}', `${registry.host}/pushed:2`]);
    const ours = JSON.parse((await boxOf(homes[0], 'inspect', '--format', 'json', `${registry.host}/pushed:2`)).stdout) as { readonly RootFS: { readonly Layers: readonly string[] } };
    expect(JSON.parse(shown.stdout)).toEqual(ours.RootFS.Layers);
  });

  it('exits with 125 for what a registry does not have', async () => {
    const result = await boxOf(homes[0], 'pull', `${registry.host}/nope:1`);
    expect(result.code).toBe(125);
    expect(result.stdout).toBe('');
    expect((await boxOf(homes[0], 'pull', 'Upper')).stderr).toContain('upper-case');
    expect((await boxOf(homes[0], 'pull', '--all-tags', 'x')).code).toBe(125);
  });
});
