/** Images into the store and out of it, with skopeo, podman, umoci and GNU tar as other makers and readers. */
import { spawnSync } from 'node:child_process';
import { createReadStream, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { gzipSync } from 'node:zlib';
import { BoxError, joinBytes, MEDIA_TYPES, parsePlatform, tarEnd, tarEntry } from '@tsc-box/model';
import { bytesOf, importImage } from './compose.ts';
import { addFixture, collect, layerTar, makeImage, sha256, stream, temporaryDirectory } from './fixture.testing.ts';
import { loadArchive, loadImages } from './load.ts';
import { openStoreImage } from './open-store-image.ts';
import { saveImages } from './save.ts';
import { openImageStore } from './store.ts';
import type { ImageStore } from './types.ts';

const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0;
const NAME = 'docker.io/library/hello:latest';
const noise = Buffer.concat(Array.from({ length: 100_000 }, (_, index) => Buffer.from(sha256(Buffer.from(String(index))).slice(7), 'hex')));
const image = makeImage([{ hello: 'one' }, { noise }]);
const isRoot = process.getuid?.() === 0;

function run(program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', env: { ...process.env, REGISTRIES_CONFIG_PATH: '' } });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

async function failure(promise: Promise<unknown>): Promise<BoxError> {
  const error: unknown = await promise.then(() => new Error('it did not fail'), (thrown: unknown) => thrown);
  if (error instanceof BoxError) return error;
  throw error;
}

function dockerArchive(tags: readonly string[] | null, change: (files: Map<string, Uint8Array>) => unknown = () => undefined): Uint8Array {
  const tars = [layerTar({ hello: 'one' }), layerTar({ noise })];
  const config = image.blobs.get(image.manifest.config.digest) ?? new Uint8Array(0);
  const configName = `${image.manifest.config.digest.slice(7)}.json`;
  const files = new Map<string, Uint8Array>([
    ['aa/layer.tar', tars[0] ?? config], ['bb/layer.tar', tars[1] ?? config], [configName, config],
    ['manifest.json', Buffer.from(JSON.stringify([{ Config: configName, RepoTags: tags, Layers: ['aa/layer.tar', 'bb/layer.tar'] }]))],
  ]);
  change(files);
  return joinBytes([...[...files].map(([name, bytes]) => tarEntry({ type: 'file', name, mode: 0o644 }, bytes)), tarEnd()]);
}

async function fixtureStore(root: string): Promise<ImageStore> {
  const store = openImageStore({ root });
  await addFixture(store, NAME, image);
  return store;
}

type Files = Map<string, Uint8Array>;

describe('load', () => {
  it('takes a docker archive from a pipe, whatever its order, plain or compressed', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    const plain = dockerArchive(['hello:latest', 'me/hello:1']);
    const loaded = await loadArchive(store, stream(plain, 1000), 'stdin');
    expect(loaded.map(({ name }) => name)).toEqual([NAME, 'docker.io/me/hello:1']);
    const found = await store.resolve('hello');
    expect(found.id).toBe(image.manifest.config.digest);
    expect(found.manifest.layers.map(({ digest, mediaType }) => ({ digest, mediaType }))).toEqual(found.config.rootfs.diff_ids.map((digest) => ({ digest, mediaType: MEDIA_TYPES.ociLayer })));
    expect((await loadArchive(store, stream(gzipSync(plain)), 'stdin'))[0]?.digest).toBe(loaded[0]?.digest);
    expect((await store.gc()).blobs).toEqual([]);
    expect(await store.fsck()).toEqual([]);
  });

  it('follows the links by which old dockers shared layers, and not out of the archive', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    const link = (name: string, linkName: string, type: 'symlink' | 'hardlink'): Uint8Array => tarEntry({ type, name, linkName });
    const withLinks = (...links: readonly Uint8Array[]): Uint8Array => joinBytes([dockerArchive(['hello'], (files) => void files.delete('bb/layer.tar')).subarray(0, -1024), tarEntry({ type: 'file', name: 'cc/layer.tar' }, layerTar({ noise })), ...links, tarEnd()]);
    for (const links of [[link('bb/layer.tar', '../cc/layer.tar', 'symlink')], [link('bb/layer.tar', 'cc/layer.tar', 'hardlink')], [link('bb/layer.tar', '../dd', 'symlink'), link('dd', '../../cc/layer.tar', 'symlink')]]) {
      await loadArchive(store, stream(withLinks(...links)), 'x');
      expect((await store.resolve('hello')).id).toBe(image.manifest.config.digest);
      await store.remove('hello');
    }
    expect((await failure(loadArchive(store, stream(withLinks(link('bb/layer.tar', '../../../etc/passwd', 'symlink'))), 'x'))).message).toContain('there is no "etc/passwd"');
    expect((await failure(loadArchive(store, stream(withLinks(link('bb/layer.tar', 'layer.tar', 'symlink'))), 'x'))).message).toContain('loop of links');
  });

  it('gives an archive without names the name that is asked for, or none', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    expect(await loadArchive(store, stream(dockerArchive(null)), 'x')).toMatchObject([{ name: undefined }]);
    expect((await store.resolve(image.manifest.config.digest.slice(7, 19))).name).toBeUndefined();
    expect(await loadArchive(store, stream(dockerArchive(null)), 'x', { name: 'mine:2' })).toMatchObject([{ name: 'docker.io/library/mine:2' }]);
    expect(await store.list()).toHaveLength(1);
  });

  it.each([
    ['a layer that is another', (files: Files): unknown => files.set('aa/layer.tar', layerTar({ hello: 'evil' })), 'ERR_TSCBOX_DIGEST_MISMATCH', /expected|verify/],
    ['a configuration that is another', (files: Files): unknown => files.set(`${image.manifest.config.digest.slice(7)}.json`, Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } }))), 'ERR_TSCBOX_DIGEST_MISMATCH', /verify/],
    ['a missing layer', (files: Files): unknown => files.delete('bb/layer.tar'), 'ERR_TSCBOX_IMAGE_INVALID', /there is no "bb\/layer.tar"/],
    ['no manifest.json', (files: Files): unknown => files.delete('manifest.json'), 'ERR_TSCBOX_IMAGE_INVALID', /no manifest.json and no index.json/],
    ['a manifest.json that is no JSON', (files: Files): unknown => files.set('manifest.json', Buffer.from('{')), 'ERR_TSCBOX_IMAGE_INVALID', /no JSON/],
    ['a bad name', (files: Files): unknown => files.set('manifest.json', Buffer.from(Buffer.from(files.get('manifest.json') ?? []).toString().replace('"hello"', '"UPPER"'))), 'ERR_TSCBOX_REFERENCE_INVALID', /UPPER/],
  ] as const)('refuses a docker archive with %s and names nothing', async (_, change, code, pattern) => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    const error = await failure(loadArchive(store, stream(dockerArchive(['hello'], change)), 'x'));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(pattern);
    expect(await store.list()).toEqual([]);
    await store.gc();
    expect(readdirSync(`${directory.path}/blobs/sha256`)).toEqual([]);
  });

  it('refuses a cut archive', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    const error = await failure(loadArchive(store, stream(dockerArchive(['hello']).subarray(0, 900_000)), 'x'));
    expect(error.code).toBe('ERR_TSCBOX_LAYER_INVALID');
    await store.gc();
    expect(readdirSync(`${directory.path}/.tsc-box/ingest`)).toEqual([]);
  });

  it('takes a layout directory; bare tags get the name of the directory', async () => {
    using directory = temporaryDirectory();
    const from = openImageStore({ root: `${directory.path}/busybox` });
    await addFixture(from, '1.36', image);
    await addFixture(from, 'docker.io/me/whole:1', image);
    const store = openImageStore({ root: `${directory.path}/store` });
    const loaded = await loadImages(store, from.root);
    expect(loaded.map(({ name }) => name)).toEqual(['localhost/busybox:1.36', 'docker.io/me/whole:1']);
    expect((await loadImages(store, from.root, { name: 'other' })).map(({ name }) => name)).toEqual(['docker.io/library/other:1.36', 'docker.io/me/whole:1']);
    expect(await store.fsck()).toEqual([]);
    expect((await failure(loadImages(store, `${directory.path}/absent`))).code).toBe('ERR_TSCBOX_IMAGE_NOT_FOUND');
    mkdirSync(`${directory.path}/empty`);
    expect((await failure(loadImages(store, `${directory.path}/empty`))).message).toContain('names no image');
  });

  it('refuses a layout with a damaged blob', async () => {
    using directory = temporaryDirectory();
    const from = await fixtureStore(`${directory.path}/from`);
    const path = from.blobPath(image.manifest.layers[0]?.digest ?? '');
    const bytes = readFileSync(path);
    bytes[12] = (bytes[12] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    const store = openImageStore({ root: `${directory.path}/store` });
    expect((await failure(loadImages(store, from.root))).code).toBe('ERR_TSCBOX_DIGEST_MISMATCH');
    expect(await store.list()).toEqual([]);
  });
});

