/**
 * Bytes of files, by number. Metadata is not kept here. Files of layers are adopted as they lie in their archive, and only
 * what is written goes to memfs: one file a number. memfs is loaded at first use.
 */
import type { Volume } from 'memfs';

/** A view of the data, or what yields one when it is first read. */
export type AdoptedBytes = Uint8Array | (() => Uint8Array);

export interface ByteStore {
  /** Bytes that were there; the rest of `target` is left as it is. */
  read(number: number, target: Uint8Array, position: number): number;
  write(number: number, bytes: Uint8Array, position: number): void;
  truncate(number: number, size: number): void;
  /** A new file with the first `size` bytes of another. */
  copy(from: number, to: number, size: number): void;
  /** A file that is only ever read. */
  adopt(number: number, bytes: AdoptedBytes): void;
  isAdopted(number: number): boolean;
  remove(number: number): void;
}

type MemfsVolume = InstanceType<typeof Volume>;

/** Files of memfs under "/", named by number. Each stays open, so that a write is one call. */
export async function openMemfsStore(): Promise<ByteStore> {
  const memfs = await import('memfs');
  return createByteStore(memfs.Volume.fromJSON({}));
}

interface OpenFile {
  readonly fd: number;
  length: number;
}

export function createByteStore(volume: MemfsVolume): ByteStore {
  const adopted = new Map<number, AdoptedBytes>();
  const files = new Map<number, OpenFile>();
  const open = (number: number): OpenFile => {
    let file = files.get(number);
    if (file === undefined) {
      file = { fd: volume.openSync(`/${String(number)}`, 'w+'), length: 0 };
      files.set(number, file);
    }
    return file;
  };
  const write = (number: number, bytes: Uint8Array, position: number): void => {
    const file = open(number);
    // Zeros are written out: memfs shows what its buffer held before.
    if (position > file.length) volume.writeSync(file.fd, new Uint8Array(position - file.length), 0, position - file.length, file.length);
    volume.writeSync(file.fd, bytes, 0, bytes.length, position);
    file.length = Math.max(file.length, position + bytes.length);
  };
  const adoptedBytes = (number: number): Uint8Array | undefined => {
    const bytes = adopted.get(number);
    if (typeof bytes !== 'function') return bytes;
    const read = bytes();
    adopted.set(number, read);
    return read;
  };
  const read = (number: number, target: Uint8Array, position: number): number => {
    const bytes = adoptedBytes(number);
    const file = files.get(number);
    if (bytes === undefined) return file !== undefined && target.length > 0 ? volume.readSync(file.fd, target, 0, target.length, position) : 0;
    const part = bytes.subarray(position, position + target.length);
    target.set(part);
    return part.length;
  };
  return {
    read,
    write,
    truncate(number, size) {
      const file = open(number);
      if (size >= file.length) return;
      volume.ftruncateSync(file.fd, size);
      file.length = size;
    },
    copy(from, to, size) {
      const bytes = new Uint8Array(size);
      const length = read(from, bytes, 0);
      open(to);
      if (length > 0) write(to, bytes.subarray(0, length), 0);
    },
    adopt: (number, bytes) => void adopted.set(number, bytes),
    isAdopted: (number) => adopted.has(number),
    remove(number) {
      adopted.delete(number);
      const file = files.get(number);
      if (file === undefined) return;
      volume.closeSync(file.fd);
      volume.unlinkSync(`/${String(number)}`);
      files.delete(number);
    },
  };
}
