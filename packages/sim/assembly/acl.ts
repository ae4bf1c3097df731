/**
 * POSIX ACLs, as extended attributes: a new object takes the default ACL of its directory (C9), and mode and access ACL
 * follow each other. Linux: fs/posix_acl.c; acl(5). Who may do what by an ACL is the caller's to check.
 * The value: version 2 (u32), then entries {tag u16, permissions u16, id u32}.
 */
import { BUFFER, EACCES, EINVAL, ENODATA, EOPNOTSUPP, I_MODE, S_IFLNK } from './abi.ts';
import { isDir, typeOf } from './inodes.ts';
import { dropXattr, findXattr, putXattr, readXattr } from './xattrs.ts';

const ACCESS: u32 = <u32>memory.data<u8>([115, 121, 115, 116, 101, 109, 46, 112, 111, 115, 105, 120, 95, 97, 99, 108, 95, 97, 99, 99, 101, 115, 115]);
const DEFAULT: u32 = <u32>memory.data<u8>([115, 121, 115, 116, 101, 109, 46, 112, 111, 115, 105, 120, 95, 97, 99, 108, 95, 100, 101, 102, 97, 117, 108, 116]);
const ACCESS_LENGTH: u32 = 23;
const DEFAULT_LENGTH: u32 = 24;
const HEADER_SIZE: u32 = 4;

const USER_OBJ: u32 = 1;
const USER: u32 = 2;
const GROUP_OBJ: u32 = 4;
const GROUP: u32 = 8;
const MASK: u32 = 16;
const OTHER: u32 = 32;

/** 1 for the name of an access ACL, 2 for that of a default one, 0 for others. */
export function aclKind(name: u32, length: u32): u32 {
  if (length == ACCESS_LENGTH && memory.compare(name, ACCESS, ACCESS_LENGTH) == 0) return 1;
  return length == DEFAULT_LENGTH && memory.compare(name, DEFAULT, DEFAULT_LENGTH) == 0 ? 2 : 0;
}

@inline
function tagAt(at: u32): u32 {
  return load<u16>(at);
}

@inline
function permissionsAt(at: u32): u32 {
  return load<u16>(at, 2);
}

/** posix_acl_valid(): 0 when the value in the buffer is well formed. Ids that mean nothing are set to "undefined". */
function check(length: u32): i32 {
  if (length < HEADER_SIZE) return EINVAL;
  if (load<u32>(BUFFER) != 2) return EOPNOTSUPP;
  if ((length - HEADER_SIZE) % 8 != 0) return EINVAL;
  let last: u32 = 0;
  let named = false;
  for (let at = BUFFER + HEADER_SIZE; at < BUFFER + length; at += 8) {
    const tag = tagAt(at);
    const repeats = tag == USER || tag == GROUP;
    if (!repeats && tag != USER_OBJ && tag != GROUP_OBJ && tag != MASK && tag != OTHER) return EINVAL;
    if ((permissionsAt(at) & ~<u32>7) != 0 || tag < last || (tag == last && !repeats)) return EINVAL;
    // The owner, the group and the others can't be left out; a mask only where nobody is named.
    if ((tag > USER_OBJ && last == 0) || (tag > GROUP_OBJ && last < GROUP_OBJ) || (tag == OTHER && named && last != MASK)) return EINVAL;
    if (repeats) named = true;
    else store<u32>(at, 0xffffffff, 4);
    last = tag;
  }
  return last == OTHER || length == HEADER_SIZE ? 0 : EINVAL;
}

/** posix_acl_equiv_mode(): the permission bits that the ACL in the buffer stands for; with bit 31 when it says more than they can. */
function modeOf(length: u32): u32 {
  let mode: u32 = 0;
  let more: u32 = 0;
  for (let at = BUFFER + HEADER_SIZE; at < BUFFER + length; at += 8) {
    const tag = tagAt(at);
    const permissions = permissionsAt(at);
    if (tag == USER_OBJ) mode |= permissions << 6;
    else if (tag == GROUP_OBJ) mode |= permissions << 3;
    else if (tag == OTHER) mode |= permissions;
    else more = 0x80000000;
    if (tag == MASK) mode = (mode & ~<u32>0x38) | (permissions << 3);
  }
  return mode | more;
}