describe('save', () => {
  it('gives the same bytes each time, from any store, and they load as the same image', async () => {
    using directory = temporaryDirectory();
    const [one, two, three] = [await fixtureStore(`${directory.path}/1`), await fixtureStore(`${directory.path}/2`), openImageStore({ root: `${directory.path}/3` })];
    for (const format of ['oci', 'docker'] as const) {
      const saved = await collect(saveImages(one, ['hello'], { format }));
      expect(Buffer.compare(saved, await collect(saveImages(two, [NAME], { format })))).toBe(0);
      expect(await loadArchive(three, stream(saved), 'x')).toEqual([{ name: NAME, digest: image.descriptor.digest }]);
      expect(Buffer.compare(saved, await collect(saveImages(three, ['hello'], { format })))).toBe(0);
    }
    expect(await three.fsck()).toEqual([]);
    expect((await three.gc()).blobs).toEqual([]);
  });

  it('keeps several images and names, each blob once', async () => {
    using directory = temporaryDirectory();
    const store = await fixtureStore(`${directory.path}/1`);
    await addFixture(store, 'docker.io/library/other:1', makeImage([{ hello: 'one' }, { other: 'x' }]));
    await store.tag('hello', 'again:2');
    const saved = await collect(saveImages(store, ['hello', 'again:2', 'other:1']));
    writeFileSync(`${directory.path}/saved.tar`, saved);
    const names = run('tar', '-tf', `${directory.path}/saved.tar`).trim().split('\n');
    expect(new Set(names).size).toBe(names.length);
    const manifest = JSON.parse(run('tar', '-xOf', `${directory.path}/saved.tar`, 'manifest.json')) as readonly { readonly RepoTags: readonly string[] }[];
    expect(manifest.map(({ RepoTags }) => RepoTags)).toEqual([['hello:latest', 'again:2'], ['other:1']]);
    const to = openImageStore({ root: `${directory.path}/2` });
    expect((await loadImages(to, `${directory.path}/saved.tar`)).map(({ name }) => name)).toEqual([NAME, 'docker.io/library/again:2', 'docker.io/library/other:1']);
    expect((await failure(collect(saveImages(store, ['absent'])))).code).toBe('ERR_TSCBOX_IMAGE_NOT_FOUND');
  });

  it('keeps all platforms in the OCI form, and the chosen one in docker\'s', async () => {
    using directory = temporaryDirectory();
    const [store, to] = [openImageStore({ root: `${directory.path}/1` }), openImageStore({ root: `${directory.path}/2` })];
    const arm = makeImage([{ hello: 'arm' }], { architecture: 'arm64' });
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [image.descriptor, arm.descriptor] }));
    const lease = await store.lease();
    for (const blob of [...image.blobs.values(), ...arm.blobs.values(), bytes]) await lease.writeBlob(stream(blob));
    await store.addImage(NAME, { mediaType: MEDIA_TYPES.ociIndex, digest: sha256(bytes), size: bytes.length });
    await lease.release();
    expect((await loadArchive(to, saveImages(store, ['hello'], { format: 'oci' }), 'x'))[0]?.digest).toBe(sha256(bytes));
    expect((await to.resolve('hello', { platform: parsePlatform('linux/arm64') })).id).toBe(arm.manifest.config.digest);
    expect((await loadArchive(to, saveImages(store, ['hello'], { platform: parsePlatform('linux/arm64') }), 'x'))[0]?.digest).toBe(arm.descriptor.digest);
  });

  it.skipIf(!has('skopeo'))('skopeo reads both forms and makes what we load (needs skopeo)', async () => {
    using directory = temporaryDirectory();
    const store = await fixtureStore(`${directory.path}/store`);
    const file = (name: string): string => `${directory.path}/${name}`;
    writeFileSync(file('docker.tar'), await collect(saveImages(store, ['hello'])));
    writeFileSync(file('oci.tar'), await collect(saveImages(store, ['hello'], { format: 'oci' })));
    const { config } = image.manifest;
    for (const source of [`docker-archive:${file('docker.tar')}:hello:latest`, `docker-archive:${file('docker.tar')}`, `oci-archive:${file('oci.tar')}:${NAME}`, `oci-archive:${file('docker.tar')}`]) {
      expect(sha256(Buffer.from(run('skopeo', 'inspect', '--config', '--raw', source)))).toBe(config.digest);
    }
    run('skopeo', 'copy', `oci:${store.root}:${NAME}`, `docker-archive:${file('made.tar')}:made:1`);
    run('skopeo', 'copy', `oci:${store.root}:${NAME}`, `oci-archive:${file('made-oci.tar')}:latest`);
    const to = openImageStore({ root: file('to') });
    expect(await loadImages(to, file('made.tar'))).toMatchObject([{ name: 'docker.io/library/made:1' }]);
    expect(await loadArchive(to, Readable.toWeb(createReadStream(file('made-oci.tar'))) as unknown as AsyncIterable<Uint8Array>, 'piped')).toMatchObject([{ name: 'localhost/piped:latest', digest: image.descriptor.digest }]);
    expect((await to.list()).map(({ id }) => id)).toEqual([config.digest, config.digest]);
    expect(await to.fsck()).toEqual([]);
  });

  it.skipIf(!has('podman') || !isRoot)('podman loads what we save, and we load what it saves (needs podman and root)', { timeout: 120_000 }, async () => {
    using directory = temporaryDirectory();
    const store = await fixtureStore(`${directory.path}/store`);
    const podman = (...args: readonly string[]): string => run('podman', '--root', `${directory.path}/podman`, '--runroot', `${directory.path}/podman-run`, '--storage-driver', 'vfs', ...args);
    writeFileSync(`${directory.path}/saved.tar`, await collect(saveImages(store, ['hello'])));
    podman('load', '-i', `${directory.path}/saved.tar`);
    expect(podman('images', '--no-trunc', '--format', '{{.ID}}').trim()).toBe(image.manifest.config.digest);
    const to = openImageStore({ root: `${directory.path}/to` });
    for (const format of ['docker-archive', 'oci-archive']) {
      podman('save', '--format', format, '-o', `${directory.path}/${format}.tar`, 'hello');
      const [loaded] = await loadImages(to, `${directory.path}/${format}.tar`);
      expect(loaded?.name).toBe(NAME);
      expect((await to.resolve('hello')).id).toBe(image.manifest.config.digest);
    }
    expect(await to.fsck()).toEqual([]);
  });
});

