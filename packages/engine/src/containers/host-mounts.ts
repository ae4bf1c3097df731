/**
 * What this machine's mounts are to the `host` image. proc(5), /proc/self/mountinfo.
 *
 * - `overlay`: local file systems that overlayfs is known to take lower directories from, shown copy-on-write.
 * - `bind`: shown as they are, read-only: all others. overlayfs refuses some (vfat, whose names compare in their own way; a union on
 *   unions), others never change (squashfs), and one odd mount must not keep the machine from being shown. Single files too.
 * - `hidden`: kernel file systems and what lies in /proc, /sys, /dev and /run, which the container has fresh ones of; network and
 *   FUSE file systems, which may hang; the layers of container engines.
 */
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { textOf } from '@tsc-box/model';

export interface HostMount {
  readonly mountpoint: string;
  readonly type: string;
  readonly use: 'overlay' | 'bind' | 'hidden';
}

interface MountinfoLine {
  readonly id: string;
  readonly parent: string;
  readonly mountpoint: string;
  readonly type: string;
  /** The file system itself, not only this mount of it. */
  readonly readOnly: boolean;
}

/** What the rules need to know of the tree. */
export interface MountLook {
  isDirectory(path: string): boolean;
  isEmpty(path: string): boolean;
}

/** The kernel's own, given fresh to every container. */
export const FRESH: readonly string[] = ['/proc', '/sys', '/dev', '/run'];

const KERNEL = new Set('proc sysfs devtmpfs devpts cgroup cgroup2 mqueue hugetlbfs bpf tracefs debugfs securityfs pstore efivarfs configfs binfmt_misc fusectl rpc_pipefs nfsd selinuxfs smackfs autofs nsfs pipefs sockfs resctrl'.split(' '));
const NETWORK = new Set('nfs nfs4 cifs smb3 smbfs 9p ceph glusterfs afs ncpfs lustre gfs2 ocfs2 beegfs davfs coda'.split(' '));
const UNITED = new Set('ext2 ext3 ext4 xfs btrfs tmpfs ramfs f2fs zfs bcachefs jfs reiserfs nilfs2'.split(' '));
const ENGINE_STORES = /^\/(var\/lib\/(docker|containers|containerd|kubelet|lxd|incus)|(home\/[^/]+|root)\/\.local\/share\/(docker|containers|containerd))\//;

/** Visible mounts, parents before children; `mountinfo` as a byte string. What lies below a hidden one is hidden. Pure but for `look`. */
export function parseHostMounts(mountinfo: string, ownRoot: string, look: MountLook): HostMount[] {
  const visible = visibleMounts(mountinfo.split('\n').map(parseLine).filter((line) => line !== undefined));
  const mounts: HostMount[] = [];
  for (const { mountpoint, type, readOnly } of visible.sort((a, b) => (a.mountpoint < b.mountpoint ? -1 : a.mountpoint > b.mountpoint ? 1 : 0))) {
    const use = mounts.some((above) => above.use === 'hidden' && isBelow(mountpoint, above.mountpoint)) ? 'hidden' : useOf({ mountpoint, type, readOnly }, ownRoot, look);
    mounts.push({ mountpoint, type, use });
  }
  return mounts;
}

/** `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`: the optional fields end at the lone hyphen. */
function parseLine(line: string): MountinfoLine | undefined {
  const fields = line.split(' ');
  const [id, parent, , , mountpoint] = fields;
  const end = fields.indexOf('-', 6);
  const type = fields[end + 1];
  if (id === undefined || parent === undefined || mountpoint === undefined || type === undefined) return undefined;
  return { id, parent, mountpoint: unescape(mountpoint), type, readOnly: /^ro(,|$)/.test(fields[end + 3] ?? '') };
}

/** A byte string in: the kernel writes space, tab, newline, backslash and `#` as three octal digits. Text out. */
function unescape(byteString: string): string {
  if (!/[\\\x80-\xff]/.test(byteString)) return byteString;
  return textOf(byteString.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))));
}

/** Leaves out what another mount covers: one on the same place, or one on a directory above it. */
function visibleMounts(lines: readonly MountinfoLine[]): MountinfoLine[] {
  const children = new Map<string, MountinfoLine[]>();
  for (const line of lines) {
    if (line.id === line.parent) continue;
    const siblings = children.get(line.parent);
    if (siblings === undefined) children.set(line.parent, [line]);
    else siblings.push(line);
  }
  const ids = new Set(lines.map(({ id }) => id));
  const seen: MountinfoLine[] = [];
  const visit = (line: MountinfoLine): void => {
    const below = children.get(line.id) ?? [];
    if (!below.some(({ mountpoint }) => mountpoint === line.mountpoint)) seen.push(line);
    for (const child of below) {
      const covered = below.some((other) => other !== child && isBelow(child.mountpoint, other.mountpoint));
      const onTop = below.find(({ mountpoint }) => mountpoint === line.mountpoint);
      if (!covered && (onTop === undefined || onTop === child)) visit(child);
    }
  };
  for (const line of lines) if (line.id === line.parent || !ids.has(line.parent)) visit(line);
  return seen;
}

/** True when `path` lies under `directory`, and is not it. */
export function isBelow(path: string, directory: string): boolean {
  return path.length > directory.length && path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

function useOf({ mountpoint, type, readOnly }: Omit<MountinfoLine, 'id' | 'parent'>, ownRoot: string, look: MountLook): HostMount['use'] {
  if (mountpoint === '/') return 'overlay';
  const within = (directory: string): boolean => mountpoint === directory || isBelow(mountpoint, directory);
  if (KERNEL.has(type) || NETWORK.has(type) || type.startsWith('fuse')) return 'hidden';
  if (FRESH.some(within) || isBelow(mountpoint, ownRoot) || ENGINE_STORES.test(mountpoint)) return 'hidden';
  return UNITED.has(type) && look.isDirectory(mountpoint) && !(readOnly && look.isEmpty(mountpoint)) ? 'overlay' : 'bind';
}

/** Of this moment, as a byte string. */
export const readMountinfo = (): string => readFileSync('/proc/self/mountinfo', 'latin1');

/** `ownRoot`: the engine's own directory, whose mounts are not shown. */
export function lookAtMounts(mountinfo: string, ownRoot: string): HostMount[] {
  return parseHostMounts(mountinfo, ownRoot, {
    isDirectory: (path) => tryTo(() => lstatSync(path).isDirectory()) ?? true,
    isEmpty: (path) => tryTo(() => readdirSync(path).length === 0) ?? false,
  });
}

function tryTo<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
