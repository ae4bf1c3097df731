/**
 * Extended attributes of inodes: a list of records {next, name length, value length, name, value}.
 * Those of overlayfs are also kept as flags of the inode, so that lookups never read the list.
 */
import {
  BUFFER, BUFFER_SIZE, E2BIG, EEXIST, ENODATA, ENOSPC, ERANGE, I_FLAGS, I_XATTRS, MOUNT_USERXATTR, X_METACOPY, X_OPAQUE, X_REDIRECT, X_WHITEOUT, X_WHITEOUTS, XATTR_CREATE, XATTR_REPLACE,
} from './abi.ts';
import { alloc, release } from './memory.ts';

const A_NAME_LENGTH: u32 = 4;
const A_VALUE_LENGTH: u32 = 8;
const A_NAME: u32 = 12;
const NAME_MAX: u32 = 255;
const VALUE_MAX: u32 = 65536;
/** Of all attributes of an inode together, so that a copy-up fits what `reserve` has reserved. */
const TOTAL_MAX: u32 = 131072;

/** "trusted.overlay." and "user.overlay.". */
const TRUSTED: u32 = <u32>memory.data<u8>([116, 114, 117, 115, 116, 101, 100, 46, 111, 118, 101, 114, 108, 97, 121, 46]);
const USER: u32 = <u32>memory.data<u8>([117, 115, 101, 114, 46, 111, 118, 101, 114, 108, 97, 121, 46]);
const OPAQUE: u32 = <u32>memory.data<u8>([111, 112, 97, 113, 117, 101]);
const WHITEOUT: u32 = <u32>memory.data<u8>([119, 104, 105, 116, 101, 111, 117, 116]);
const REDIRECT: u32 = <u32>memory.data<u8>([114, 101, 100, 105, 114, 101, 99, 116]);
const METACOPY: u32 = <u32>memory.data<u8>([109, 101, 116, 97, 99, 111, 112, 121]);
const CAPABILITY: u32 = <u32>memory.data<u8>([115, 101, 99, 117, 114, 105, 116, 121, 46, 99, 97, 112, 97, 98, 105, 108, 105, 116, 121]);

@inline
export function prefixLength(userXattr: bool): u32 {
  return userXattr ? 13 : 16;
}

/** True when the name starts with the prefix of the overlay's own attributes. */
export function isPrivate(name: u32, length: u32, userXattr: bool): bool {
  const prefix = prefixLength(userXattr);
  return length >= prefix && memory.compare(name, userXattr ? USER : TRUSTED, prefix) == 0;
}

/** True when "overlay." follows the prefix: an attribute that was escaped. */
export function isEscaped(name: u32, length: u32, userXattr: bool): bool {
  const prefix = prefixLength(userXattr);
  return isPrivate(name, length, userXattr) && length >= prefix + 8 && memory.compare(name + prefix, TRUSTED + 8, 8) == 0;
}

export function findXattr(inode: u32, name: u32, length: u32): u32 {
  let at = load<u32>(inode + I_XATTRS);
  while (at != 0) {
    if (load<u8>(at + A_NAME_LENGTH) == length && memory.compare(at + A_NAME, name, length) == 0) return at;
    at = load<u32>(at);
  }
  return 0;
}

@inline
function recordSize(at: u32): u32 {
  return A_NAME + load<u8>(at + A_NAME_LENGTH) + load<u32>(at + A_VALUE_LENGTH);
}

/** setxattr(2) on a layer's inode. Its times stay as they are. */
export function putXattr(inode: u32, name: u32, length: u32, value: u32, valueLength: u32, flags: u32): i32 {
  if (length == 0 || length > NAME_MAX) return ERANGE;
  if (valueLength > VALUE_MAX) return E2BIG;
  const old = findXattr(inode, name, length);
  if (old != 0 && (flags & XATTR_CREATE) != 0) return EEXIST;
  if (old == 0 && (flags & XATTR_REPLACE) != 0) return ENODATA;
  if (totalSize(inode) + A_NAME + length + valueLength > TOTAL_MAX) return ENOSPC;
  if (old != 0) dropXattr(inode, old);
  const at = alloc(A_NAME + length + valueLength);
  store<u8>(at + A_NAME_LENGTH, <u8>length);
  store<u32>(at + A_VALUE_LENGTH, valueLength);
  memory.copy(at + A_NAME, name, length);
  memory.copy(at + A_NAME + length, value, valueLength);
  append(inode, at);
  updateFlags(inode);
  return 0;
}

function append(inode: u32, record: u32): void {
  let slot = inode + I_XATTRS;
  while (load<u32>(slot) != 0) slot = load<u32>(slot);
  store<u32>(slot, record);
}

function totalSize(inode: u32): u32 {
  let total: u32 = 0;
  for (let at = load<u32>(inode + I_XATTRS); at != 0; at = load<u32>(at)) total += recordSize(at);
  return total;
}

export function dropXattr(inode: u32, record: u32): void {
  let slot = inode + I_XATTRS;
  while (load<u32>(slot) != record) slot = load<u32>(slot);
  store<u32>(slot, load<u32>(record));
  release(record, recordSize(record));
  updateFlags(inode);
}

