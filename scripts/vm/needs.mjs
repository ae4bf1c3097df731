// What a test machine needs of this one. Plain JavaScript: it is asked before anything is installed.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const COMMANDS = ['qemu-system-x86_64', 'busybox', 'dpkg-deb', 'mkfs.ext4'];

/** Why no test machine can be started here, or undefined. */
export function missingForMachine() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return `a test machine needs Linux on x86-64, found ${process.platform} ${process.arch}`;
  const places = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  const missing = COMMANDS.find((name) => !places.some((place) => existsSync(join(place, name))));
  return missing === undefined ? undefined : `${missing} is not installed`;
}
