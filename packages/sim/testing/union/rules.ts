/**
 * The rules of overlayfs, one case each, with what must come out. `rule` is the number under which the rule is known in the
 * project's notes on union file systems: L lookup, W whiteouts, D directories, C copy-up, R rename, H hard links, E errno.
 */
import type { CaseEntry, CaseOp, UnionCase } from './cases.ts';

/** Kind, and whatever else matters, of paths in a tree; `undefined`: not there. */
type Expected = Readonly<Record<string, Readonly<Record<string, unknown>> | string | undefined>>;

export interface RuleCase {
  readonly rule: string;
  readonly says: string;
  readonly case: UnionCase;
  readonly results?: readonly unknown[];
  readonly merged?: Expected;
  readonly upper?: Expected;
}

export const DIR = 0o40000;
export const REG = 0o100000;
const CHR = 0o20000;

const dir = (path: string, more: Partial<CaseEntry> = {}): CaseEntry => ({ path, kind: 'directory', ...more });
const file = (path: string, data = 'x', more: Partial<CaseEntry> = {}): CaseEntry => ({ path, kind: 'file', data, ...more });
const hidden = (path: string): CaseEntry => ({ path, kind: 'whiteout' });
const opaque = (path: string): CaseEntry => dir(path, { xattrs: { 'trusted.overlay.opaque': 'y' } });
const whiteout = (nlink?: number): Readonly<Record<string, unknown>> => ({ mode: CHR, rdev: [0, 0], uid: 0, gid: 0, ...(nlink === undefined ? {} : { nlink }) });
const OPAQUE = { 'trusted.overlay.opaque': 'y' };
/** Layers top first; the first is the upper one. */
const on = (layers: readonly (readonly CaseEntry[])[], ...ops: readonly CaseOp[]): UnionCase => ({ layers, ops });
/** vfs_cap_data of version 2, effective, CAP_NET_RAW permitted. */
const CAPABILITY = `\x01\0\0\x02\0\x20${'\0'.repeat(14)}`;
const NAME_255 = 'n'.repeat(255);

