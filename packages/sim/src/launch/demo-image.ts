/** The built-in image `demo`: a small system whose programs are the simulator's own commands. */
import type { ProgramRegistry } from '../abi/programs.ts';
import { PROGRAM_MARK } from '../abi/programs.ts';
import { S_IFDIR, S_IFLNK, S_IFREG } from '../abi/constants.ts';
import { toBytes } from '../det/trace.ts';
import type { Union } from '../vfs/union/union.ts';

const TIME = { seconds: 0, nanoseconds: 0 };

const DIRECTORIES: readonly (readonly [string, number])[] = [
  ['bin', 0o755], ['dev', 0o755], ['etc', 0o755], ['home', 0o755], ['proc', 0o555], ['root', 0o700], ['run', 0o755], ['sys', 0o555], ['tmp', 0o1777], ['usr', 0o755], ['usr/local', 0o755], ['var', 0o755], ['var/tmp', 0o1777],
];

const FILES: readonly (readonly [string, string])[] = [
  ['etc/passwd', 'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n'],
  ['etc/group', 'root:x:0:\ndaemon:x:1:\ntty:x:5:\nnogroup:x:65534:\n'],
  ['etc/os-release', 'NAME="tsc-box demo"\nID=tsc-box-demo\nPRETTY_NAME="tsc-box demo image (simulated)"\n'],
];

/** A new layer that holds it. */
export function createDemoLayer(union: Union, programs: ProgramRegistry): number {
  const { layers } = union;
  const layer = layers.create(0o755, 0, 0);
  const root = layers.root(layer);
  const directories = new Map<string, number>([['', root]]);
  const place = (path: string): readonly [number, string] => {
    const cut = path.lastIndexOf('/');
    return [directories.get(cut < 0 ? '' : path.slice(0, cut)) ?? root, path.slice(cut + 1)];
  };
  const describe = (inode: number, mode: number): void => { layers.setAttributes(inode, { mode, uid: 0, gid: 0, atime: TIME, mtime: TIME }); };
  const file = (path: string, text: string, mode: number): void => {
    const inode = layers.add(...place(path), S_IFREG | mode);
    const bytes = toBytes(text);
    layers.setData(inode, bytes, bytes.length);
    describe(inode, mode);
  };
  for (const [path, mode] of DIRECTORIES) {
    const inode = layers.add(...place(path), S_IFDIR | mode);
    directories.set(path, inode);
    describe(inode, mode);
  }
  for (const name of ['usr/bin', 'sbin']) describe(layers.add(...place(name), S_IFLNK | 0o777, 0, '/bin'), 0o777);
  for (const [path, text] of FILES) file(path, text, 0o644);
  for (const name of programs.names) file(`bin/${name}`, `${PROGRAM_MARK}${name}\n`, 0o755);
  return layer;
}
