import { describe, expect, it } from 'vitest';
import { parseHostMounts } from './host-mounts.ts';

const ROOT = '/var/lib/tsc-box';
const uses = (mountinfo: string, isDirectory: (path: string) => boolean = () => true): Record<string, string> =>
  Object.fromEntries(parseHostMounts(mountinfo, ROOT, { isDirectory, isEmpty: (path) => path.includes('empty') }).map(({ mountpoint, use }) => [mountpoint, use]));

describe('what the mounts of a machine are to the host image', () => {
  it('shows local file systems, and hides the kernel\'s, the network\'s and FUSE', () => {
    expect(uses(`22 28 0:20 / /sys rw - sysfs sysfs rw
28 1 8:2 / / rw shared:1 - ext4 /dev/sda2 rw
30 28 0:25 / /run rw - tmpfs tmpfs rw
31 30 0:26 / /run/user/1000 rw - tmpfs tmpfs rw
40 28 8:3 / /home rw - xfs /dev/sda3 rw
41 28 0:40 / /mnt/nas rw - nfs4 nas:/x rw
42 28 0:41 / /mnt/sshfs rw - fuse.sshfs h:/ rw
43 28 0:42 / /tmp rw - tmpfs tmpfs rw
44 28 7:1 / /snap/core/1 ro - squashfs /dev/loop1 ro
45 28 8:1 / /boot/efi rw - vfat /dev/sda1 rw`)).toEqual({
      '/': 'overlay', '/sys': 'hidden', '/run': 'hidden', '/run/user/1000': 'hidden', '/home': 'overlay', '/mnt/nas': 'hidden', '/mnt/sshfs': 'hidden', '/tmp': 'overlay',
      '/snap/core/1': 'bind', '/boot/efi': 'bind',
    });
  });

  it('shows a single file as it is', () => {
    expect(uses('1 0 8:1 / / rw - ext4 a rw\n2 1 8:1 /x /etc/hosts rw - ext4 a rw', (path) => path !== '/etc/hosts')).toEqual({ '/': 'overlay', '/etc/hosts': 'bind' });
  });

  it('makes no union over a read-only file system with nothing in it', () => {
    expect(uses('1 0 8:1 / / rw - ext4 a rw\n2 1 0:9 / /empty rw - tmpfs t ro,size=4k\n3 1 0:8 / /empty-but-writable rw - tmpfs t rw\n4 1 0:7 / /full ro - tmpfs t ro')).toEqual({ '/': 'overlay', '/empty': 'bind', '/empty-but-writable': 'overlay', '/full': 'overlay' });
  });

  it('hides our own directory and the layers of other engines', () => {
    expect(uses(`1 0 8:1 / / rw - ext4 a rw
2 1 8:2 / /var/lib/tsc-box rw - ext4 b rw
3 2 8:3 / /var/lib/tsc-box/run rw - ext4 b rw
4 1 0:9 / /var/lib/docker/overlay2/abc/merged rw - overlay overlay rw`)).toEqual({ '/': 'overlay', '/var/lib/tsc-box': 'overlay', '/var/lib/tsc-box/run': 'hidden', '/var/lib/docker/overlay2/abc/merged': 'hidden' });
  });

  it('hides what lies below something hidden', () => {
    expect(uses('1 0 8:1 / / rw - ext4 a rw\n2 1 0:9 / /net rw - nfs x rw\n3 2 8:2 / /net/disk rw - ext4 b rw')).toMatchObject({ '/net/disk': 'hidden' });
  });

  it('sees only what is on top', () => {
    expect(parseHostMounts(`1 0 8:1 / / rw - ext4 a rw
2 1 8:2 / /data rw - ext4 b rw
3 2 8:3 / /data rw - xfs c rw
4 1 8:4 / /srv/old rw - ext4 d rw
5 1 8:5 / /srv rw - ext4 e rw`, ROOT, { isDirectory: () => true, isEmpty: () => false }).map(({ mountpoint, type }) => `${mountpoint} ${type}`)).toEqual(['/ ext4', '/data xfs', '/srv ext4']);
  });

  it('reads names with blanks and letters beyond ASCII', () => {
    const line = Buffer.from('2 1 8:2 / /media/my\\040dïsk rw - ext4 b rw').toString('latin1');
    expect(Object.keys(uses(`1 0 8:1 / / rw - ext4 a rw\n${line}`))).toContain('/media/my dïsk');
  });

  it('is not confused by optional fields, or by a type in the place of one', () => {
    expect(uses('1 0 8:1 / / rw shared:1 master:2 propagate_from:3 - ext4 - rw')).toEqual({ '/': 'overlay' });
  });
});
