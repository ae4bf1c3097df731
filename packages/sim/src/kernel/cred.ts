/** Credentials, capabilities and id maps: credentials(7), capabilities(7), user_namespaces(7). Ids are those of the initial namespace, as kuid_t. */
import { CAPABILITY_NUMBERS } from '@tsc-box/model';
import type { Kernel } from './types.ts';

export interface IdMap {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

export interface UserNamespace {
  readonly kind: 'user';
  readonly id: number;
  readonly level: number;
  readonly parent: UserNamespace | undefined;
  /** Effective ids of its maker. */
  readonly ownerUid: number;
  readonly ownerGid: number;
  /** `outside` in ids of the initial namespace. Empty: not written yet. */
  uidMap: readonly IdMap[];
  gidMap: readonly IdMap[];
  setgroups: 'allow' | 'deny';
}

export interface Credentials {
  readonly ruid: number;
  readonly euid: number;
  readonly suid: number;
  readonly rgid: number;
  readonly egid: number;
  readonly sgid: number;
  readonly groups: readonly number[];
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
  readonly bounding: bigint;
  readonly ambient: bigint;
  readonly keepCaps: boolean;
  readonly noNewPrivs: boolean;
  readonly user: UserNamespace;
}

export const OVERFLOW_ID = 65534;
export const LAST_CAPABILITY = 40;
export const ALL_CAPABILITIES: bigint = (1n << BigInt(LAST_CAPABILITY + 1)) - 1n;

const bit = (name: string): bigint => 1n << BigInt(CAPABILITY_NUMBERS[name] ?? 63);
export const CAP_CHOWN: bigint = bit('CAP_CHOWN'), CAP_DAC_OVERRIDE: bigint = bit('CAP_DAC_OVERRIDE'), CAP_DAC_READ_SEARCH: bigint = bit('CAP_DAC_READ_SEARCH'), CAP_FOWNER: bigint = bit('CAP_FOWNER'), CAP_FSETID: bigint = bit('CAP_FSETID'), CAP_KILL: bigint = bit('CAP_KILL'), CAP_SETGID: bigint = bit('CAP_SETGID'), CAP_SETUID: bigint = bit('CAP_SETUID'), CAP_SETPCAP: bigint = bit('CAP_SETPCAP');
export const CAP_SYS_CHROOT: bigint = bit('CAP_SYS_CHROOT'), CAP_SYS_PTRACE: bigint = bit('CAP_SYS_PTRACE'), CAP_SYS_ADMIN: bigint = bit('CAP_SYS_ADMIN'), CAP_SYS_NICE: bigint = bit('CAP_SYS_NICE'), CAP_SYS_RESOURCE: bigint = bit('CAP_SYS_RESOURCE'), CAP_SYS_TIME: bigint = bit('CAP_SYS_TIME'), CAP_MKNOD: bigint = bit('CAP_MKNOD'), CAP_SETFCAP: bigint = bit('CAP_SETFCAP'), CAP_NET_ADMIN: bigint = bit('CAP_NET_ADMIN');

export function capabilityBits(names: readonly string[]): bigint {
  return names.reduce((bits, name) => bits | bit(name), 0n);
}

export function createUserNamespace(kernel: Kernel | undefined, id: number, parent: UserNamespace | undefined, ownerUid: number, ownerGid: number): UserNamespace {
  const all: readonly IdMap[] = kernel === undefined ? [{ inside: 0, outside: 0, count: 4294967295 }] : [];
  return { kind: 'user', id, level: parent === undefined ? 0 : parent.level + 1, parent, ownerUid, ownerGid, uidMap: all, gidMap: all, setgroups: parent?.setgroups ?? 'allow' };
}

export function rootCredentials(user: UserNamespace, uid: number, gid: number): Credentials {
  const bits = uid === 0 ? ALL_CAPABILITIES : 0n;
  return { ruid: uid, euid: uid, suid: uid, rgid: gid, egid: gid, sgid: gid, groups: [], effective: bits, permitted: bits, inheritable: 0n, bounding: ALL_CAPABILITIES, ambient: 0n, keepCaps: false, noNewPrivs: false, user };
}

/** capabilities over `ns`: held in it, or its owner's in the parent: user_namespaces(7), "Capabilities", rules 1 to 3. */
export function capable(cred: Credentials, capability: bigint, ns: UserNamespace): boolean {
  for (let at: UserNamespace | undefined = ns; at !== undefined; at = at.parent) {
    if (at === cred.user) return (cred.effective & capability) !== 0n;
    if (at.level <= cred.user.level) return false;
    if (at.parent === cred.user && at.ownerUid === cred.euid) return true;
  }
  return false;
}

/** Outside id of one that a process writes: -1 where it is not mapped. */
export function makeId(map: readonly IdMap[], id: number): number {
  for (const { inside, outside, count } of map) if (id >= inside && id < inside + count) return outside + id - inside;
  return -1;
}

/** What a process sees: -1 where it is not mapped. */
export function idIn(map: readonly IdMap[], id: number): number {
  for (const { inside, outside, count } of map) if (id >= outside && id < outside + count) return inside + id - outside;
  return -1;
}

/** As `idIn`, with the overflow id for what is not mapped: user_namespaces(7), "Unmapped user and group IDs". */
export function shownId(map: readonly IdMap[], id: number): number {
  const found = idIn(map, id);
  return found < 0 ? OVERFLOW_ID : found;
}

export function inGroup(cred: Credentials, gid: number): boolean {
  return cred.egid === gid || cred.groups.includes(gid);
}

/** Capabilities over an inode count only where its ids are mapped: user_namespaces(7), "Operations on file-system objects". */
export function capableOver(cred: Credentials, capability: bigint, uid: number, gid: number): boolean {
  return (cred.effective & capability) !== 0n && idIn(cred.user.uidMap, uid) >= 0 && idIn(cred.user.gidMap, gid) >= 0;
}

/** path_resolution(7), "Permissions". `want` of R_OK 4, W_OK 2, X_OK 1. */
export function mayAccess(cred: Credentials, stat: { readonly mode: number; readonly uid: number; readonly gid: number }, want: number): boolean {
  const { mode, uid, gid } = stat;
  const bits = cred.euid === uid ? mode >> 6 : inGroup(cred, gid) ? mode >> 3 : mode;
  if ((bits & want) === want) return true;
  const directory = (mode & 0o170000) === 0o040000;
  // Execution by CAP_DAC_OVERRIDE wants one x bit of a file.
  if ((directory || (want & 1) === 0 || (mode & 0o111) !== 0) && capableOver(cred, CAP_DAC_OVERRIDE, uid, gid)) return true;
  return (directory ? (want & 2) === 0 : want === 4) && capableOver(cred, CAP_DAC_READ_SEARCH, uid, gid);
}

/** Effect of a change of user on the sets: capabilities(7), "Effect of user ID changes on capabilities". `root`: uid 0 of its namespace. */
export function afterUidChange(before: Credentials, after: Credentials, root: number): Credentials {
  const had = before.ruid === root || before.euid === root || before.suid === root;
  const has = after.ruid === root || after.euid === root || after.suid === root;
  let { effective, permitted, ambient } = after;
  if (had && !has) {
    if (!before.keepCaps) permitted = 0n;
    if (!before.keepCaps) effective = 0n;
    ambient = 0n;
  }
  if (before.euid === root && after.euid !== root) effective = 0n;
  if (before.euid !== root && after.euid === root) effective = permitted;
  return { ...after, effective, permitted, ambient };
}

/** capabilities(7), "Transformation of capabilities during execve()", without file capabilities. */
export function afterExec(cred: Credentials, setuid: number | undefined, setgid: number | undefined): Credentials {
  const euid = setuid ?? cred.euid;
  const egid = setgid ?? cred.egid;
  const root = makeId(cred.user.uidMap, 0);
  const privileged = setuid !== undefined || setgid !== undefined;
  const ambient = privileged ? 0n : cred.ambient;
  const all = cred.ruid === root || euid === root;
  const permitted = all ? (cred.inheritable | cred.bounding) : ambient;
  const effective = euid === root ? permitted : ambient;
  return { ...cred, euid, suid: euid, egid, sgid: egid, permitted, effective, ambient, keepCaps: false };
}
