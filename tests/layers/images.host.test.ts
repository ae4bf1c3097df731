import { cpSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LayerExtractor } from '../../packages/model/src/index.ts';
import { openImage, parseSource, type OpenImage } from '../../packages/engine/src/images/index.ts';
import { openLinux } from '../../packages/host-linux/src/index.ts';
import { command, missingCommand } from '../images/cache.ts';
import { describeTree, differences, withUnion } from './tree.ts';

const isRoot = process.geteuid?.() === 0;
const missing = isRoot ? missingCommand('umoci', 'skopeo', 'busybox', 'gzip', 'zstd') : 'root';

let work: string;
let extractor: LayerExtractor;

const run = (directory: string, name: string, ...args: readonly string[]): string => command('env', '-C', directory, name, ...args);
const store = (name: string): string => join(work, `store-${name}`);
const open = (image: string, name: string, messages: string[] = []): Promise<OpenImage> => openImage(parseSource(image, work), { layersRoot: store(name), extractor, sync: false, onProgress: (text) => void messages.push(text) });

/** Layers that add, change, remove, replace and link, each packed by umoci from a changed bundle: only real tools make it. */
function makeImage(): void {
  run(work, 'umoci', 'init', '--layout', 'oci');
  run(work, 'umoci', 'new', '--image', 'oci:1');
  const scripts = [
    'mkdir -p bin etc opt/gone/deep opt/opaque data && cp /bin/busybox bin/busybox && chmod 4755 bin/busybox && ln -s busybox bin/sh && echo one >etc/one && ln etc/one etc/one-link && echo x >opt/gone/deep/x && echo old >opt/opaque/old && echo d >data/d && chmod 0750 data && chown 1:2 data etc/one && mkfifo opt/fifo && mknod opt/null c 1 3 && printf a >"opt/caf\u00e9 \\n b"',
    'rm -rf opt/gone && rm -rf opt/opaque && mkdir opt/opaque && echo new >opt/opaque/new && echo two >>etc/one && rm data/d && ln bin/busybox bin/cat',
    'mkdir opt/gone && echo back >opt/gone/back && rm -rf data && ln -s etc data && rm bin/sh && mkdir bin/sh && echo f >bin/sh/f && chmod 0700 opt && truncate -s 3000000 etc/sparse && echo end >>etc/sparse',
  ];
  for (const [index, script] of scripts.entries()) {
    run(work, 'umoci', 'unpack', '--image', 'oci:1', `bundle-${String(index)}`);
    run(join(work, `bundle-${String(index)}/rootfs`), 'busybox', 'sh', '-ec', script);
    run(work, 'umoci', 'repack', '--image', 'oci:1', `bundle-${String(index)}`);
  }
  run(work, 'umoci', 'config', '--image', 'oci:1', '--config.cmd=/bin/cat', '--config.env=A=1');
  run(work, 'skopeo', 'copy', 'oci:oci:1', 'docker-archive:docker.tar:example.com/box:1');
}

