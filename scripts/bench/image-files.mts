/** OCI layouts to measure with, made by tar and zlib alone: nothing of ours has a hand in them. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** A layer's archive as it lies in a layout, and its plain form. */
export interface Archive {
  readonly blob: Buffer;
  readonly diffId: string;
  readonly mediaType: string;
}

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** What lies in `directory` as a layer. */
export function archiveOf(directory: string, compressed: boolean): Archive {
  const plain = execFileSync('tar', ['-C', directory, '--sort=name', '-cf', '-', '.'], { maxBuffer: 2 ** 30 });
  const base = 'application/vnd.oci.image.layer.v1.tar';
  return { blob: compressed ? gzipSync(plain) : plain, diffId: digestOf(plain), mediaType: compressed ? `${base}+gzip` : base };
}

/** An image called `1` in a new layout, bottom layer first. Returns the paths of its layers' blobs. */
export function writeLayout(directory: string, layers: readonly Archive[]): string[] {
  const blobs = join(directory, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  const put = (bytes: Buffer, mediaType: string): { readonly mediaType: string; readonly digest: string; readonly size: number } => {
    const digest = digestOf(bytes);
    writeFileSync(join(blobs, digest.slice('sha256:'.length)), bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const json = (value: unknown, mediaType: string): ReturnType<typeof put> => put(Buffer.from(JSON.stringify(value)), mediaType);
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const config = json({ architecture, os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) } }, 'application/vnd.oci.image.config.v1+json');
  const descriptors = layers.map(({ blob, mediaType }) => put(blob, mediaType));
  const manifest = json({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config, layers: descriptors }, 'application/vnd.oci.image.manifest.v1+json');
  writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations: { 'org.opencontainers.image.ref.name': '1' } }] }));
  return descriptors.map(({ digest }) => join(blobs, digest.slice('sha256:'.length)));
}

let text: Buffer | undefined;

/** Read once: it is large. */
const programText = (): Buffer => (text ??= readFileSync(process.execPath));

/** Files below `directory`, a hundred to a directory, whose contents are parts of this Node's own executable: they compress as programs do. */
export function writeFiles(directory: string, count: number, bytesEach: number): void {
  const content = bytesEach === 0 ? Buffer.alloc(0) : programText();
  for (let index = 0; index < count; index += 1) {
    const parent = join(directory, `d${String(Math.floor(index / 100))}`);
    if (index % 100 === 0) mkdirSync(parent, { recursive: true });
    const at = content.length <= bytesEach ? 0 : (index * 16_411) % (content.length - bytesEach);
    writeFileSync(join(parent, `f${String(index)}`), content.subarray(at, at + bytesEach));
  }
}
