/** With Debian's docker-registry, and skopeo and umoci as other makers and readers of the same images. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BoxError, MEDIA_TYPES, parsePlatform } from '@tsc-box/model';
import { addFixture, makeImage, sha256, stream, temporaryDirectory } from '../store/fixture.testing.ts';
import { openImageStore } from '../store/store.ts';
import { hasDockerRegistry, NEEDS_REGISTRY, startDockerRegistry, type RunningRegistry } from './docker-registry.testing.ts';
import { RegistryError } from './errors.ts';
import type { BlobProgress } from './progress.ts';
import { pullImage } from './pull.ts';
import { pushImage } from './push.ts';

const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0;
const noSkopeo = !hasDockerRegistry || !has('skopeo');
const noUmoci = !has('umoci');
const NAME = 'docker.io/library/hello:latest';
/** More than one upload chunk, and it does not compress. */
const big = randomBytes(20 << 20);
const image = makeImage([{ hello: 'one' }, { big }]);
const quick = { retry: { attempts: 2, firstMs: 1 }, env: {} };

function run(program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

async function failure(promise: Promise<unknown>): Promise<BoxError> {
  const error: unknown = await promise.then(() => new Error('it did not fail'), (thrown: unknown) => thrown);
  if (error instanceof BoxError) return error;
  throw error;
}

describe.skipIf(!hasDockerRegistry)(`docker-registry ${NEEDS_REGISTRY}`, () => {
  const place = temporaryDirectory();
  let registry: RunningRegistry;
  beforeAll(async () => {
    registry = await startDockerRegistry(place.path);
  });
  afterAll(async () => {
    await registry.stop();
    place[Symbol.dispose]();
  });

  it('takes an image and gives it back byte for byte', async () => {
    using directory = temporaryDirectory();
    const [from, to] = [openImageStore({ root: `${directory.path}/from` }), openImageStore({ root: `${directory.path}/to` })];
    await addFixture(from, NAME, image);
    const target = `${registry.host}/round/trip:1`;
    const sent: BlobProgress[] = [];
    expect(await pushImage('hello', target, { store: from, ...quick, onProgress: (progress) => void sent.push(progress) })).toEqual({ name: target, digest: image.descriptor.digest });
    expect(sent.filter(({ state }) => state === 'done')).toHaveLength(3);
    expect(sent.filter(({ state, digest }) => state === 'uploading' && digest === image.manifest.layers[1]?.digest).length).toBeGreaterThan(2);
    const got: BlobProgress[] = [];
    const result = await pullImage(target, { store: to, ...quick, platform: parsePlatform('linux/amd64'), onProgress: (progress) => void got.push(progress) });
    expect(result).toMatchObject({ name: target, digest: image.descriptor.digest, upToDate: false });
    expect(got.filter(({ state }) => state === 'done').map(({ current, total }) => current - total)).toEqual([0, 0, 0]);
    expect(await to.fsck()).toEqual([]);
    for (const [digest, bytes] of image.blobs) expect(Buffer.compare(readFileSync(to.blobPath(digest)), bytes)).toBe(0);
    expect((await pullImage(target, { store: to, ...quick, platform: parsePlatform('linux/amd64') })).upToDate).toBe(true);
    expect((await pullImage(`${registry.host}/round/trip@${image.descriptor.digest}`, { store: to, ...quick })).upToDate).toBe(false);
    expect((await to.resolve(`${registry.host}/round/trip@${image.descriptor.digest}`)).id).toBe(image.manifest.config.digest);
  });

  it('blobs that are there are not sent again, and blobs of another repository are mounted', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    const [one, two] = [`${registry.host}/mount/one:1`, `${registry.host}/mount/two:1`];
    await addFixture(store, one, image);
    await pushImage(one, undefined, { store, ...quick });
    const states = async (target: string): Promise<Set<string>> => {
      const seen = new Set<string>();
      await pushImage(one, target, { store, ...quick, onProgress: ({ state }) => void seen.add(state) });
      return seen;
    };
    expect(await states(one)).toEqual(new Set(['exists']));
    expect(await states(two)).toEqual(new Set(['mounted']));
    expect(await states(two)).toEqual(new Set(['exists']));
  });

  it('keeps an image of several platforms, from which one is chosen', async () => {
    using directory = temporaryDirectory();
    const [from, to, all] = ['from', 'to', 'all'].map((name) => openImageStore({ root: `${directory.path}/${name}` })) as [ReturnType<typeof openImageStore>, ReturnType<typeof openImageStore>, ReturnType<typeof openImageStore>];
    const arm = makeImage([{ hello: 'arm' }], { architecture: 'arm64' });
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [image.descriptor, arm.descriptor] }));
    const index = { mediaType: MEDIA_TYPES.ociIndex, digest: sha256(bytes), size: bytes.length };
    const lease = await from.lease();
    for (const blob of [...image.blobs.values(), ...arm.blobs.values(), bytes]) await lease.writeBlob(stream(blob));
    const target = `${registry.host}/multi:1`;
    await from.addImage(target, index);
    await lease.release();
    expect((await pushImage(target, undefined, { store: from, ...quick })).digest).toBe(index.digest);
    const pulled = await pullImage(target, { store: to, ...quick, platform: parsePlatform('linux/arm64/v8') });
    expect(pulled).toMatchObject({ digest: index.digest, image: { id: arm.manifest.config.digest, platform: { architecture: 'arm64' } } });
    expect(await to.hasBlob(image.manifest.config.digest)).toBe(false);
    expect((await pullImage(target, { store: to, ...quick, platform: parsePlatform('linux/arm64') })).upToDate).toBe(true);
    expect((await pullImage(target, { store: to, ...quick, platform: parsePlatform('linux/amd64') })).image.id).toBe(image.manifest.config.digest);
    expect((await failure(pullImage(target, { store: to, ...quick, platform: parsePlatform('linux/s390x') }))).detail).toBe('it has linux/amd64, linux/arm64');
    await pullImage(target, { store: all, ...quick, platform: 'all' });
    expect(await all.fsck()).toEqual([]);
    expect((await all.resolve(target)).target.digest).toBe(index.digest);
    expect((await all.gc()).blobs).toEqual([]);
  });

  it('what it does not have is told with its own words', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    const error = await failure(pullImage(`${registry.host}/no/such:thing`, { store, ...quick }));
    expect(error).toBeInstanceOf(RegistryError);
    expect(error).toMatchObject({ code: 'ERR_TSCBOX_REGISTRY', registry: registry.host, repository: 'no/such', status: 404 });
    expect(error.message).toContain('MANIFEST_UNKNOWN manifest unknown');
    expect(await store.list()).toEqual([]);
  });

  it.skipIf(noSkopeo)('skopeo reads what we push and writes what we pull, as OCI and as Docker (needs skopeo)', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: `${directory.path}/store` });
    await addFixture(store, NAME, image);
    const base = `${registry.host}/peer/skopeo`;
    await pushImage('hello', `${base}:ours`, { store, ...quick });
    const inspected = JSON.parse(run('skopeo', 'inspect', '--tls-verify=false', `docker://${base}:ours`)) as { readonly Digest: string; readonly Layers: readonly string[] };
    expect(inspected).toMatchObject({ Digest: image.descriptor.digest, Layers: image.manifest.layers.map(({ digest }) => digest) });
    for (const format of ['oci', 'v2s2']) {
      run('skopeo', 'copy', '--dest-tls-verify=false', '--format', format, `oci:${store.root}:${NAME}`, `docker://${base}:${format}`);
      const { image: pulled } = await pullImage(`${base}:${format}`, { store, ...quick });
      expect(pulled.id).toBe(image.manifest.config.digest);
      expect(pulled.manifest.mediaType).toBe(format === 'oci' ? MEDIA_TYPES.ociManifest : MEDIA_TYPES.dockerManifest);
    }
    expect(await store.fsck()).toEqual([]);
  });
});