/**
 * Before a copy-up for an ACL (its value in the buffer, `length` 0 to remove it): -errno, 1 when nothing is left to do, 0 to
 * go on. EINVAL, EOPNOTSUPP, EACCES (a default ACL of a file), ENODATA (of a lower object that has none).
 */
export function checkAcl(inode: u32, kind: u32, length: u32, upper: bool): i32 {
  if (typeOf(inode) == S_IFLNK) return EOPNOTSUPP;
  const refused = length == 0 ? 0 : check(length);
  if (refused < 0) return refused;
  if (kind == 2 && !isDir(inode)) return length > HEADER_SIZE ? EACCES : 1;
  if (length > HEADER_SIZE || upper) return 0;
  return findAcl(inode, kind) == 0 ? ENODATA : 0;
}

/** setxattr(2) of a checked ACL, its value in the buffer. The inode is copied up already. */
export function setAcl(inode: u32, kind: u32, length: u32): i32 {
  if (length <= HEADER_SIZE) return removeAcl(inode, kind);
  if (kind == 2) return putXattr(inode, DEFAULT, DEFAULT_LENGTH, BUFFER, length, 0);
  const mode = modeOf(length);
  store<u32>(inode + I_MODE, (load<u32>(inode + I_MODE) & ~<u32>0x1ff) | (mode & 0x1ff));
  return (mode >> 31) == 0 ? removeAcl(inode, 1) : putXattr(inode, ACCESS, ACCESS_LENGTH, BUFFER, length, 0);
}

function findAcl(inode: u32, kind: u32): u32 {
  return kind == 1 ? findXattr(inode, ACCESS, ACCESS_LENGTH) : findXattr(inode, DEFAULT, DEFAULT_LENGTH);
}

function removeAcl(inode: u32, kind: u32): i32 {
  const record = findAcl(inode, kind);
  if (record != 0) dropXattr(inode, record);
  return 0;
}

/** posix_acl_chmod(): the access ACL follows the mode. */
export function chmodAcl(inode: u32): void {
  const record = findXattr(inode, ACCESS, ACCESS_LENGTH);
  if (record == 0) return;
  const length = <u32>readXattr(record);
  const mode = load<u32>(inode + I_MODE);
  const group = groupEntry(length);
  for (let at = BUFFER + HEADER_SIZE; at < BUFFER + length; at += 8) {
    const tag = tagAt(at);
    if (tag == USER_OBJ) store<u16>(at, <u16>((mode >> 6) & 7), 2);
    else if (tag == OTHER) store<u16>(at, <u16>(mode & 7), 2);
    else if (at == group) store<u16>(at, <u16>((mode >> 3) & 7), 2);
  }
  putXattr(inode, ACCESS, ACCESS_LENGTH, BUFFER, length, 0);
}

/** The entry that the group bits of the mode stand for: the mask where there is one. */
function groupEntry(length: u32): u32 {
  let group: u32 = 0;
  for (let at = BUFFER + HEADER_SIZE; at < BUFFER + length; at += 8) if (tagAt(at) == MASK || (tagAt(at) == GROUP_OBJ && group == 0)) group = at;
  return group;
}

/** posix_acl_create(): a new object of a directory with a default ACL. Its mode is cut by the ACL, and the ACL by its mode. */
export function inheritAcl(dir: u32, inode: u32): void {
  const record = findXattr(dir, DEFAULT, DEFAULT_LENGTH);
  if (record == 0 || typeOf(inode) == S_IFLNK) return;
  const length = <u32>readXattr(record);
  if (isDir(inode)) putXattr(inode, DEFAULT, DEFAULT_LENGTH, BUFFER, length, 0);
  const group = groupEntry(length);
  const mode = load<u32>(inode + I_MODE);
  let kept: u32 = 0;
  for (let at = BUFFER + HEADER_SIZE; at < BUFFER + length; at += 8) {
    const tag = tagAt(at);
    const shift: u32 = tag == USER_OBJ ? 6 : at == group ? 3 : tag == OTHER ? 0 : 16;
    if (shift == 16) continue;
    const permissions = permissionsAt(at) & (mode >> shift) & 7;
    store<u16>(at, <u16>permissions, 2);
    kept |= permissions << shift;
  }
  store<u32>(inode + I_MODE, (mode & ~<u32>0x1ff) | kept);
  if ((modeOf(length) >> 31) != 0) putXattr(inode, ACCESS, ACCESS_LENGTH, BUFFER, length, 0);
}
