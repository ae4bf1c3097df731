import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BoxError, MEDIA_TYPES, parsePlatform } from '@tsc-box/model';
import { addFixture, collect, makeImage, sha256, stream, temporaryDirectory } from './fixture.testing.ts';
import { formatOwner, ownIdentity, type Owner } from './owner.ts';
import { openImageStore } from './store.ts';

const NAME = 'docker.io/library/hello:latest';
const image = makeImage([{ hello: 'one' }, { hello: 'two', 'a b': 'c' }]);
const [, layerDescriptor] = image.manifest.layers;
const layer = layerDescriptor?.digest ?? '';

async function failure(promise: Promise<unknown>): Promise<BoxError> {
  const error: unknown = await promise.then(() => new Error('it did not fail'), (thrown: unknown) => thrown);
  if (error instanceof BoxError) return error;
  throw error;
}

const textStream = (text: string): AsyncIterable<Uint8Array> => stream(Buffer.from(text));

describe('the image store', () => {
  it('is empty and makes nothing until something is written', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: `${directory.path}/images` });
    expect(await store.list()).toEqual([]);
    expect(await store.fsck()).toEqual([]);
    expect((await failure(store.resolve('hello'))).hint).toBe('fetch it with: tsc-box pull hello');
    expect(existsSync(store.root)).toBe(false);
  });

  it('is an OCI image layout whose names are whole references', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    await addFixture(store, NAME, image);
    expect(JSON.parse(readFileSync(`${directory.path}/oci-layout`, 'utf8'))).toEqual({ imageLayoutVersion: '1.0.0' });
    const index = JSON.parse(readFileSync(`${directory.path}/index.json`, 'utf8')) as { readonly manifests: readonly unknown[] };
    expect(index).toEqual({ schemaVersion: 2, manifests: [{ ...image.descriptor, annotations: { 'org.opencontainers.image.ref.name': NAME } }] });
    expect(readdirSync(`${directory.path}/.tsc-box/ingest`)).toEqual([]);
    expect(readdirSync(`${directory.path}/.tsc-box/leases`)).toEqual([]);
    expect(await store.fsck()).toEqual([]);
  });

  it('finds an image by short name, whole name, name and digest, and the beginning of its id', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    await addFixture(store, NAME, image);
    const { digest } = image.manifest.config;
    for (const text of ['hello', 'hello:latest', 'docker.io/hello', NAME, `hello@${image.descriptor.digest}`, digest, digest.slice(7, 19), image.descriptor.digest.slice(7, 15)]) {
      expect((await store.resolve(text)).id).toBe(digest);
    }
    expect((await failure(store.resolve('hello:other'))).hint).toBe('there is hello:latest');
    expect((await failure(store.resolve(`other@${image.descriptor.digest}`))).code).toBe('ERR_TSCBOX_IMAGE_NOT_FOUND');
  });

  it('shows the image: platform, size, configuration', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    await addFixture(store, NAME, image);
    const [found] = await store.list();
    expect(found).toMatchObject({ name: NAME, id: image.manifest.config.digest, platform: { os: 'linux', architecture: 'amd64' }, reference: { repository: 'library/hello' } });
    expect(found?.size).toBe([...image.blobs.values()].reduce((sum, bytes) => sum + bytes.length, 0));
    expect(found?.config.config?.Cmd).toEqual(['/hello']);
    expect(await collect(store.readBlob(layer))).toEqual(new Uint8Array(image.blobs.get(layer) ?? []));
  });

  it('a name moves to another image; the old one is collected', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    await addFixture(store, NAME, image);
    await store.tag('hello', 'me/copy:1');
    const other = makeImage([{ hello: 'three' }]);
    await addFixture(store, NAME, other);
    expect((await store.gc()).blobs).toEqual([]);
    expect((await store.list()).map(({ name }) => name)).toEqual(['docker.io/me/copy:1', NAME]);
    expect(await store.remove('me/copy:1')).toEqual({ untagged: ['docker.io/me/copy:1'], deleted: [image.manifest.config.digest] });
    const { blobs, freedBytes } = await store.gc({ dryRun: true });
    expect(blobs.map(({ digest }) => digest).sort()).toEqual([...image.blobs.keys()].sort());
    expect((await store.gc()).freedBytes).toBe(freedBytes);
    expect(await store.fsck()).toEqual([]);
    expect(await store.hasBlob(layer)).toBe(false);
  });

  it('an image of several names is removed by id only with force', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    await addFixture(store, NAME, image);
    await store.tag('hello', 'again');
    expect(await store.remove('again')).toEqual({ untagged: ['docker.io/library/again:latest'], deleted: [] });
    await store.tag('hello', 'again');
    const id = image.manifest.config.digest.slice(7, 19);
    expect((await failure(store.remove(id))).code).toBe('ERR_TSCBOX_STATE');
    expect((await store.remove(id, { force: true })).untagged).toHaveLength(2);
    expect(await store.list()).toEqual([]);
  });

  it('an image with a missing blob is not added', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    const lease = await store.lease();
    for (const [digest, bytes] of image.blobs) if (digest !== layer) await lease.writeBlob(stream(bytes));
    expect((await failure(store.addImage(NAME, image.descriptor))).message).toContain(layer);
    expect(await store.list()).toEqual([]);
  });

  it('a blob with the wrong digest or size leaves nothing', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    const lease = await store.lease();
    const digest = sha256(Buffer.from('right'));
    for (const [text, size] of [['wrong', 5], ['right', 4], ['right', 6], ['much too long', 5]] as const) {
      expect((await failure(lease.writeBlob(textStream(text), { digest, size }))).code).toBe('ERR_TSCBOX_DIGEST_MISMATCH');
    }
    expect(await store.hasBlob(digest)).toBe(false);
    expect(await lease.writeBlob(textStream('right'), { digest, size: 5 })).toEqual({ digest, size: 5 });
    await lease.release();
    await store.gc();
    expect(readdirSync(`${directory.path}/.tsc-box/ingest`)).toEqual([]);
  });

  it('a part goes on where it ended, and a wrong part is found out', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    const expected = { digest: sha256(Buffer.from('hello world')), size: 11 };
    const lease = await store.lease();
    const first = await lease.ingest(expected);
    await first?.append(textStream('hello '));
    await first?.suspend();
    const second = await lease.ingest(expected);
    expect(second?.offset).toBe(6);
    await second?.append(textStream('world'));
    expect(await second?.commit()).toEqual(expected);
    await second?.suspend();
    expect(await lease.ingest(expected)).toBeUndefined();
    const bad = { digest: sha256(Buffer.from('abcd')), size: 4 };
    const third = await lease.ingest(bad);
    await third?.append(textStream('xx'));
    await third?.suspend();
    const fourth = await lease.ingest(bad);
    await fourth?.append(textStream('cd'));
    expect((await failure(Promise.resolve(fourth?.commit()))).code).toBe('ERR_TSCBOX_DIGEST_MISMATCH');
    const fifth = await lease.ingest(bad);
    expect(fifth?.offset).toBe(0);
    await fifth?.suspend();
  });

  it('the part of a dead process is taken over, that of a running one is not', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    const expected = { digest: sha256(Buffer.from('hello world')), size: 11 };
    const lease = await store.lease();
    const own = ownIdentity();
    const place = (owner: Owner): void => writeFileSync(`${directory.path}/.tsc-box/ingest/${expected.digest.replace(':', '-')},${formatOwner(owner)},1-x`, 'hello ');
    place(own);
    const first = await lease.ingest(expected);
    expect(first?.offset).toBe(0);
    await first?.suspend();
    place({ ...own, startTime: own.startTime + 1 });
    const second = await lease.ingest(expected);
    expect(second?.offset).toBe(6);
    await second?.append(textStream('world'));
    expect(await second?.commit()).toEqual(expected);
    await lease.release();
    expect((await store.gc({ dryRun: true })).freedBytes).toBe(11);
    expect(readdirSync(`${directory.path}/.tsc-box/ingest`)).toHaveLength(1);
  });

  it('gc keeps what a lease protects, until it is released', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    const lease = await store.lease();
    const { digest } = await lease.writeBlob(textStream('on its way'));
    expect((await store.gc()).blobs).toEqual([]);
    await lease.release();
    expect((await store.gc()).blobs).toEqual([{ digest, size: 10 }]);
  });

  it('gc removes unpacked layers that no image and no container stands on', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: `${directory.path}/images` });
    await addFixture(store, NAME, image);
    const layersRoot = `${directory.path}/layers`;
    const [first = ''] = (await store.resolve('hello')).config.rootfs.diff_ids;
    const used = first.slice(7);
    const [held, leased, idle] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string];
    for (const name of [used, held, leased, idle, '.unpacking-1']) mkdirSync(`${layersRoot}/${name}/x`, { recursive: true });
    const lease = await store.lease();
    await lease.protect([`layer:${leased}`]);
    expect((await store.gc({ layersRoot, layersInUse: () => [held] })).layers).toEqual([idle]);
    expect(readdirSync(layersRoot).sort()).toEqual([used, held, leased, '.unpacking-1'].sort());
  });

  it('gc refuses to guess when an image cannot be read', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    await addFixture(store, NAME, image);
    writeFileSync(store.blobPath(image.descriptor.digest), '{}');
    const error = await failure(store.gc());
    expect(error.code).toBe('ERR_TSCBOX_STATE');
    expect(error.message).toContain(NAME);
    expect(await store.hasBlob(layer)).toBe(true);
  });

  it('fsck finds damaged, missing and strange blobs, and repairs what a pull can fetch', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    await addFixture(store, NAME, image);
    const path = store.blobPath(layer);
    const bytes = readFileSync(path);
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    writeFileSync(`${directory.path}/blobs/sha256/README`, 'x');
    const other = image.manifest.layers[0]?.digest ?? '';
    renameSync(store.blobPath(other), `${directory.path}/elsewhere`);
    const problems = await store.fsck();
    expect(problems.map(({ kind, digest, images }) => ({ kind, digest, images }))).toEqual(expect.arrayContaining([
      { kind: 'corrupt', digest: layer, images: [NAME] }, { kind: 'missing', digest: other, images: [NAME] }, { kind: 'name', digest: undefined, images: [] },
    ]));
    expect(problems).toHaveLength(3);
    await store.fsck({ repair: true });
    expect(await store.hasBlob(layer)).toBe(false);
    await addFixture(store, NAME, image);
    expect((await store.fsck()).map(({ kind }) => kind)).toEqual(['name']);
  });

  it('fsck tells of an index that is no JSON', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    await addFixture(store, NAME, image);
    writeFileSync(`${directory.path}/index.json`, '{"manifests":[');
    expect((await store.fsck())[0]?.kind).toBe('index');
    expect((await failure(store.list())).path).toBe(`${directory.path}/index.json`);
  });

  it('fields of other tools in index.json stay', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    await addFixture(store, 'docker.io/library/a:1', image);
    const index = JSON.parse(readFileSync(`${directory.path}/index.json`, 'utf8')) as { manifests: Record<string, unknown>[] };
    writeFileSync(`${directory.path}/index.json`, JSON.stringify({ ...index, annotations: { k: 'v' }, manifests: [{ ...index.manifests[0], data: 'e30=', urls: ['https://x'] }] }));
    await addFixture(store, NAME, image);
    expect(JSON.parse(readFileSync(`${directory.path}/index.json`, 'utf8'))).toMatchObject({ annotations: { k: 'v' }, manifests: [{ data: 'e30=', urls: ['https://x'] }, {}] });
  });

  it('an image of several platforms gives the one that is asked for, and needs only those that are there', async () => {
    using directory = temporaryDirectory();
    const store = openImageStore({ root: directory.path });
    const arm = makeImage([{ hello: 'arm' }], { architecture: 'arm64' });
    const absent = makeImage([{ hello: 's390x' }], { architecture: 's390x' });
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [image.descriptor, arm.descriptor, absent.descriptor] }));
    const lease = await store.lease();
    for (const blob of [...image.blobs.values(), ...arm.blobs.values(), bytes]) await lease.writeBlob(stream(blob));
    await store.addImage(NAME, { mediaType: MEDIA_TYPES.ociIndex, digest: sha256(bytes), size: bytes.length });
    await lease.release();
    expect((await store.resolve('hello', { platform: parsePlatform('linux/arm64') })).id).toBe(arm.manifest.config.digest);
    expect((await store.resolve('hello', { platform: parsePlatform('linux/amd64') })).id).toBe(image.manifest.config.digest);
    expect((await store.gc()).blobs).toEqual([]);
    expect(await store.fsck()).toEqual([]);
  });

  it('a path that is no directory is named in the error', async () => {
    using directory = temporaryDirectory();
    writeFileSync(`${directory.path}/file`, '');
    chmodSync(`${directory.path}/file`, 0o600);
    const error = await failure(openImageStore({ root: `${directory.path}/file` }).lease());
    expect(error.code).toBe('ERR_TSCBOX_STATE');
    expect(error.path).toContain(`${directory.path}/file`);
    expect(statSync(`${directory.path}/file`).size).toBe(0);
  });
});