describe('import', () => {
  it('makes the same image of the same root file system each time, plain or compressed', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    const tar = layerTar({ 'etc/os-release': 'x' });
    const options = { platform: parsePlatform('linux/amd64'), config: { Cmd: ['/bin/sh'] } };
    const first = await importImage(store, bytesOf(tar), { ...options, name: 'docker.io/library/base:1' });
    const second = await importImage(store, stream(gzipSync(tar)), { ...options, name: 'docker.io/library/base:2' });
    expect(second.digest).toBe(first.digest);
    const found = await store.resolve('base:1');
    expect(found.config).toMatchObject({ config: { Cmd: ['/bin/sh'] }, rootfs: { diff_ids: [sha256(tar)] } });
    expect(await store.fsck()).toEqual([]);
  });
});

describe('an image of the store as directories', () => {
  it('is unpacked once, verified, and kept from gc while it is leased', async () => {
    using directory = temporaryDirectory();
    const store = await fixtureStore(`${directory.path}/store`);
    const layersRoot = `${directory.path}/layers`;
    let unpacked = 0;
    const extractor = { extract: async (source: AsyncIterable<Uint8Array>, target: string): Promise<void> => {
      unpacked += 1;
      writeFileSync(`${target}/layer.tar`, await collect(source));
    } };
    const opened = await openStoreImage(store, 'hello', { layersRoot, extractor, sync: false });
    expect(opened.lowerdirs).toHaveLength(2);
    expect(opened.diffIds).toEqual(opened.config?.rootfs.diff_ids);
    expect(Buffer.compare(readFileSync(`${opened.lowerdirs[1] ?? ''}/layer.tar`), layerTar({ hello: 'one' }))).toBe(0);
    await store.remove('hello');
    expect((await store.gc({ layersRoot })).layers).toEqual([]);
    await opened.release();
    await addFixture(store, NAME, image);
    const again = await openStoreImage(store, NAME, { layersRoot, extractor, sync: false });
    expect(unpacked).toBe(2);
    await again.release();
    await store.remove('hello');
    expect(new Set((await store.gc({ layersRoot })).layers)).toEqual(new Set(opened.chainIds));
  });
});
