/** A writer of the cpio format that the kernel reads as its first root: "newc", Documentation/driver-api/early-userspace/buffer-format.rst. */

export interface CpioEntry {
  readonly path: string;
  /** File type and permission bits, as in st_mode. */
  readonly mode: number;
  readonly data: Buffer;
}

const ALIGNMENT = 4;

const padding = (length: number): Buffer => Buffer.alloc((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT);

const field = (value: number): string => value.toString(16).padStart(8, '0');

function encode({ path, mode, data }: CpioEntry, inode: number): Buffer {
  const name = Buffer.from(`${path}\0`);
  const links = 1;
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  const fields = [inode, mode, 0, 0, links, 0, data.length, 0, 0, 0, 0, name.length, 0].map(field).join('');
  const head = Buffer.concat([Buffer.from(`070701${fields}`), name]);
  return Buffer.concat([head, padding(head.length), data, padding(data.length)]);
}

export function encodeCpio(entries: readonly CpioEntry[]): Buffer {
  const last: CpioEntry = { path: 'TRAILER!!!', mode: 0, data: Buffer.alloc(0) };
  return Buffer.concat([...entries, last].map((entry, index) => encode(entry, index + 1)));
}
