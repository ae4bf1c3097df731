/**
 * Owner, extended attributes, mode and times of unpacked objects, in this order (T7): chown(2) clears setuid and
 * capabilities, a mode may forbid setting attributes. Links are never followed.
 */
import { chmodSync, closeSync, fchmodSync, fchownSync, type BigIntStats } from 'node:fs';
import type { TarEntry, TarTime } from '@tsc-box/model';
import { errnoOf } from './host-errors.ts';
import { changeOwner, changeTimes, getXattr, listXattrs, openPath, pathBelow, setXattr } from './syscalls.unsafe.ts';

export interface Attributes {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly atime: TarTime;
  readonly mtime: TarTime;
  /** As they are stored on disk. Names are byte strings. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

export type ObjectKind = 'file' | 'directory' | 'symlink' | 'special';

/** Where ownership is kept when it can't be set: rootlesscontainers.org, read by umoci too. */
export const OWNER_XATTR = 'user.rootlesscontainers';

/** Of other systems' policies, or ours. */
const DROPPED: ReadonlySet<string> = new Set(['security.selinux', 'system.nfs4_acl', OWNER_XATTR]);
/** What overlayfs itself reads. An image must not set these: it could show or hide what it likes. */
const OVERLAY = /^(trusted|user)\.overlay\./;

/** T11: overlayfs shows `trusted.overlay.overlay.x` as `trusted.overlay.x`. Undefined: dropped. */
export function storedXattrName(name: string): string | undefined {
  if (DROPPED.has(name)) return undefined;
  return name.replace(OVERLAY, '$1.overlay.overlay.');
}

export function attributesOfEntry(entry: TarEntry): Attributes {
  const { uid, gid, mode, mtime } = entry;
  const xattrs = new Map<string, Uint8Array>();
  for (const [name, value] of entry.xattrs) {
    const stored = storedXattrName(name);
    if (stored !== undefined) xattrs.set(stored, value);
  }
  return { uid, gid, mode, mtime, atime: entry.atime ?? mtime, xattrs };
}

const EPOCH: TarTime = { seconds: 0, nanoseconds: 0 };

/** T6: of a directory that no layer describes. */
export const IMPLIED_DIRECTORY: Attributes = { uid: 0, gid: 0, mode: 0o755, atime: EPOCH, mtime: EPOCH, xattrs: new Map() };

/** Of an object in a lower layer, to be copied. `path` is a byte string. */
export function attributesOfObject(path: string, stat: BigIntStats): Attributes {
  const xattrs = new Map<string, Uint8Array>();
  for (const name of listXattrs(path)) {
    const internal = OVERLAY.test(name) && !/^\w+\.overlay\.overlay\./.test(name);
    const value = internal || name === 'security.selinux' ? undefined : getXattr(path, name);
    if (value !== undefined) xattrs.set(name, value);
  }
  return { uid: Number(stat.uid), gid: Number(stat.gid), mode: Number(stat.mode) & 0o7777, atime: timeOf(stat.atimeNs), mtime: timeOf(stat.mtimeNs), xattrs };
}

/**
 * The same, to be given to a new object of a layer: what an ordinary user owns belongs to its root, and other owners are in the attribute
 * that is copied with the rest.
 */
export function attributesToCopy(path: string, stat: BigIntStats): Attributes {
  const attributes = attributesOfObject(path, stat);
  const isOwn = process.geteuid?.() !== 0 && attributes.uid === process.geteuid?.();
  return isOwn ? { ...attributes, uid: 0, gid: 0 } : attributes;
}

function timeOf(nanoseconds: bigint): TarTime {
  const second = 1_000_000_000n;
  const part = ((nanoseconds % second) + second) % second;
  return { seconds: Number((nanoseconds - part) / second), nanoseconds: Number(part) };
}

/** `message Resource { uint32 uid = 1; uint32 gid = 2; }` of protocol buffers, zeros left out. */
export function encodeOwner(uid: number, gid: number): Uint8Array {
  const bytes: number[] = [];
  for (const [tag, value] of [[0x08, uid], [0x10, gid]] as const) if (value !== 0) bytes.push(tag, ...varint(value));
  return Uint8Array.from(bytes);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))];
}

