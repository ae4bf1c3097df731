/** What `specFromOptions` asks about the host: the model does no I/O. */
import { readdirSync, readFileSync, statSync, type Stats } from 'node:fs';
import { BoxError, type HostPath, type SpecDevice } from '@tsc-box/model';

/** Bytes. Env files, seccomp profiles, passwd. */
export const TEXT_MAX: number = 2 ** 20;

/** Undefined where there is none. @throws BoxError when it can't be read. */
export function readHostFile(path: string): string | undefined {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    // A pipe that nobody writes to would be waited for without end. /dev/stdin and <(…) of a shell are pipes that somebody does.
    if (!stat.isFile() && !path.startsWith('/dev/') && !path.startsWith('/proc/')) throw new BoxError({ code: 'ERR_TSCBOX_USAGE', attempted: `read "${path}"`, detail: `it is ${stat.isDirectory() ? 'a directory' : 'no regular file'}`, path });
    if (stat.size > TEXT_MAX) throw new BoxError({ code: 'ERR_TSCBOX_USAGE', attempted: `read "${path}"`, detail: `it has ${stat.size} bytes, allowed: ${TEXT_MAX}`, path });
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof BoxError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new BoxError({ code: 'ERR_TSCBOX_USAGE', attempted: `read "${path}"`, errno: code, path, cause: error });
  }
}

/** Undefined where there is none, or none that this user can see. */
export function hostPath(path: string): HostPath | undefined {
  let stat: Stats | undefined;
  try {
    stat = statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
  if (stat === undefined) return undefined;
  const type = stat.isCharacterDevice() ? 'c' : stat.isBlockDevice() ? 'b' : undefined;
  const kind = stat.isDirectory() ? 'directory' : 'file';
  return type === undefined ? { kind } : { kind, device: { type, ...numbersOf(stat.rdev), mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid } };
}

/** makedev(3): twelve bits of the major number and twenty of the minor one, in the order of glibc. */
function numbersOf(rdev: number): { readonly major: number; readonly minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}

/** Directories of /dev that the container has of its own, and one that would hold every terminal of the host. */
const OWN_DEVICES = new Set(['pts', 'shm', 'mqueue', 'fd', 'console', 'hugepages']);

/** All device nodes of the host's /dev, for `--privileged`. Links are passed over, as docker does. */
export function hostDevices(directory = '/dev'): SpecDevice[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry): SpecDevice[] => {
    const path = `${directory}/${entry.name}`;
    if (directory === '/dev' && OWN_DEVICES.has(entry.name)) return [];
    if (entry.isDirectory()) return hostDevices(path);
    const device = entry.isCharacterDevice() || entry.isBlockDevice() ? hostPath(path)?.device : undefined;
    return device === undefined ? [] : [{ type: device.type, path, major: device.major, minor: device.minor, fileMode: device.mode & 0o777, uid: device.uid, gid: device.gid }];
  });
}
