import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CONFIG, INDEX, LAYER, MANIFEST, tagged, tarOf, TestLayout } from './images.testing.ts';
import { readOciLayout } from './oci-layout.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };

let work: string;
let layout: TestLayout;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'tsc-box-oci-'));
  layout = new TestLayout(join(work, 'oci'));
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

const read = (tag?: string, platform = AMD64) => readOciLayout(layout.path, tag, platform);
const first = tarOf({ first: '1' });
const second = tarOf({ second: '2' });

describe('readOciLayout', () => {
  it('finds an image by its tag, with its layers bottom first', async () => {
    layout.index([layout.image([first], tagged('a')), layout.image([first, second], tagged('b'))]);
    const image = await read('b');
    expect(image.name).toBe(`oci:${layout.path}:b`);
    expect(image.layers.map(({ size }) => size)).toEqual([first.length, second.length]);
    expect(image.layers[0]?.digest).toEqual(image.layers[0]?.diffId);
  });

  it('takes the only image without a tag, and asks which where there are more', async () => {
    layout.index([layout.image([first], tagged('a'))]);
    expect((await read()).layers).toHaveLength(1);
    layout.index([layout.image([first], tagged('a')), layout.image([second], tagged('b'))]);
    await expect(read()).rejects.toMatchObject({ code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', hint: expect.stringContaining('a, b') as string });
    await expect(read('c')).rejects.toMatchObject({ code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', detail: 'its tags are: a, b' });
  });

  it('chooses by platform, in the index and in nested ones, and passes attestations over', async () => {
    const arm = layout.image([second], { platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } });
    const amd = layout.image([first], { platform: { os: 'linux', architecture: 'amd64' } });
    const attestation = layout.image([], { platform: { os: 'unknown', architecture: 'unknown' } });
    const nested = layout.blob(INDEX, { schemaVersion: 2, mediaType: INDEX, manifests: [attestation, arm, amd] }, tagged('multi'));
    layout.index([nested]);
    expect((await read('multi')).layers[0]?.size).toBe(first.length);
    expect((await read('multi', { os: 'linux', architecture: 'arm64' })).layers[0]?.size).toBe(second.length);
    await expect(read('multi', { os: 'linux', architecture: 'riscv64' })).rejects.toMatchObject({ detail: 'it is there for: linux/arm64/v8, linux/amd64' });
  });

  it('refuses a manifest with another content than its digest, and names both', async () => {
    const image = layout.image([first], tagged('a'));
    writeFileSync(layout.pathOf(image.digest), '{}');
    layout.index([image]);
    await expect(read('a')).rejects.toMatchObject({ code: 'ERR_TSCBOX_DIGEST_MISMATCH', detail: expect.stringContaining(image.digest) as string, path: layout.pathOf(image.digest) });
  });

  it('CVE-2021-41190: refuses what can be read as a manifest and as an index', async () => {
    layout.index([layout.image([first], tagged('a'), {}, { manifests: [] })]);
    await expect(read('a')).rejects.toMatchObject({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: expect.stringMatching(/manifests$/) as string });
    layout.index([layout.image([first], tagged('a'), {}, { mediaType: INDEX })]);
    await expect(read('a')).rejects.toMatchObject({ attempted: expect.stringMatching(/mediaType$/) as string, detail: expect.stringContaining(MANIFEST) as string });
  });

  it('refuses layers that are no archives, and a number of them that differs from the configuration', async () => {
    const layer = layout.blob('application/vnd.example.thing', first);
    layout.index([layout.image([first], tagged('a'), {}, { layers: [layer] })]);
    await expect(read('a')).rejects.toMatchObject({ attempted: expect.stringContaining('layers[0].mediaType') as string });
    layout.index([layout.image([first], tagged('a'), {}, { layers: [] })]);
    await expect(read('a')).rejects.toThrow(/manifest has 0 layers, its configuration 1 diff_ids/);
    layout.index([layout.image([first], tagged('a'), { rootfs: { type: 'layers', diff_ids: ['md5:1'] } })]);
    await expect(read('a')).rejects.toThrow(/rootfs.diff_ids\[0\]: found "md5:1"/);
    layout.index([layout.blob(MANIFEST, { schemaVersion: 2, config: layout.blob('text/plain', { a: 1 }), layers: [] }, tagged('a'))]);
    await expect(read('a')).rejects.toMatchObject({ attempted: expect.stringContaining('config.mediaType') as string });
  });

  it('refuses digests that are paths', async () => {
    for (const digest of ['sha256:../../../../etc/passwd', `sha256:${'A'.repeat(64)}`, 'sha256:', '']) {
      layout.index([{ mediaType: MANIFEST, size: 1, digest, ...tagged('a') }]);
      await expect(read('a')).rejects.toMatchObject({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: expect.stringMatching(/manifests\[0\]\.digest$/) as string });
    }
  });

  it('says what is missing or no layout', async () => {
    const image = layout.image([first], tagged('a'));
    layout.index([image]);
    rmSync(layout.pathOf(image.digest));
    await expect(read('a')).rejects.toMatchObject({ code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', path: layout.pathOf(image.digest), hint: 'the image layout is not complete' });
    await expect(readOciLayout(work, 'a', AMD64)).rejects.toMatchObject({ code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', path: `${work}/oci-layout` });
    writeFileSync(join(layout.path, 'index.json'), '{"manifests": [');
    await expect(read('a')).rejects.toMatchObject({ code: 'ERR_TSCBOX_IMAGE_INVALID', detail: expect.stringMatching(/^it is no JSON/) as string });
  });

  it('reads no FIFO, which would block for good, and no huge file', async () => {
    const image = layout.image([first], tagged('a'));
    layout.index([image]);
    rmSync(layout.pathOf(image.digest));
    execFileSync('mkfifo', [layout.pathOf(image.digest)]);
    await expect(read('a')).rejects.toThrow(/no regular file/);
    truncateSync(join(layout.path, 'index.json'), 1 << 30);
    await expect(read('a')).rejects.toThrow(/allowed: 4194304/);
  });

  it('reads docker media types, too', async () => {
    const docker = 'application/vnd.docker';
    const layer = layout.blob(`${docker}.image.rootfs.diff.tar.gzip`, first);
    const config = layout.blob(`${docker}.container.image.v1+json`, { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [layer.digest] } });
    layout.index([layout.blob(`${docker}.distribution.manifest.v2+json`, { config, layers: [layer] }, tagged('a'))]);
    expect((await read('a')).layers).toHaveLength(1);
    expect([CONFIG, LAYER].every((type) => type.startsWith('application/vnd.oci'))).toBe(true);
  });
});
