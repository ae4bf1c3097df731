/** Images made in tests, and an extractor that only notes what it gets. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { joinBytes, TarReader, tarEnd, tarEntry, textOf, toByteString, type LayerExtractor, type TarWriteEntry } from '@tsc-box/model';

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Files by name. A value that starts with "-> " is a symbolic link. */
export function tarOf(files: Readonly<Record<string, string | Uint8Array>>): Uint8Array {
  const entries = Object.entries(files).map(([name, data]) => {
    const link = typeof data === 'string' && data.startsWith('-> ') ? data.slice(3) : undefined;
    const entry: TarWriteEntry = link === undefined ? { type: 'file', name, mode: 0o644 } : { type: 'symlink', name, linkName: link };
    return tarEntry(entry, link !== undefined ? new Uint8Array(0) : typeof data === 'string' ? bytesOf(data) : data);
  });
  return joinBytes([...entries, tarEnd()]);
}

export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const INDEX = 'application/vnd.oci.image.index.v1+json';
export const CONFIG = 'application/vnd.oci.image.config.v1+json';
export const LAYER = 'application/vnd.oci.image.layer.v1.tar';

export interface TestDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Readonly<Record<string, string>>;
}

/** An OCI layout in a directory. */
export class TestLayout {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    mkdirSync(join(path, 'blobs/sha256'), { recursive: true });
    writeFileSync(join(path, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  }

  blob(mediaType: string, data: Uint8Array | object, more: Partial<TestDescriptor> = {}): TestDescriptor {
    const bytes = data instanceof Uint8Array ? data : bytesOf(JSON.stringify(data));
    writeFileSync(this.pathOf(sha256(bytes)), bytes);
    return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length, ...more };
  }

  pathOf(digest: string): string {
    return join(this.path, 'blobs/sha256', digest.replace('sha256:', ''));
  }

  /** An image of plain layers; `config` and `manifest` replace fields. */
  image(layers: readonly Uint8Array[], more: Partial<TestDescriptor> = {}, config: object = {}, manifest: object = {}): TestDescriptor {
    const described = layers.map((layer) => this.blob(LAYER, layer));
    const configuration = this.blob(CONFIG, { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: described.map(({ digest }) => digest) }, ...config });
    return this.blob(MANIFEST, { schemaVersion: 2, mediaType: MANIFEST, config: configuration, layers: described, ...manifest }, more);
  }

  index(manifests: readonly object[]): this {
    writeFileSync(join(this.path, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
    return this;
  }
}

export const tagged = (name: string): Partial<TestDescriptor> => ({ annotations: { 'org.opencontainers.image.ref.name': name } });

/** Writes regular files only. */
export function fakeExtractor(seen: string[] = []): LayerExtractor {
  return {
    async extract(stream, directory, { lowerdirs = [] }) {
      let path = '';
      const reader = new TarReader({
        entry(entry) {
          path = entry.type === 'file' ? join(directory, textOf(toByteString(entry.name))) : '';
          if (path === '') return;
          mkdirSync(dirname(path), { recursive: true });
          writeFileSync(path, '');
        },
        data: (bytes) => writeFileSync(path, bytes, { flag: 'a' }),
      });
      for await (const chunk of stream) reader.push(chunk);
      reader.end();
      seen.push(`${String(lowerdirs.length)} below`);
    },
  };
}
