/** Reading whole archives in tests. */
import { fromByteString, toByteString } from './bytes.ts';
import { TarReader } from './tar-reader.ts';
import type { TarEntry, TarLimits } from './tar-types.ts';
import { joinBytes } from './tar-writer.ts';

export interface ReadEntry {
  readonly entry: TarEntry;
  /** Byte string. */
  readonly name: string;
  readonly link: string;
  /** The file as it reads, holes filled with zeros. Byte string. */
  readonly data: string;
}

/** Pushes the archive in pieces of `size` bytes. */
export function readTar(archive: Uint8Array, size: number = archive.length || 1, limits: Partial<TarLimits> = {}): ReadEntry[] {
  const found: ReadEntry[] = [];
  let data = new Uint8Array(0);
  const reader = new TarReader(
    {
      entry: (entry) => void (data = new Uint8Array(Math.min(entry.size, 1 << 20))),
      data: (bytes, position) => data.set(bytes, position),
      end: (entry) => void found.push({ entry, name: toByteString(entry.name), link: toByteString(entry.linkName), data: toByteString(data) }),
    },
    limits,
  );
  for (let at = 0; at < archive.length; at += size) reader.push(archive.subarray(at, at + size));
  reader.end();
  return found;
}

/** Text, one character a byte. */
export const bytes = (text: string): Uint8Array => fromByteString(text);

export const blocks = (...parts: readonly Uint8Array[]): Uint8Array => joinBytes(parts.map((part) => joinBytes([part, new Uint8Array((512 - (part.length % 512)) % 512)])));