describe.skipIf(!hasDockerRegistry)(`docker-registry with a password ${NEEDS_REGISTRY}`, () => {
  it('is used with what docker login keeps, and says to log in without', async () => {
    using directory = temporaryDirectory();
    const registry = await startDockerRegistry(directory.path, { password: true });
    try {
      const store = openImageStore({ root: `${directory.path}/store` });
      const target = `${registry.host}/locked:1`;
      await addFixture(store, target, makeImage([{ hello: 'locked' }]));
      mkdirSync(`${directory.path}/docker`);
      const write = (password: string): void => writeFileSync(`${directory.path}/docker/config.json`, JSON.stringify({ auths: { [registry.host]: { auth: Buffer.from(`me:${password}`).toString('base64') } } }));
      const without = await failure(pushImage(target, undefined, { store, ...quick }));
      expect(without).toMatchObject({ status: 401, hint: `log in first, such as with: docker login ${registry.host}` });
      write('wrong');
      expect(await failure(pushImage(target, undefined, { store, ...quick, env: { DOCKER_CONFIG: `${directory.path}/docker` } }))).toMatchObject({ status: 401 });
      write('secret');
      const env = { DOCKER_CONFIG: `${directory.path}/docker` };
      await pushImage(target, undefined, { store, ...quick, env });
      expect((await pullImage(target, { store, ...quick, env })).upToDate).toBe(true);
    } finally {
      await registry.stop();
    }
  });
});

describe('other tools on our store', () => {
  it.skipIf(!has('skopeo'))('skopeo reads and writes it as it lies (needs skopeo)', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: `${directory.path}/store` });
    await addFixture(store, NAME, image);
    expect(JSON.parse(run('skopeo', 'inspect', '--raw', `oci:${store.root}:${NAME}`))).toMatchObject({ layers: image.manifest.layers });
    run('skopeo', 'copy', `oci:${store.root}:${NAME}`, `oci:${store.root}:docker.io/me/copy:2`);
    expect((await store.resolve('me/copy:2')).id).toBe(image.manifest.config.digest);
    expect((await store.gc()).blobs).toEqual([]);
    expect(await store.fsck()).toEqual([]);
  });

  it.skipIf(noUmoci)('umoci lists, reads and writes it as it lies (needs umoci)', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: `${directory.path}/store` });
    await addFixture(store, NAME, makeImage([{ hello: 'one' }, { 'etc': 'x' }]));
    expect(run('umoci', 'list', '--layout', store.root).trim()).toBe(NAME);
    run('umoci', 'raw', 'unpack', '--rootless', '--image', `${store.root}:${NAME}`, `${directory.path}/root`);
    expect(readFileSync(`${directory.path}/root/hello`, 'utf8')).toBe('one');
    run('umoci', 'config', '--image', `${store.root}:${NAME}`, '--tag', 'changed', '--config.cmd', '/other');
    expect((await store.resolve('changed')).config.config?.Cmd).toEqual(['/other']);
    run('umoci', 'gc', '--layout', store.root);
    expect(await store.fsck()).toEqual([]);
    expect(existsSync(`${store.root}/.tsc-box`)).toBe(true);
    expect((await store.gc()).blobs).toEqual([]);
    await store.remove(NAME);
    await store.gc();
    expect((await store.list()).map(({ name }) => name)).toEqual(['changed']);
    expect(await store.fsck()).toEqual([]);
  });
});
