/** Random cases, with fast-check. Few names and shallow trees, so that operations meet. */
import * as fc from 'fast-check';
import type { CaseEntry, CaseOp, UnionCase } from './cases.ts';

const NAMES = ['a', 'b', 'c'] as const;
const name = fc.constantFrom(...NAMES);
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const mode = fc.constantFrom(0o644, 0o755, 0o600, 0o4755, 0o2755, 0o1777);
const id = fc.constantFrom(0, 0, 5, 1000);
const attribute = fc.constantFrom('user.a', 'user.b', 'trusted.t', 'trusted.overlay.x', 'user.overlay.x', 'trusted.overlay.opaque');
const slot = fc.constantFrom(0, 1);

/** Layers are made of random wishes; those that can't be (a missing or wrong parent) are left out. */
const wish = fc.record({
  path,
  kind: fc.oneof({ weight: 6, arbitrary: fc.constant('directory') }, { weight: 6, arbitrary: fc.constant('file') }, { weight: 3, arbitrary: fc.constant('whiteout') }, { weight: 1, arbitrary: fc.constantFrom('symlink', 'char', 'fifo', 'link') }),
  data: fc.constantFrom('', 'x', 'hello'),
  mode, uid: id, gid: id,
  target: path,
  xattrs: fc.dictionary(fc.constantFrom('user.a', 'trusted.t'), fc.constantFrom('1', '22'), { maxKeys: 1 }),
  opaque: fc.nat({ max: 5 }),
});
type Wish = typeof wish extends fc.Arbitrary<infer Value> ? Value : never;

/** With `marks` also whiteouts by attribute, and directories marked for them (L4). */
function build(wishes: readonly Wish[], prefix: string, marks: boolean): CaseEntry[] {
  const kinds = new Map<string, CaseEntry['kind']>([['', 'directory']]);
  const entries: CaseEntry[] = [];
  for (const { path: at, kind, data, target, opaque, xattrs, ...owner } of wishes) {
    const parent = at.includes('/') ? at.slice(0, at.lastIndexOf('/')) : '';
    if (kinds.has(at) || kinds.get(parent) !== 'directory') continue;
    const targetKind = kinds.get(target);
    if (kind === 'link' && targetKind !== 'file') continue;
    kinds.set(at, kind);
    const hides = marks && kind === 'file' && opaque === 0;
    const mark = kind === 'directory' ? (opaque === 0 ? 'y' : opaque === 1 && marks ? 'x' : '') : '';
    const marked = mark !== '' ? { [`${prefix}.overlay.opaque`]: mark } : hides ? { [`${prefix}.overlay.whiteout`]: 'y' } : {};
    // user.* is for files and directories alone.
    const own = kind === 'directory' || kind === 'file' ? { ...xattrs, ...marked } : {};
    const common = { path: at, kind };
    if (kind === 'link') entries.push({ ...common, target });
    else if (kind === 'whiteout') entries.push(common);
    else if (kind === 'symlink') entries.push({ ...common, target: 'nowhere', uid: owner.uid, gid: owner.gid });
    else entries.push({ ...common, ...owner, ...(kind === 'file' ? { data: hides ? '' : data } : {}), ...(Object.keys(own).length > 0 ? { xattrs: own } : {}) });
  }
  return entries;
}

const op: fc.Arbitrary<CaseOp> = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.constant('create' as const), path, mode) },
  { weight: 4, arbitrary: fc.tuple(fc.constant('mkdir' as const), path, mode) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('symlink' as const), fc.constant('nowhere'), path) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('link' as const), path, path) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('mknod' as const), path, fc.constantFrom(0, 1), fc.constantFrom(0, 3)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('fifo' as const), path) },
  { weight: 5, arbitrary: fc.tuple(fc.constant('unlink' as const), path) },
  { weight: 5, arbitrary: fc.tuple(fc.constant('rmdir' as const), path) },
  { weight: 8, arbitrary: fc.tuple(fc.constant('rename' as const), path, path, fc.constantFrom(0, 0, 0, 1, 2, 4)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('write' as const), path, fc.constantFrom(0, 3, 9), fc.constantFrom('W', 'longer')) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('openw' as const), path, fc.boolean()) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('truncate' as const), path, fc.constantFrom(0, 2, 8)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('chmod' as const), path, mode) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('chown' as const), path, id, id) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('utimes' as const), path, fc.constantFrom(7, 77)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('setx' as const), path, attribute, fc.constantFrom('v', 'y'), fc.constantFrom(0, 0, 1, 2)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('rmx' as const), path, attribute) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('getx' as const), path, attribute) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('stat' as const), path) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('open' as const), slot, path, fc.constantFrom(false, false, true)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('fstat' as const), slot) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('fread' as const), slot) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('fchmod' as const), slot, fc.constantFrom(0o640, 0o711)) },
);

export const OPS_MAX = 24;

const wishes = fc.record({
  upper: fc.array(wish, { maxLength: 5 }),
  lowers: fc.array(fc.array(wish, { maxLength: 14 }), { minLength: 1, maxLength: 3 }),
  userXattr: fc.boolean(),
  ops: fc.array(op, { minLength: 1, maxLength: OPS_MAX }),
});

export const unionCase: fc.Arbitrary<UnionCase> = casesWith(false);
/** For the kernel: the reference knows no whiteouts by attribute. The kernel expects none in an upper layer. */
export const markedCase: fc.Arbitrary<UnionCase> = casesWith(true);

function casesWith(marks: boolean): fc.Arbitrary<UnionCase> {
  return wishes.map(({ upper, lowers, userXattr, ops }) => ({ layers: [upper, ...lowers].map((layer, index) => build(layer, userXattr ? 'user' : 'trusted', marks && index > 0)), userXattr, ops }));
}
