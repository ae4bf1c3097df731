import { describe, expect, it } from 'vitest';
import { fromByteString } from './bytes.ts';
import { classifyName, splitLayerPath } from './names.ts';

const split = (name: string): string[] => splitLayerPath(fromByteString(name), 0);

describe('splitLayerPath', () => {
  it.each([
    ['a/b', ['a', 'b']], ['/a', ['a']], ['./a//b/', ['a', 'b']], ['a/../b', ['b']], ['.', []], ['/', []], ['./', []], ['a/..', []], ['caf\xe9', ['caf\xe9']], ['...', ['...']], ['a\\b', ['a\\b']],
  ])('%j is %j', (name, components) => expect(split(name)).toEqual(components));

  it.each(['', '..', '../a', 'a/../../b', '/..', 'a\0b', 'x'.repeat(256), `${'a/'.repeat(2049)}b`])('refuses %j', (name) => expect(() => split(name)).toThrow(expect.objectContaining({ code: 'ERR_TSCBOX_LAYER_INVALID' }) as Error));
});

describe('classifyName', () => {
  it.each([
    ['a/.wh.b', { kind: 'whiteout', hidden: 'b' }],
    ['.wh..wh..opq', { kind: 'opaque' }],
    ['a/.wh..wh..opq', { kind: 'opaque' }],
    // T3: stereoscope#696.
    ['a/.wh..wh..opqX', { kind: 'whiteout', hidden: '.wh..opqX' }],
    ['.wh....', { kind: 'whiteout', hidden: '...' }],
    // T3: only the last component counts.
    ['.wh.dir/file', { kind: 'ordinary' }],
    ['a.wh.b', { kind: 'ordinary' }],
    ['.WH.b', { kind: 'ordinary' }],
    // T4: left over from AUFS.
    ['.wh..wh.aufs', { kind: 'skip' }],
    ['.wh..wh.orph/x', { kind: 'skip' }],
    ['.wh..wh.plnk/1.2', { kind: 'ordinary' }],
  ])('%s is %j', (name, meaning) => expect(classifyName(name.split('/'), 0)).toEqual(meaning));

  it.each(['.wh.', 'a/.wh.', '.wh..', 'a/.wh...'])('T3: refuses %s', (name) => expect(() => classifyName(name.split('/'), 7)).toThrow(/at byte 7/));
});