export class AttributeWriter {
  readonly #warn: (message: string) => void;
  readonly #warned = new Set<string>();
  readonly #mayChown = process.geteuid?.() === 0;

  /** `warn` is called once a kind of loss. */
  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  /** An open new file called `name` in the open directory `parent`. */
  applyToFile(fd: number, parent: number, name: string, attributes: Attributes): void {
    this.#own(parent, name, 'file', attributes, () => fchownSync(fd, attributes.uid, attributes.gid));
    this.#setXattrs(parent, name, 'file', attributes);
    fchmodSync(fd, attributes.mode);
    changeTimes(fd, undefined, attributes.atime, attributes.mtime);
  }

  /** Anything else. A directory may be given as itself, with the name ".". */
  apply(parent: number, name: string, kind: ObjectKind, attributes: Attributes): void {
    this.#own(parent, name, kind, attributes, () => changeOwner(parent, name, attributes.uid, attributes.gid));
    this.#setXattrs(parent, name, kind, attributes);
    if (kind !== 'symlink') changeMode(parent, name, attributes.mode);
    changeTimes(parent, name, attributes.atime, attributes.mtime);
  }

  warnOnce(message: string): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    this.#warn(message);
  }

  /** As an ordinary user, and for ids that this user namespace lacks, the owner is kept in an attribute. */
  #own(parent: number, name: string, kind: ObjectKind, { uid, gid }: Attributes, change: () => void): void {
    if (this.#mayChown) {
      try {
        return change();
      } catch (error) {
        const errno = errnoOf(error);
        if (errno !== 'EPERM' && errno !== 'EINVAL' && errno !== 'EOVERFLOW') throw error;
      }
    }
    if (uid === 0 && gid === 0) return;
    if (kind !== 'file' && kind !== 'directory') return this.warnOnce('owners of symbolic links and special files are not kept without root');
    try {
      setXattr(pathBelow(parent, name), OWNER_XATTR, encodeOwner(uid, gid));
    } catch (error) {
      if (!isUnsupported(error)) throw error;
      this.warnOnce('owners are not kept: the file system has no user extended attributes');
    }
  }

  #setXattrs(parent: number, name: string, kind: ObjectKind, { xattrs }: Attributes): void {
    for (const [key, value] of xattrs) {
      try {
        setXattr(pathBelow(parent, name), key, value);
      } catch (error) {
        // xattr(7): user attributes are for files and directories only.
        if (errnoOf(error) === 'EPERM' && key.startsWith('user.') && kind !== 'file' && kind !== 'directory') continue;
        if (!isUnsupported(error) && errnoOf(error) !== 'EPERM') throw error;
        this.warnOnce(`extended attributes of the kind "${key.split('.', 1)[0] ?? key}" are not kept: ${isUnsupported(error) ? 'the file system has none' : 'this user may not set them'}`);
      }
    }
  }
}

function isUnsupported(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === 'EOPNOTSUPP' || errno === 'ENOTSUP';
}

/** Through a descriptor that is the object itself: chmod(2) would follow a link. */
function changeMode(parent: number, name: string, mode: number): void {
  const fd = openPath(parent, name);
  try {
    chmodSync(`/proc/self/fd/${String(fd)}`, mode);
  } finally {
    closeSync(fd);
  }
}

/** An attribute that overlayfs reads: as root for mounts of any kind, since `userxattr` mounts only see `user.`. True when one could be set. */
export function setOverlayXattr(parent: number, name: string, key: 'opaque' | 'whiteout', value: string): boolean {
  const prefixes = process.geteuid?.() === 0 ? ['trusted', 'user'] : ['user'];
  const set = prefixes.filter((prefix) => trySetXattr(pathBelow(parent, name), `${prefix}.overlay.${key}`, value));
  return set.length > 0;
}

function trySetXattr(path: string, name: string, value: string): boolean {
  try {
    setXattr(path, name, Buffer.from(value, 'latin1'));
    return true;
  } catch (error) {
    if (isUnsupported(error) || errnoOf(error) === 'EPERM') return false;
    throw error;
  }
}
