import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readDockerArchive } from './docker-archive.ts';
import { bytesOf, sha256, tarOf } from './images.testing.ts';

let work: string;
let file: string;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'tsc-box-docker-'));
  file = join(work, 'a.tar');
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

const layer = tarOf({ f: 'data' });
const config = (...layers: readonly Uint8Array[]): string => JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: layers.map((bytes) => `sha256:${sha256(bytes)}`) } });
const configName = `${sha256(bytesOf(config(layer)))}.json`;
const save = (files: Readonly<Record<string, string | Uint8Array>>): void => writeFileSync(file, tarOf(files));
const manifest = (...images: readonly object[]): string => JSON.stringify(images);

describe('readDockerArchive', () => {
  it('finds configuration and layers, wherever they stand in the archive', async () => {
    save({ 'l/layer.tar': layer, [configName]: config(layer), './manifest.json': manifest({ Config: configName, RepoTags: ['box:1'], Layers: ['l/layer.tar'] }) });
    const image = await readDockerArchive(file, undefined);
    const { start, size = 0 } = image.layers[0]?.range ?? { start: 0 };
    expect(readFileSync(file).subarray(start, start + size)).toEqual(Buffer.from(layer));
    expect(image.layers[0]?.digest).toBeUndefined();
  });

  it('knows layers of an OCI layout by their digests', async () => {
    const path = `blobs/sha256/${sha256(layer)}`;
    save({ [path]: layer, [`blobs/sha256/${configName.slice(0, 64)}`]: config(layer), 'manifest.json': manifest({ Config: `blobs/sha256/${configName.slice(0, 64)}`, RepoTags: null, Layers: [path] }) });
    expect((await readDockerArchive(file, undefined)).layers[0]?.digest?.hex).toBe(sha256(layer));
  });

  it('follows links to shared layers inside the archive, and no further', async () => {
    save({ 'a/layer.tar': layer, 'b/layer.tar': '-> ../a/layer.tar', 'c/layer.tar': '-> ../c/layer.tar', 'd/layer.tar': '-> ../../../../etc/passwd', [configName]: config(layer), 'manifest.json': manifest(...['b', 'c', 'd'].map((name) => ({ Config: configName, RepoTags: [`${name}:1`], Layers: [`${name}/layer.tar`] }))) });
    expect((await readDockerArchive(file, 'b:1')).layers[0]?.size).toBe(layer.length);
    await expect(readDockerArchive(file, 'c:1')).rejects.toThrow(/loop of links/);
    await expect(readDockerArchive(file, 'd:1')).rejects.toThrow(/there is no "etc\/passwd" in it/);
  });

  it('chooses by name, by docker\'s short name, or by number', async () => {
    const two = tarOf({ g: 'two' });
    save({ 'l1.tar': layer, 'l2.tar': two, 'one.json': config(layer), 'two.json': config(two), 'manifest.json': manifest({ Config: 'one.json', RepoTags: ['docker.io/library/busybox:latest'], Layers: ['l1.tar'] }, { Config: 'two.json', RepoTags: ['example.com:5000/a/b:2', 'localhost/c:3'], Layers: ['l2.tar'] }) });
    const size = async (reference: string): Promise<number | undefined> => (await readDockerArchive(file, reference)).layers[0]?.diffId.hex === sha256(two) ? 2 : 1;
    expect(await size('busybox')).toBe(1);
    expect(await size('docker.io/library/busybox:latest')).toBe(1);
    expect(await size('example.com:5000/a/b:2')).toBe(2);
    expect(await size('c:3')).toBe(2);
    expect(await size('@1')).toBe(2);
    const refused = { code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', hint: expect.stringContaining('example.com:5000/a/b:2') as string };
    for (const reference of [undefined, 'busybox:2', '@2', 'b:2']) await expect(readDockerArchive(file, reference)).rejects.toMatchObject(refused);
  });

  it('refuses a configuration with another content than its name says', async () => {
    save({ 'l.tar': layer, [configName]: config(layer, layer), 'manifest.json': manifest({ Config: configName, RepoTags: null, Layers: ['l.tar'] }) });
    await expect(readDockerArchive(file, undefined)).rejects.toMatchObject({ code: 'ERR_TSCBOX_DIGEST_MISMATCH' });
  });

  it('never opens files of the host by names in the manifest', async () => {
    save({ 'l.tar': layer, 'manifest.json': manifest({ Config: '/etc/passwd', RepoTags: null, Layers: ['l.tar'] }) });
    await expect(readDockerArchive(file, undefined)).rejects.toMatchObject({ code: 'ERR_TSCBOX_IMAGE_INVALID', detail: 'there is no "etc/passwd" in it' });
  });

  it('says what is missing, cut or something else', async () => {
    await expect(readDockerArchive(file, undefined)).rejects.toMatchObject({ code: 'ERR_TSCBOX_IMAGE_NOT_FOUND', path: file });
    save({ a: 'b' });
    await expect(readDockerArchive(file, undefined)).rejects.toThrow(/there is no "manifest.json" in it/);
    writeFileSync(file, 'no archive at all'.repeat(100));
    await expect(readDockerArchive(file, undefined)).rejects.toMatchObject({ code: 'ERR_TSCBOX_LAYER_INVALID' });
    save({ 'l.tar': layer, [configName]: config(layer), 'manifest.json': manifest({ Config: configName, RepoTags: null, Layers: [] }) });
    await expect(readDockerArchive(file, undefined)).rejects.toThrow(/manifest.json has 0 layers/);
    writeFileSync(file, readFileSync(file).subarray(0, 700));
    await expect(readDockerArchive(file, undefined)).rejects.toThrow(/cut off/);
  });
});
