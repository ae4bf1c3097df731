import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LayerExtractor } from '@tsc-box/model';
import { bootId, launcherIdentity } from '../containers/identity.ts';
import { fakeExtractor, LAYER, sha256, tarOf, TestLayout } from './images.testing.ts';
import { LayerStore, sweepLayers } from './layer-store.ts';
import { openImage, type LayerProgress, type OpenImage } from './open-image.ts';

let work: string;
let root: string;
let layout: TestLayout;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'tsc-box-open-'));
  root = join(work, 'layers');
  layout = new TestLayout(join(work, 'oci'));
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

const first = tarOf({ 'a/first': '1' });
const second = tarOf({ second: '2' });
const platform = { os: 'linux', architecture: 'amd64' };
const open = (extractor: LayerExtractor = fakeExtractor(), more: object = {}): Promise<OpenImage> => openImage({ kind: 'oci', directory: layout.path }, { layersRoot: root, extractor, platform, ...more });

describe('openImage', () => {
  it('the host has no configuration and one directory: its root', async () => {
    expect(await openImage({ kind: 'host' }, { layersRoot: root, extractor: fakeExtractor() })).toEqual({ config: undefined, lowerdirs: ['/'], diffIds: [], chainIds: [] });
    expect(existsSync(root)).toBe(false);
  });

  it('unpacks each layer over those below into a directory named by its chain id', async () => {
    layout.index([layout.image([first, second])]);
    const seen: string[] = [];
    const image = await open(fakeExtractor(seen));
    const chain = createHash('sha256').update(`sha256:${sha256(first)} sha256:${sha256(second)}`).digest('hex');
    expect(image.lowerdirs).toEqual([join(root, chain), join(root, sha256(first))]);
    expect(image.diffIds).toEqual([`sha256:${sha256(first)}`, `sha256:${sha256(second)}`]);
    expect(readFileSync(join(root, sha256(first), 'a/first'), 'utf8')).toBe('1');
    expect(seen).toEqual(['0 below', '1 below']);
    expect(readdirSync(root).sort()).toEqual(image.chainIds.toSorted());
  });

  it('shares layers between images, and unpacks the same layer again over another one', async () => {
    const seen: string[] = [];
    layout.index([layout.image([first, second])]);
    await open(fakeExtractor(seen));
    layout.index([layout.image([second, first, second])]);
    await open(fakeExtractor(seen));
    expect(seen).toEqual(['0 below', '1 below', '0 below', '1 below', '2 below']);
    layout.index([layout.image([first])]);
    await open(fakeExtractor(seen));
    expect(seen).toHaveLength(5);
  });

  it('an image without layers has no directories', async () => {
    layout.index([layout.image([])]);
    expect((await open()).lowerdirs).toEqual([]);
  });

  it('reports layers and bytes', async () => {
    layout.index([layout.image([first, second])]);
    const texts: string[] = [];
    const progress: LayerProgress[] = [];
    await open(fakeExtractor(), { onProgress: (text: string) => texts.push(text), onBytes: (each: LayerProgress) => progress.push(each) });
    expect(texts).toEqual(['unpacking layer 1 of 2 (2.0 KiB)', 'unpacking layer 2 of 2 (2.0 KiB)']);
    expect(progress.at(-1)).toEqual({ layer: 2, layers: 2, bytes: second.length, totalBytes: second.length });
  });

  it('T12: a content that differs from its DiffID, digest or size never becomes visible', async () => {
    const wrong = `sha256:${'0'.repeat(64)}`;
    layout.index([layout.image([first], {}, { rootfs: { type: 'layers', diff_ids: [wrong] } })]);
    await expect(open()).rejects.toMatchObject({ code: 'ERR_TSCBOX_DIGEST_MISMATCH', detail: `found sha256:${sha256(first)}, expected ${wrong}` });
    layout.index([layout.image([first], {}, {}, { layers: [{ mediaType: LAYER, digest: `sha256:${sha256(first)}`, size: 3 }] })]);
    await expect(open()).rejects.toThrow(/found 2048 bytes, expected 3/);
    const image = layout.image([first]);
    layout.index([image]);
    writeFileSync(layout.pathOf(sha256(first)), second);
    await expect(open()).rejects.toMatchObject({ code: 'ERR_TSCBOX_DIGEST_MISMATCH', path: layout.pathOf(sha256(first)) });
    expect(readdirSync(root)).toEqual([]);
  });

  it('a damaged archive is told as a wrong digest, one that is bad by itself as such', async () => {
    layout.index([layout.image([first])]);
    writeFileSync(layout.pathOf(sha256(first)), first.subarray(0, 700));
    await expect(open()).rejects.toMatchObject({ code: 'ERR_TSCBOX_DIGEST_MISMATCH' });
    layout.index([layout.image([gzipSync(first).subarray(0, 50)])]);
    await expect(open()).rejects.toMatchObject({ code: 'ERR_TSCBOX_LAYER_INVALID', detail: 'unexpected end of file' });
    expect(readdirSync(root)).toEqual([]);
  });

  it('two at once in one process do the work once', async () => {
    layout.index([layout.image([first, second])]);
    const seen: string[] = [];
    await Promise.all([open(fakeExtractor(seen)), open(fakeExtractor(seen)), open(fakeExtractor(seen))]);
    expect(seen).toHaveLength(2);
  });
});

describe('what crashed processes left', () => {
  const { pid, startTime } = launcherIdentity();
  const leave = (name: string): string => {
    mkdirSync(join(root, name, 'sub'), { recursive: true });
    return join(root, name);
  };
  const start = (): Promise<OpenImage> => open();

  it('half layers of dead processes and of other boots are removed, those of living ones stay', async () => {
    layout.index([layout.image([first])]);
    const namespace = readlinkSync('/proc/self/ns/pid').replaceAll(/\D/g, '');
    const dead = leave(`.unpacking-${String(pid)},1,${namespace},${bootId()},1,1`);
    const before = leave(`.unpacking-${String(pid)},${String(startTime)},${namespace},other-boot,1,1`);
    const alive = leave(`.unpacking-${String(pid)},${String(startTime)},${namespace},${bootId()},1,1`);
    const foreign = leave(`.unpacking-99,1,1234,${bootId()},1,1`);
    const old = leave(`.unpacking-98,1,1234,${bootId()},1,1`);
    utimesSync(old, 1, 1);
    await start();
    expect([dead, before, alive, foreign, old].map((path) => existsSync(path))).toEqual([false, false, true, true, false]);
  });

  it('a layer that another process finished first stays; the second one goes', () => {
    const store = new LayerStore(root);
    store.prepare();
    for (const content of ['first', 'second']) {
      const temporary = store.makeTemporary();
      writeFileSync(join(temporary, 'f'), content);
      store.publish(temporary, 'chain');
    }
    expect(readFileSync(join(root, 'chain/f'), 'utf8')).toBe('first');
    expect(readdirSync(root)).toEqual(['chain']);
  });

  it('sweeping where there is no store does nothing', () => {
    sweepLayers(join(work, 'nowhere'));
    expect(existsSync(join(work, 'nowhere'))).toBe(false);
  });

  it('a lock of a dead process holds nobody up', async () => {
    layout.index([layout.image([first])]);
    mkdirSync(root);
    writeFileSync(join(root, `.lock-${sha256(first)}`), `1,1,0,other-boot`);
    await start();
    expect(readdirSync(root)).toEqual([sha256(first)]);
  });
});
