/**
 * Mount targets inside a hostile rootfs. Everything is opened in the root by openat2(2) with RESOLVE_IN_ROOT and
 * RESOLVE_NO_MAGICLINKS, so a symlink of the image can't lead outside; what is missing is made one component at a time.
 */
import { slot, type PlanBuilder } from './builder.ts';

export const ROOT_SLOT = 'rootfs';
export const IN_ROOT: readonly string[] = ['RESOLVE_IN_ROOT', 'RESOLVE_NO_MAGICLINKS'];

/** `/a//b/` → `['a','b']`. `..` is resolved lexically, never above the root. */
export function pathParts(path: string): string[] {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return parts;
}

/** Opens `path` in the root into slot `name`, making it (a directory, or an empty file) when it is not there. */
export function addTarget(b: PlanBuilder, name: string, path: string, kind: 'directory' | 'file'): void {
  const parts = pathParts(path);
  const directory = kind === 'directory' ? ['O_DIRECTORY'] : [];
  const flags = ['O_PATH', 'O_CLOEXEC', ...directory];
  const open = (id: string, why: string, rel: string, options: Parameters<PlanBuilder['add']>[4]): void =>
    b.add(id, 'openat2', { dirfd: slot(ROOT_SLOT), path: rel === '' ? '.' : rel, flags, resolve: IN_ROOT }, why, options);
  open(`${name}.target`, `find ${path} in the root`, parts.join('/'), { result: name, onSuccess: `${name}.ready`, onError: { action: 'jump', to: `${name}.make`, errno: 'ENOENT' } });
  addMissingParts(b, name, parts, kind);
  open(`${name}.reopen`, `find ${path} in the root`, parts.join('/'), { result: name });
  b.land(`${name}.ready`);
}

function addMissingParts(b: PlanBuilder, name: string, parts: readonly string[], kind: 'directory' | 'file'): void {
  b.land(`${name}.make`);
  parts.forEach((part, index) => {
    const parent = parts.slice(0, index).join('/');
    const last = index === parts.length - 1;
    const parentSlot = index === 0 ? ROOT_SLOT : `${name}.parent.${index}`;
    if (index > 0) b.add(`${name}.make.${index}.parent`, 'openat2', { dirfd: slot(ROOT_SLOT), path: parent, flags: ['O_PATH', 'O_DIRECTORY', 'O_CLOEXEC'], resolve: IN_ROOT }, `find /${parent}`, { result: parentSlot });
    const exists = { onError: { action: 'ignore', errno: 'EEXIST' } } as const;
    if (last && kind === 'file') b.add(`${name}.make.${index}.file`, 'mknodat', { dirfd: slot(parentSlot), path: part, type: 'f', mode: 0o644, major: 0, minor: 0 }, 'an empty file to mount on', exists);
    else b.add(`${name}.make.${index}.dir`, 'mkdirat', { dirfd: slot(parentSlot), path: part, mode: 0o755 }, 'a directory to mount on', exists);
  });
}
