/**
 * Can a union have its writable layer here? overlayfs.rst: the upper file system must support xattrs, RENAME_WHITEOUT and O_TMPFILE's
 * kin, and not be a union itself. The kernel only says EINVAL.
 */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { UnsupportedError, type Facts } from '@tsc-box/model';

/** By the magic number of statfs(2). */
const REFUSED: Readonly<Record<number, string>> = {
  0x794c7630: 'overlay', 0x6969: 'nfs', 0x65735546: 'fuse', 0x4d44: 'vfat', 0x2011bab0: 'exfat', 0x5346544e: 'ntfs', 0x7366746e: 'ntfs3', 0x01021997: '9p',
  0xfe534d42: 'smb', 0xff534d42: 'cifs', 0x858458f6: 'ramfs', 0xf15f: 'ecryptfs', 0x00c36400: 'ceph', 0x61756673: 'aufs', 0x73717368: 'squashfs', 0x9660: 'iso9660',
};
const TMPFS = 0x01021994;

export interface UpperRefusal {
  readonly reason: string;
  readonly hint: string;
}

/** `path` need not be there yet: then its nearest parent that is counts. */
export function probeUpperFilesystem(path: string, facts: Pick<Facts, 'kernel'>, userns: boolean): UpperRefusal | undefined {
  const type = typeOf(path);
  const [major, minor] = facts.kernel;
  // `user.*` xattrs came to tmpfs with Linux 6.6: without them a directory that was removed and made again can't be marked.
  if (type === TMPFS && userns && (major < 6 || (major === 6 && minor < 6))) return refusal(path, 'tmpfs', 'which has no user xattrs before Linux 6.6');
  const name = REFUSED[type];
  return name === undefined ? undefined : refusal(path, name, 'which can not hold the writable layer of a union');
}

function refusal(path: string, type: string, why: string): UpperRefusal {
  return { reason: `"${path}" is on ${/^[aeiou]/.test(type) ? 'an' : 'a'} ${type} file system, ${why}`, hint: `use --root DIR with a directory on another file system, such as ext4, xfs, btrfs${type === 'tmpfs' ? '' : ' or tmpfs'}` };
}

/** @throws UnsupportedError */
export function requireUpperFilesystem(path: string, facts: Pick<Facts, 'kernel'>, userns: boolean): void {
  const refused = probeUpperFilesystem(path, facts, userns);
  if (refused !== undefined) throw new UnsupportedError({ attempted: 'make a writable layer', detail: refused.reason, path, hint: refused.hint });
}

function typeOf(path: string): number {
  for (let place = path; ; place = dirname(place)) {
    try {
      return statfsSync(place).type;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || place === '/') return 0;
    }
  }
}
