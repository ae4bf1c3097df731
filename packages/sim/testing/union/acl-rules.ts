/** C9: what a directory's default ACL gives its new objects, and how mode and access ACL follow each other. */
import type { CaseEntry, CaseOp, UnionCase } from './cases.ts';
import { DIR, REG, type RuleCase } from './rules.ts';

const u16 = (value: number): string => String.fromCharCode(value & 255, value >> 8);
const u32 = (value: number): string => u16(value & 0xffff) + u16(value >>> 16);
/** Entries of tag, permissions and id. Tags: 1 owner, 2 user, 4 group, 8 named group, 16 mask, 32 others. */
const acl = (...entries: readonly (readonly [number, number, number?])[]): string => u32(2) + entries.map(([tag, permissions, id = 0xffffffff]) => u16(tag) + u16(permissions) + u32(id)).join('');

const FULL = acl([1, 7], [2, 5, 1000], [4, 5], [16, 7], [32, 0]);
const MINIMAL = acl([1, 6], [4, 4], [32, 4]);
const DEFAULT = 'system.posix_acl_default';
const ACCESS = 'system.posix_acl_access';
const LAYER: readonly CaseEntry[] = [{ path: 'd', kind: 'directory' }, { path: 'f', kind: 'file' }, { path: 's', kind: 'symlink', target: 'nowhere' }];
const on = (...ops: readonly CaseOp[]): UnionCase => ({ layers: [[], LAYER], ops });

export const ACL_RULES: readonly RuleCase[] = [
  {
    rule: 'C9', says: 'new objects take the default ACL, cut by their mode; links do not',
    case: on(['setx', 'd', DEFAULT, FULL, 0], ['create', 'd/f', 0o644], ['mkdir', 'd/s', 0o755], ['symlink', 'nowhere', 'd/l'], ['fifo', 'd/p'], ['chmod', 'd/f', 0o640], ['mkdir', 'd/s/t', 0o700]),
    merged: { 'd/f': { mode: REG | 0o640, xattrs: { [ACCESS]: acl([1, 6], [2, 5, 1000], [4, 5], [16, 4], [32, 0]) } }, 'd/s': { mode: DIR | 0o750, xattrs: { [ACCESS]: acl([1, 7], [2, 5, 1000], [4, 5], [16, 5], [32, 0]), [DEFAULT]: FULL } }, 'd/l': { xattrs: undefined } },
  },
  {
    rule: 'C9', says: 'a default ACL that says no more than a mode only cuts the mode',
    case: on(['setx', 'd', DEFAULT, MINIMAL, 0], ['create', 'd/f', 0o666], ['mkdir', 'd/s', 0o777], ['rmx', 'd', DEFAULT], ['rmx', 'd', DEFAULT], ['create', 'd/g', 0o666]),
    merged: { 'd/f': { mode: REG | 0o644, xattrs: undefined }, 'd/s': { mode: DIR | 0o644, xattrs: { [DEFAULT]: MINIMAL } }, 'd/g': { mode: REG | 0o666 } },
  },
  { rule: 'C9', says: 'an access ACL sets the mode, and chmod the ACL', case: on(['setx', 'f', ACCESS, FULL, 0], ['stat', 'f'], ['chmod', 'f', 0o751], ['getx', 'f', ACCESS], ['setx', 'f', ACCESS, MINIMAL, 0], ['rmx', 'f', ACCESS]), merged: { f: { mode: REG | 0o644, xattrs: undefined } } },
  { rule: 'C9', says: 'what an ACL can not be for is refused, without a copy-up', case: on(['setx', 'f', DEFAULT, FULL, 0], ['setx', 's', ACCESS, MINIMAL, 0], ['rmx', 'f', ACCESS], ['setx', 'f', ACCESS, u32(2), 0], ['setx', 'f', ACCESS, u32(1), 0]), results: ['EACCES', 'EOPNOTSUPP', 'ENODATA', 'ENODATA', 'EOPNOTSUPP'], upper: { f: undefined, s: undefined } },
  {
    rule: 'C9', says: 'a malformed ACL is EINVAL: no mask, wrong order, bad permissions, no others',
    case: on(['setx', 'd', DEFAULT, acl([1, 7], [2, 5, 1], [4, 5], [32, 0]), 0], ['setx', 'd', DEFAULT, acl([4, 7], [1, 7], [32, 0]), 0], ['setx', 'd', DEFAULT, acl([1, 9], [4, 5], [32, 0]), 0], ['setx', 'd', DEFAULT, acl([1, 7], [4, 5]), 0], ['setx', 'd', DEFAULT, acl([1, 7], [2, 7, 3], [2, 5, 2], [4, 5], [8, 1, 9], [16, 1], [32, 0]), 0]),
    results: ['EINVAL', 'EINVAL', 'EINVAL', 'EINVAL', 0],
  },
];