export const RULES: readonly RuleCase[] = [
  { rule: 'L1', says: 'the first layer that has a name decides what it is', case: on([[], [file('a', 'top')], [dir('a'), file('a/x')]], ['stat', 'a'], ['stat', 'a/x']), results: [REG, 'ENOTDIR'], merged: { a: { data: 'top' } } },
  { rule: 'L1', says: 'a whiteout hides the name in all layers below', case: on([[], [hidden('a')], [file('a')]], ['stat', 'a']), results: ['ENOENT'], merged: { a: undefined } },
  { rule: 'L2', says: 'directories merge down to a file of that name', case: on([[], [dir('d'), file('d/1')], [file('d')], [dir('d'), file('d/3')]]), merged: { 'd/1': {}, 'd/3': undefined } },
  { rule: 'L2', says: 'directories merge down to a whiteout of that name', case: on([[], [dir('d'), file('d/1')], [hidden('d')], [dir('d'), file('d/3')]]), merged: { 'd/1': {}, 'd/3': undefined } },
  { rule: 'L2', says: 'an opaque directory is the last that merges', case: on([[], [dir('d'), file('d/1')], [opaque('d'), file('d/2')], [dir('d'), file('d/3')]]), merged: { 'd/1': {}, 'd/2': {}, 'd/3': undefined } },
  { rule: 'L3', says: 'mode and owner of a merged directory are those of the topmost', case: on([[], [dir('d', { mode: 0o700, uid: 5 })], [dir('d', { mode: 0o777, uid: 9 })]]), merged: { d: { mode: DIR | 0o700, uid: 5 } } },
  { rule: 'L4', says: 'an empty file with the attribute is a whiteout in a directory marked "x"', case: on([[], [dir('d', { xattrs: { 'trusted.overlay.opaque': 'x' } }), file('d/f', '', { xattrs: { 'trusted.overlay.whiteout': 'y' } })], [dir('d'), file('d/f'), file('d/g')]], ['stat', 'd/f']), results: ['ENOENT'], merged: { 'd/f': undefined, 'd/g': {} } },
  { rule: 'L5', says: 'a stray whiteout is listed and not there', case: on([[dir('d'), hidden('d/w')], []], ['stat', 'd/w'], ['rmdir', 'd']), results: ['ENOENT', 'ENOTEMPTY'], merged: { 'd/w': 'ENOENT' } },
  { rule: 'L5', says: 'a lower directory that holds nothing but a stray whiteout can be removed', case: on([[], [dir('d'), hidden('d/w')]], ['rmdir', 'd']), results: [0], upper: { d: whiteout() } },
  { rule: 'L6', says: '.wh. names mean nothing', case: on([[], [file('.wh.a'), file('a')]], ['stat', 'a'], ['create', '.wh.b', 0o644]), results: [REG, 0], merged: { '.wh.a': {}, '.wh.b': {}, a: {} } },
  { rule: 'L7', says: 'a redirected directory is refused', case: on([[], [dir('d', { xattrs: { 'trusted.overlay.redirect': 'old' } })], [dir('old'), file('old/x')]], ['stat', 'd']), results: ['EPERM'] },
  { rule: 'L7', says: 'a directory whose redirect has nothing to merge with is shown', case: on([[], [dir('d', { xattrs: { 'trusted.overlay.redirect': 'old' } })]], ['stat', 'd']), results: [DIR] },
  { rule: 'L7', says: 'a file without its data (metacopy) is refused', case: on([[], [file('f', 'x', { xattrs: { 'trusted.overlay.metacopy': '' } })], [file('f')]], ['stat', 'f']), results: ['EPERM'] },
  { rule: 'L4', says: 'without the mark the file is listed, and its directory not empty', case: on([[], [dir('d'), file('d/f', '', { xattrs: { 'trusted.overlay.whiteout': 'y' } })], [dir('d'), file('d/f')]], ['rmdir', 'd']), results: ['ENOTEMPTY'], merged: { 'd/f': 'ENOENT' } },
  { rule: 'L8', says: 'names of 255 bytes work, longer ones are ENAMETOOLONG', case: on([[], []], ['create', NAME_255, 0o644], ['create', `${NAME_255}n`, 0o644], ['stat', `${NAME_255}n`]), results: [0, 'ENAMETOOLONG', 'ENAMETOOLONG'] },

  { rule: 'W1', says: 'whiteouts of a mount are links of one inode', case: on([[], [file('a'), file('b')]], ['unlink', 'a'], ['unlink', 'b']), results: [0, 0], upper: { a: whiteout(3), b: whiteout(3) } },
  { rule: 'W2', says: 'unlinking what only the upper layer has leaves nothing', case: on([[], []], ['create', 'a', 0o644], ['unlink', 'a']), upper: { a: undefined } },
  { rule: 'W2', says: 'an upper file that hides a lower one leaves a whiteout', case: on([[file('a')], [file('a')]], ['unlink', 'a']), upper: { a: whiteout() } },
  { rule: 'W3', says: 'rmdir looks at the merged list', case: on([[], [dir('d'), file('d/x')]], ['rmdir', 'd'], ['unlink', 'd/x'], ['rmdir', 'd']), results: ['ENOTEMPTY', 0, 0], upper: { d: whiteout(), 'd/x': undefined } },
  { rule: 'W4', says: 'a directory over a whiteout is opaque', case: on([[], [dir('d'), file('d/x')]], ['unlink', 'd/x'], ['rmdir', 'd'], ['mkdir', 'd', 0o755]), merged: { d: {}, 'd/x': undefined }, upper: { d: { xattrs: OPAQUE } } },
  { rule: 'W4', says: 'a file over a whiteout is a plain file', case: on([[], [file('a')]], ['unlink', 'a'], ['create', 'a', 0o600]), upper: { a: { mode: REG | 0o600, xattrs: undefined } } },
  { rule: 'W5', says: 'a new directory in a merged one has no mark', case: on([[dir('d')], [dir('d')]], ['mkdir', 'd/new', 0o755]), upper: { 'd/new': { mode: DIR | 0o755, xattrs: undefined } } },
  { rule: 'W6', says: 'unlink in an opaque directory leaves nothing', case: on([[opaque('d'), file('d/x')], [dir('d'), file('d/x')]], ['unlink', 'd/x']), upper: { 'd/x': undefined } },
  { rule: 'W7', says: 'directory, file, nothing, directory: each leaves what it must', case: on([[], [dir('d')]], ['rmdir', 'd'], ['create', 'd', 0o644], ['unlink', 'd'], ['mkdir', 'd', 0o755]), results: [0, 0, 0, 0], upper: { d: { xattrs: OPAQUE } } },
  { rule: 'W8', says: 'a device 0:0 can not be made, others can', case: on([[], []], ['mknod', 'w', 0, 0], ['mknod', 'n', 1, 3]), results: ['EPERM', 0], merged: { w: undefined, n: { rdev: [1, 3] } } },
  { rule: 'W8', says: 'RENAME_WHITEOUT is refused', case: on([[], [file('a')]], ['rename', 'a', 'b', 4]), results: ['EINVAL'] },
  { rule: 'W9', says: "the overlay's own attributes are escaped on the way in and out", case: on([[], [file('a', 'x', { xattrs: { 'trusted.overlay.origin': 'z' } })]], ['setx', 'a', 'trusted.overlay.x', 'v', 0], ['getx', 'a', 'trusted.overlay.x'], ['getx', 'a', 'trusted.overlay.origin']), results: [0, 'v', 'ENODATA'], merged: { a: { xattrs: { 'trusted.overlay.x': 'v' } } }, upper: { a: { xattrs: { 'trusted.overlay.overlay.x': 'v' } } } },
  { rule: 'W9', says: 'user.overlay passes without userxattr, and trusted.overlay with it', case: { userXattr: true, layers: [[], [file('a')]], ops: [['setx', 'a', 'trusted.overlay.x', 'v', 0], ['setx', 'a', 'user.overlay.y', 'w', 0]] }, results: [0, 0], upper: { a: { xattrs: { 'trusted.overlay.x': 'v', 'user.overlay.overlay.y': 'w' } } } },
  { rule: 'W4', says: 'with userxattr the mark is user.overlay.opaque', case: { userXattr: true, layers: [[], [dir('d')]], ops: [['rmdir', 'd'], ['mkdir', 'd', 0o755]] }, upper: { d: { xattrs: { 'user.overlay.opaque': 'y' } } } },

  { rule: 'D1', says: 'each name is listed once, whiteouts not at all', case: on([[hidden('c')], [file('a', '1'), file('b')], [file('a', '2'), file('c')]]), merged: { a: { data: '1' }, b: {}, c: undefined } },
  { rule: 'D4', says: 'a merged directory has one link, another its own', case: on([[], [dir('m'), dir('m/s'), dir('one'), dir('one/s'), dir('one/t')], [dir('m')]]), merged: { m: { nlink: 1 }, one: { nlink: 4 } } },

  { rule: 'C1', says: 'opening for writing copies up, even when nothing is written', case: on([[], [file('a'), file('b')]], ['openw', 'a', false], ['openw', 'b', true]), upper: { a: { data: 'x' }, b: { data: '' } } },
  { rule: 'C1', says: 'chmod, chown, utimes and setxattr copy up', case: on([[], [file('1'), file('2'), file('3'), file('4')]], ['chmod', '1', 0o600], ['chown', '2', 5, 6], ['utimes', '3', 7], ['setx', '4', 'user.a', 'v', 0]), upper: { 1: { mode: REG | 0o600 }, 2: { uid: 5, gid: 6 }, 3: { mtime: 7 }, 4: { xattrs: { 'user.a': 'v' } } } },
  { rule: 'C1', says: 'removing an absent attribute copies nothing up, replacing one does', case: on([[], [file('1'), file('2')]], ['rmx', '1', 'user.a'], ['setx', '2', 'user.a', 'v', 2]), results: ['ENODATA', 'ENODATA'], upper: { 1: undefined, 2: {} } },
  { rule: 'C1', says: 'reading and looking copies nothing up', case: on([[], [file('a')]], ['open', 0, 'a', false], ['fread', 0], ['stat', 'a']), results: [0, 'x', REG], upper: { a: undefined } },
  { rule: 'C2', says: 'parents are copied up with mode, owner, attributes and time', case: on([[], [dir('d', { mode: 0o711, uid: 5, gid: 6, xattrs: { 'user.a': '1' } }), file('d/f')]], ['chmod', 'd/f', 0o600]), merged: { d: { mtime: 1000 } }, upper: { d: { mode: DIR | 0o711, uid: 5, gid: 6, mtime: 1000, xattrs: { 'user.a': '1' } } } },
  { rule: 'C3', says: 'a copy has data, mode with setuid, owner, time and attributes', case: on([[], [file('a', 'data', { mode: 0o4755, uid: 5, xattrs: { 'user.a': '1', 'trusted.t': '2' } })]], ['openw', 'a', false]), upper: { a: { data: 'data', mode: REG | 0o4755, uid: 5, mtime: 1000, xattrs: { 'user.a': '1', 'trusted.t': '2' } } } },
  { rule: 'C5', says: 'what was open before the copy-up sees what is written after it', case: on([[], [file('a', 'old')]], ['open', 0, 'a', false], ['write', 'a', 0, 'new'], ['fread', 0]), results: [0, 0, 'new'] },
  { rule: 'C6', says: 'a removed lower file keeps its link count, and can not be changed', case: on([[], [file('a')]], ['open', 0, 'a', false], ['unlink', 'a'], ['fstat', 0], ['fchmod', 0, 0o600]), results: [0, 0, [REG | 0o644, 1, 1], 'EEXIST'] },
  { rule: 'C6', says: 'a removed upper file has no links, and can be changed', case: on([[], [file('a')]], ['open', 0, 'a', true], ['unlink', 'a'], ['fstat', 0], ['fchmod', 0, 0o600]), results: [0, 0, [REG | 0o644, 0, 1], 0] },
  { rule: 'D4', says: 'a removed directory that was open keeps one link when it merged, a lower one its own, an upper one none', case: on([[dir('u'), dir('m')], [dir('m'), dir('l')]], ['open', 0, 'm', false], ['rmdir', 'm'], ['fstat', 0], ['open', 0, 'l', false], ['rmdir', 'l'], ['fstat', 0], ['open', 0, 'u', false], ['rmdir', 'u'], ['fstat', 0]), results: [0, 0, [DIR | 0o755, 1, 0], 0, 0, [DIR | 0o755, 2, 0], 0, 0, [DIR | 0o755, 0, 0]] },
  { rule: 'C7', says: 'unlink and create change the time of the merged parent', case: on([[], [dir('d'), file('d/f'), dir('e')]], ['unlink', 'd/f'], ['create', 'e/f', 0o644]), merged: { d: { mtime: undefined }, e: { mtime: undefined } } },
  { rule: 'C8', says: 'writing drops capabilities and keeps setuid, for root; a new owner drops both', case: on([[], [file('a', 'x', { mode: 0o4755 }), file('b', 'x', { mode: 0o6755 })]], ['setx', 'a', 'security.capability', CAPABILITY, 0], ['setx', 'b', 'security.capability', CAPABILITY, 0], ['write', 'a', 0, 'y'], ['chown', 'b', 0, 0]), results: [0, 0, 0, 0], merged: { a: { mode: REG | 0o4755, xattrs: undefined }, b: { mode: REG | 0o755, xattrs: undefined } } },
  { rule: 'C9', says: 'a directory with setgid gives its group on', case: on([[], [dir('d', { mode: 0o2775, gid: 7 })]], ['create', 'd/f', 0o644], ['mkdir', 'd/s', 0o755]), merged: { 'd/f': { gid: 7, mode: REG | 0o644 }, 'd/s': { gid: 7, mode: DIR | 0o2755 } } },

  { rule: 'R1', says: 'a lower or merged directory does not move', case: on([[dir('m')], [dir('d'), dir('m')]], ['rename', 'd', 'e', 0], ['rename', 'm', 'e', 0], ['rename', 'd', 'm', 2]), results: ['EXDEV', 'EXDEV', 'EXDEV'], upper: { d: undefined } },
  { rule: 'R1', says: 'onto itself is nothing, into its own child EINVAL, before EXDEV', case: on([[], [dir('d'), dir('d/c')]], ['rename', 'd', 'd', 0], ['rename', 'd', 'd/c/e', 0]), results: [0, 'EINVAL'] },
  { rule: 'R3', says: 'a lower file moves by copy, and leaves a whiteout', case: on([[], [file('a')]], ['rename', 'a', 'b', 0]), upper: { a: whiteout(), b: { data: 'x' } } },
  { rule: 'R3', says: 'moved back, it leaves none', case: on([[], [file('a')]], ['rename', 'a', 'b', 0], ['rename', 'b', 'a', 0]), upper: { a: { data: 'x' }, b: undefined } },
  { rule: 'R4', says: 'an upper directory moved into a merged parent becomes opaque', case: on([[dir('n'), dir('m')], [dir('m')]], ['rename', 'n', 'm/n', 0]), upper: { 'm/n': { xattrs: OPAQUE }, n: undefined } },
  { rule: 'R4', says: 'the target may be an empty merged directory, not one with entries', case: on([[dir('n'), file('n/x'), dir('o')], [dir('e'), file('e/f'), dir('full'), file('full/f')]], ['unlink', 'e/f'], ['rename', 'n', 'e', 0], ['rename', 'o', 'full', 0]), results: [0, 0, 'ENOTEMPTY'], merged: { 'e/x': {}, 'e/f': undefined } },
  { rule: 'R4', says: 'types must fit', case: on([[], [file('f'), dir('d')]], ['rename', 'f', 'd', 0], ['mkdir', 'n', 0o755], ['rename', 'n', 'f', 0]), results: ['EISDIR', 0, 'ENOTDIR'] },
  { rule: 'R4', says: 'NOREPLACE minds what is there, not a whiteout', case: on([[], [file('a'), file('b')]], ['rename', 'a', 'b', 1], ['unlink', 'b'], ['rename', 'a', 'b', 1]), results: ['EEXIST', 0, 0], upper: { a: whiteout(), b: { data: 'x' } } },
  { rule: 'R4', says: 'EXCHANGE needs both, and swaps a file and an upper directory', case: on([[dir('n')], [file('a')]], ['rename', 'a', 'gone', 2], ['rename', 'a', 'n', 2]), results: ['ENOENT', 0], merged: { a: { mode: DIR | 0o755 }, n: { data: 'x' } } },

  { rule: 'H1', says: 'copy-up breaks hard links, and the others keep their count', case: on([[], [file('1'), { path: '2', kind: 'link', target: '1' }, { path: '3', kind: 'link', target: '1' }]], ['write', '1', 0, 'y']), merged: { 1: { nlink: 1, data: 'y' }, 2: { nlink: 3, data: 'x' }, 3: { nlink: 3, data: 'x' } } },
  { rule: 'H2', says: 'two lower links are two objects for rename', case: on([[], [file('1'), { path: '2', kind: 'link', target: '1' }]], ['rename', '1', '2', 0]), merged: { 1: undefined, 2: { data: 'x' } }, upper: { 1: whiteout() } },
  { rule: 'H2', says: 'two upper links are one object', case: on([[file('1'), { path: '2', kind: 'link', target: '1' }], []], ['rename', '1', '2', 0]), results: [0], merged: { 1: {}, 2: {} } },
  { rule: 'H3', says: 'a new link copies its source up', case: on([[], [file('a')]], ['link', 'a', 'b']), merged: { a: { nlink: 2 }, b: { nlink: 2 } }, upper: { a: { nlink: 2 }, b: {} } },
  { rule: 'H4', says: 'link: EPERM for a directory, EEXIST, ENOENT; symbolic links may', case: on([[], [dir('d'), file('a'), { path: 's', kind: 'symlink', target: 'nowhere' }]], ['link', 'd', 'e'], ['link', 'a', 'd'], ['link', 'no', 'e'], ['link', 's', 't']), results: ['EPERM', 'EEXIST', 'ENOENT', 0], merged: { t: { target: 'nowhere', nlink: 2 } } },

  { rule: 'E', says: 'unlink of a directory EISDIR, rmdir of a file ENOTDIR, create of what is there EEXIST', case: on([[], [dir('d'), file('f')]], ['unlink', 'd'], ['rmdir', 'f'], ['create', 'f', 0o644], ['mkdir', 'd', 0o755]), results: ['EISDIR', 'ENOTDIR', 'EEXIST', 'EEXIST'] },
  { rule: 'E', says: 'XATTR_CREATE EEXIST, XATTR_REPLACE ENODATA, user attributes of a link EPERM', case: on([[], [file('f', 'x', { xattrs: { 'user.a': '1' } }), { path: 's', kind: 'symlink', target: 'nowhere' }]], ['setx', 'f', 'user.a', '2', 1], ['setx', 'f', 'user.b', '2', 2], ['setx', 's', 'user.a', '1', 0]), results: ['EEXIST', 'ENODATA', 'EPERM'] },

  { rule: 'fuse-overlayfs#136', says: 'a directory made again in a third layer is empty', case: on([[dir('a'), dir('a/b')], [hidden('a')], [dir('a'), dir('a/b'), file('a/b/f')]]), merged: { 'a/b': {}, 'a/b/f': undefined } },
  { rule: 'fuse-overlayfs#138', says: 'an opaque parent hides through a plain child', case: on([[], [opaque('a'), dir('a/b')], [dir('a'), dir('a/b'), file('a/b/f')]]), merged: { 'a/b': {}, 'a/b/f': undefined } },
  { rule: 'fuse-overlayfs#306', says: 'no whiteout in an opaque directory', case: on([[], [dir('a'), dir('a/b')]], ['rmdir', 'a/b'], ['rmdir', 'a'], ['mkdir', 'a', 0o755], ['mkdir', 'a/b', 0o755], ['rename', 'a/b', 'b', 0]), results: [0, 0, 0, 0, 0], merged: { 'a/b': undefined, b: {} }, upper: { 'a/b': undefined } },
  { rule: 'fuse-overlayfs#470', says: 'a closed directory stays closed when it is copied up', case: on([[], [dir('d', { mode: 0o700 }), file('d/f')]], ['unlink', 'd/f']), upper: { d: { mode: DIR | 0o700 } } },
  { rule: 'go-containerregistry#977', says: 'a link target hidden above leaves the others', case: on([[], [hidden('1')], [file('1'), { path: '2', kind: 'link', target: '1' }]]), merged: { 1: undefined, 2: { data: 'x', nlink: 2 } } },
];
