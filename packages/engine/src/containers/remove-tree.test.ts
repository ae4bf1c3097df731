import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { removeTree } from './remove-tree.ts';

let base: string;
let tree: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'remove-tree-'));
  tree = join(base, 'tree');
  mkdirSync(tree);
});

it('removes nothing where there is nothing', () => {
  removeTree(join(base, 'other'));
  expect(existsSync(tree)).toBe(true);
});

it('removes directories without permissions, such as the work directory of overlayfs', () => {
  mkdirSync(join(tree, 'work/work/x'), { recursive: true });
  writeFileSync(join(tree, 'work/work/file'), '');
  chmodSync(join(tree, 'work/work'), 0);
  mkdirSync(join(tree, 'closed/below/empty'), { recursive: true });
  for (const path of ['closed/below', 'closed']) chmodSync(join(tree, path), 0o555);
  removeTree(tree);
  expect(existsSync(tree)).toBe(false);
});

it('does not follow links', () => {
  writeFileSync(join(base, 'precious'), 'kept');
  mkdirSync(join(base, 'outside'));
  writeFileSync(join(base, 'outside/file'), 'kept');
  symlinkSync('../precious', join(tree, 'link'));
  symlinkSync('../outside', join(tree, 'directory'));
  symlinkSync('nowhere', join(tree, 'broken'));
  removeTree(tree);
  expect(existsSync(tree)).toBe(false);
  expect([readFileSync(join(base, 'precious'), 'utf8'), readFileSync(join(base, 'outside/file'), 'utf8')]).toEqual(['kept', 'kept']);
});

it('removes names that are no UTF-8', () => {
  const name = Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff, 0xfe])]);
  mkdirSync(name);
  writeFileSync(Buffer.concat([name, Buffer.from('/'), Buffer.from([0x80])]), '');
  writeFileSync(join(tree, 'ümlaut'), '');
  removeTree(tree);
  expect(existsSync(tree)).toBe(false);
});

it('removes paths longer than the kernel takes', () => {
  const name = 'n'.repeat(200);
  const start = process.cwd();
  process.chdir(tree);
  for (let depth = 0; depth < 40; depth += 1) {
    mkdirSync(name);
    writeFileSync('file', '');
    process.chdir(name);
  }
  process.chdir(start);
  removeTree(tree);
  expect(existsSync(tree)).toBe(false);
});