export function freeXattrs(inode: u32): void {
  while (load<u32>(inode + I_XATTRS) != 0) {
    const record = load<u32>(inode + I_XATTRS);
    store<u32>(inode + I_XATTRS, load<u32>(record));
    release(record, recordSize(record));
  }
}

/** All but the overlay's own ones; escaped ones are the user's and go along. */
export function copyXattrs(source: u32, target: u32, userXattr: bool): void {
  for (let at = load<u32>(source + I_XATTRS); at != 0; at = load<u32>(at)) {
    const length = load<u8>(at + A_NAME_LENGTH);
    if (isPrivate(at + A_NAME, length, userXattr) && !isEscaped(at + A_NAME, length, userXattr)) continue;
    const copy = alloc(recordSize(at));
    memory.copy(copy, at, recordSize(at));
    store<u32>(copy, 0);
    append(target, copy);
  }
  updateFlags(target);
}

/** Writes the value to the buffer. */
export function readXattr(record: u32): i32 {
  const length = load<u32>(record + A_VALUE_LENGTH);
  memory.copy(BUFFER, record + A_NAME + load<u8>(record + A_NAME_LENGTH), length);
  return <i32>length;
}

/**
 * Names to the buffer, each ended by NUL, as listxattr(2) has them. With `view` 0 as they are stored; else as a mount with
 * these flags (plus one) shows them: its own hidden, escaped ones unescaped.
 */
export function listXattrs(inode: u32, view: u32): i32 {
  const userXattr = view != 0 && ((view - 1) & MOUNT_USERXATTR) != 0;
  const prefix = prefixLength(userXattr);
  let end = BUFFER;
  for (let at = load<u32>(inode + I_XATTRS); at != 0; at = load<u32>(at)) {
    const name = at + A_NAME;
    const length = load<u8>(at + A_NAME_LENGTH);
    const escaped = view != 0 && isEscaped(name, length, userXattr);
    if (view != 0 && isPrivate(name, length, userXattr) && !escaped) continue;
    if (end + length + 1 > BUFFER + BUFFER_SIZE) return E2BIG;
    if (escaped) {
      memory.copy(end, name, prefix);
      memory.copy(end + prefix, name + prefix + 8, length - prefix - 8);
      end += length - 8;
    } else {
      memory.copy(end, name, length);
      end += length;
    }
    store<u8>(end++, 0);
  }
  return <i32>(end - BUFFER);
}

/** `overlay.opaque` is "y"; the name's prefix is the mount's. */
export function putOpaque(inode: u32, userXattr: bool): void {
  const prefix = prefixLength(userXattr);
  const record = alloc(A_NAME + prefix + 7);
  store<u8>(record + A_NAME_LENGTH, <u8>(prefix + 6));
  store<u32>(record + A_VALUE_LENGTH, 1);
  memory.copy(record + A_NAME, userXattr ? USER : TRUSTED, prefix);
  memory.copy(record + A_NAME + prefix, OPAQUE, 6);
  store<u8>(record + A_NAME + prefix + 6, 0x79);
  const old = findXattr(inode, record + A_NAME, prefix + 6);
  if (old != 0) dropXattr(inode, old);
  append(inode, record);
  updateFlags(inode);
}

/** A file that is written to, cut or given away loses its capabilities, as by security_inode_killpriv of the kernel. */
export function dropCapability(inode: u32): void {
  const record = findXattr(inode, CAPABILITY, 19);
  if (record != 0) dropXattr(inode, record);
}

export function hasCapability(inode: u32): bool {
  return load<u32>(inode + I_XATTRS) != 0 && findXattr(inode, CAPABILITY, 19) != 0;
}

function updateFlags(inode: u32): void {
  let flags = load<u32>(inode + I_FLAGS) & ~<u32>0xffff;
  for (let at = load<u32>(inode + I_XATTRS); at != 0; at = load<u32>(at)) flags |= flagOf(at, false) | (flagOf(at, true) << 8);
  store<u32>(inode + I_FLAGS, flags);
}

function flagOf(record: u32, userXattr: bool): u32 {
  const length = load<u8>(record + A_NAME_LENGTH);
  if (!isPrivate(record + A_NAME, length, userXattr)) return 0;
  const prefix = prefixLength(userXattr);
  const rest = record + A_NAME + prefix;
  if (length == prefix + 6 && memory.compare(rest, OPAQUE, 6) == 0) {
    if (load<u32>(record + A_VALUE_LENGTH) != 1) return 0;
    const value = load<u8>(record + A_NAME + length);
    return value == 0x79 ? X_OPAQUE : value == 0x78 ? X_WHITEOUTS : 0;
  }
  if (length != prefix + 8) return 0;
  if (memory.compare(rest, WHITEOUT, 8) == 0) return X_WHITEOUT;
  if (memory.compare(rest, METACOPY, 8) == 0) return X_METACOPY;
  return memory.compare(rest, REDIRECT, 8) == 0 ? X_REDIRECT : 0;
}