describe.skipIf(missing !== undefined)(`images made by umoci and skopeo (needs ${missing ?? 'nothing more'})`, () => {
  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), 'tsc-box-images-'));
    extractor = await openLinux().extractor();
    mkdirSync(join(work, 'merged'));
    makeImage();
    run(work, 'umoci', 'unpack', '--image', 'oci:1', 'reference');
  }, 120_000);
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  const compare = (image: OpenImage, userxattr = false): string[] => withUnion(image.lowerdirs, join(work, 'merged'), (merged) => differences(describeTree(merged), describeTree(join(work, 'reference/rootfs'))), userxattr);

  it('an OCI layout: the union of the unpacked layers is what umoci unpacks', async () => {
    const messages: string[] = [];
    const image = await open('oci:oci:1', 'oci', messages);
    expect(image.lowerdirs).toHaveLength(3);
    expect(image.config?.config).toMatchObject({ Cmd: ['/bin/cat'], Env: ['A=1'] });
    expect(messages[0]).toMatch(/^unpacking layer 1 of 3 \(.* [KM]iB\)$/);
    expect(compare(image)).toEqual([]);
  });

  it('a user namespace sees the same: opaque directories have their mark for it', async () => {
    expect(compare(await open('oci:oci:1', 'oci'), true)).toEqual([]);
  });

  it('opened again, nothing is read: not even the layers need to be there', async () => {
    const copy = join(work, 'without-layers');
    const messages: string[] = [];
    cpSync(join(work, 'oci'), copy, { recursive: true });
    const first = await open('oci:oci:1', 'oci');
    for (const blob of readdirSync(join(copy, 'blobs/sha256'))) if (statSync(join(copy, 'blobs/sha256', blob)).size > 2000) truncateSync(join(copy, 'blobs/sha256', blob));
    const second = await open('oci:without-layers:1', 'oci', messages);
    expect(second).toEqual(first);
    expect(messages).toEqual([]);
  });

  it('a docker archive, plain or gzipped as a whole, has the same layers', async () => {
    const reference = await open('oci:oci:1', 'oci');
    const plain = await open('docker-archive:docker.tar', 'docker');
    expect(plain.chainIds).toEqual(reference.chainIds);
    expect(plain.config?.config).toMatchObject({ Cmd: ['/bin/cat'] });
    expect(compare(plain)).toEqual([]);
    run(work, 'gzip', '-k', 'docker.tar');
    expect((await open('docker-archive:docker.tar.gz:example.com/box:1', 'gzipped')).chainIds).toEqual(reference.chainIds);
    expect(readdirSync(store('gzipped')).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('zstd layers are unpacked the same', async () => {
    run(work, 'skopeo', 'copy', '--dest-compress-format', 'zstd', 'oci:oci:1', 'oci:zstd-layout:1');
    const types = readdirSync(join(work, 'zstd-layout/blobs/sha256')).map((name) => readFileSync(join(work, 'zstd-layout/blobs/sha256', name)).subarray(0, 4).toString('hex'));
    expect(types.filter((magic) => magic === '28b52ffd').length).toBe(3);
    expect(compare(await open('oci:zstd-layout:1', 'zstd'))).toEqual([]);
  });

  it('a damaged layer is named by its digest, and nothing of it stays', async () => {
    const copy = join(work, 'damaged');
    cpSync(join(work, 'oci'), copy, { recursive: true });
    const largest = readdirSync(join(copy, 'blobs/sha256')).sort((a, b) => statSync(join(copy, 'blobs/sha256', b)).size - statSync(join(copy, 'blobs/sha256', a)).size)[0] ?? '';
    const bytes = readFileSync(join(copy, 'blobs/sha256', largest));
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0xff;
    writeFileSync(join(copy, 'blobs/sha256', largest), bytes);
    await expect(open('oci:damaged:1', 'damaged')).rejects.toMatchObject({ code: 'ERR_TSCBOX_DIGEST_MISMATCH', detail: expect.stringContaining(`expected sha256:${largest}`) as string });
    expect(readdirSync(store('damaged'))).toEqual([]);
  });

  it('two at once unpack each layer once', async () => {
    const messages: string[] = [];
    const both = await Promise.all([open('oci:oci:1', 'twice', messages), open('docker-archive:docker.tar', 'twice', messages)]);
    expect(both[0].lowerdirs).toEqual(both[1].lowerdirs);
    expect(messages).toHaveLength(3);
    expect(readdirSync(store('twice')).sort()).toEqual(both[0].chainIds.toSorted());
  });

  it('layers keep setuid bits, owners, fifos, devices and hard links on disk', async () => {
    const image = await open('oci:oci:1', 'oci');
    const bottom = image.lowerdirs.at(-1) ?? '';
    expect(lstatSync(join(bottom, 'bin/busybox')).mode & 0o7777).toBe(0o4755);
    expect(lstatSync(join(bottom, 'etc/one'))).toMatchObject({ uid: 1, gid: 2, nlink: 2 });
    expect(lstatSync(join(bottom, 'opt/fifo')).isFIFO()).toBe(true);
    expect(lstatSync(join(bottom, 'opt/null')).rdev).toBe(0x103);
  });
});
