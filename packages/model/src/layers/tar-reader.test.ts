import { describe, expect, it } from 'vitest';
import { blocks, bytes, readTar } from './tar.testing.ts';
import { headerBlock, joinBytes, paxRecord, sealHeader, tarEnd, tarEntry, tarHeader } from './tar-writer.ts';

const end = tarEnd();
const pax = (...records: readonly (readonly [string, string])[]): Uint8Array => {
  const payload = joinBytes(records.map(([key, value]) => paxRecord(key, bytes(value))));
  return blocks(headerBlock({ type: 'file', name: 'PaxHeaders/x', size: payload.length }, 'x'), payload);
};
const long = (typeflag: 'L' | 'K', text: string): Uint8Array => blocks(headerBlock({ type: 'file', name: '././@LongLink', size: text.length + 1 }, typeflag), bytes(`${text}\0`));
const file = (name: string, data = ''): Uint8Array => tarEntry({ type: 'file', name, mode: 0o644 }, bytes(data));
/** A header with fields written over it: [offset, text]. */
const patched = (name: string, ...patches: readonly (readonly [number, string])[]): Uint8Array => {
  const block = headerBlock({ type: 'file', name, mode: 0o644 }, '0');
  for (const [at, text] of patches) block.set(bytes(text), at);
  sealHeader(block);
  return block;
};
const refuses = (archive: Uint8Array, detail: RegExp, size?: number): void => expect(() => readTar(archive, size)).toThrow(expect.objectContaining({ code: 'ERR_TSCBOX_LAYER_INVALID', message: expect.stringMatching(detail) as string }) as Error);

describe('TarReader', () => {
  it('reads what the writer writes, whatever the size of the pieces', () => {
    const archive = joinBytes([
      tarEntry({ type: 'directory', name: 'd/', mode: 0o1755, uid: 5, gid: 3_000_000, mtime: { seconds: -3, nanoseconds: 500_000_000 } }),
      tarEntry({ type: 'file', name: `d/${'n'.repeat(300)}`, mode: 0o4755, mtime: { seconds: 10, nanoseconds: 0 }, xattrs: new Map([['user.a', bytes('\0\n\xff=')]]) }, bytes('x'.repeat(1000))),
      tarEntry({ type: 'symlink', name: 'caf\xe9', linkName: 'l'.repeat(200) }),
      tarEntry({ type: 'hardlink', name: 'h', linkName: 'd/x' }),
      tarEntry({ type: 'char', name: 'null', devMajor: 1, devMinor: 3 }),
      end,
    ]);
    const whole = readTar(archive);
    expect(whole.map(({ name }) => name)).toEqual(['d/', `d/${'n'.repeat(300)}`, 'caf\xe9', 'h', 'null']);
    expect(whole[0]?.entry).toMatchObject({ type: 'directory', mode: 0o1755, uid: 5, gid: 3_000_000, mtime: { seconds: -3, nanoseconds: 500_000_000 } });
    expect(whole[1]?.data).toBe('x'.repeat(1000));
    expect(whole[1]?.entry.xattrs.get('user.a')).toEqual(bytes('\0\n\xff='));
    expect(whole[2]?.link).toBe('l'.repeat(200));
    expect(whole[4]?.entry).toMatchObject({ devMajor: 1, devMinor: 3 });
    for (const size of [1, 7, 511, 512, 513, 1000]) expect(readTar(archive, size)).toEqual(whole);
  });

  it('an empty input is an empty layer; two zero blocks end the archive', () => {
    expect(readTar(new Uint8Array(0))).toEqual([]);
    expect(readTar(end)).toEqual([]);
    expect(readTar(joinBytes([end, new Uint8Array(10_240)]))).toEqual([]);
  });

  it('reads GNU long names, and PAX names over them', () => {
    const archive = joinBytes([long('L', 'a'.repeat(150)), long('K', 'b'.repeat(120)), tarHeader({ type: 'symlink', name: 'a', linkName: 'b' }), pax(['path', 'new']), file('old'), end]);
    const [first, second] = readTar(archive);
    expect([first?.name, first?.link]).toEqual(['a'.repeat(150), 'b'.repeat(120)]);
    expect(second?.name).toBe('new');
  });

  it('T11: PAX fields count over the header, also in several headers, and only for the next entry', () => {
    const archive = joinBytes([pax(['uid', '70000'], ['mtime', '1.5']), pax(['gid', '80000'], ['SCHILY.xattr.user.x', 'v']), file('a'), file('b'), end]);
    const [first, second] = readTar(archive);
    expect(first?.entry).toMatchObject({ uid: 70_000, gid: 80_000, mtime: { seconds: 1, nanoseconds: 500_000_000 } });
    expect(second?.entry).toMatchObject({ uid: 0, gid: 0 });
    expect(second?.entry.xattrs.size).toBe(0);
  });

  it('CVE-2025-62518: a PAX size is the size of the entry, and never of a header in between', () => {
    const archive = joinBytes([pax(['size', '600']), long('L', 'name'), headerBlock({ type: 'file', name: 'x', size: 0 }, '0'), blocks(bytes('d'.repeat(600))), file('after'), end]);
    expect(readTar(archive).map(({ name, data }) => [name, data.length])).toEqual([['name', 600], ['after', 0]]);
  });

  it('T8: sizes in headers of links, directories and devices mean no data', () => {
    const archive = joinBytes([headerBlock({ type: 'hardlink', name: 'l', linkName: 't', size: 512 }, '1'), headerBlock({ type: 'directory', name: 'd/', size: 512 }, '5'), file('f', 'x'), end]);
    expect(readTar(archive).map(({ name, entry }) => [name, entry.size])).toEqual([['l', 0], ['d/', 0], ['f', 1]]);
  });

  it('T10: global headers are ignored, unless they rename or resize entries', () => {
    const global = (key: string, value: string): Uint8Array => {
      const payload = paxRecord(key, bytes(value));
      return blocks(headerBlock({ type: 'file', name: 'g', size: payload.length }, 'g'), payload);
    };
    expect(readTar(joinBytes([global('comment', 'a commit'), global('uid', '7'), file('a'), end]))[0]?.entry.uid).toBe(0);
    for (const key of ['path', 'linkpath', 'size', 'GNU.sparse.major']) refuses(joinBytes([global(key, '1'), file('a'), end]), /global PAX header sets/);
  });

  it('reads v7 headers, base-256 numbers and checksums of signed bytes', () => {
    const old = patched('old', [257, '\0'.repeat(8)]);
    const large = patched('large', [108, '\x80\x00\x00\x00\x00\x0f\x42\x40'], [136, `\xff${'\xff'.repeat(10)}\xfe`]);
    const signed = patched('caf\xe9');
    const sum = signed.reduce((total, byte, index) => (index >= 148 && index < 156 ? total + 32 : total + (byte > 127 ? byte - 256 : byte)), 0);
    signed.set(bytes(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
    const found = readTar(joinBytes([old, large, signed, end]));
    expect(found.map(({ name }) => name)).toEqual(['old', 'large', 'caf\xe9']);
    expect(found[1]?.entry).toMatchObject({ uid: 1_000_000, mtime: { seconds: -2, nanoseconds: 0 } });
  });

  it('reads sparse files of GNU (S) and PAX 1.0', () => {
    const gnu = headerBlock({ type: 'file', name: 'gnu', size: 1024 }, 'S');
    const octal = (value: number): string => `${value.toString(8).padStart(11, '0')}\0`;
    gnu.set(bytes('ustar  \0'), 257);
    for (const [index, [offset, length]] of ([[1000, 512], [5000, 512], [6000, 0]] as const).entries()) gnu.set(bytes(octal(offset) + octal(length)), 386 + index * 24);
    // Over the fields of ustar's prefix.
    gnu.set(new Uint8Array(24), 386 + 3 * 24);
    gnu.set(bytes(octal(6000)), 483);
    sealHeader(gnu);
    const map = blocks(bytes('2\n1000\n512\n5000\n512\n'));
    const sparse = joinBytes([pax(['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'], ['GNU.sparse.name', 'pax'], ['GNU.sparse.realsize', '6000']), headerBlock({ type: 'file', name: 'GNUSparseFile.0/pax', size: map.length + 1024 }, '0'), map]);
    const data = bytes('a'.repeat(512) + 'b'.repeat(512));
    for (const { name, data: text, entry } of readTar(joinBytes([gnu, data, sparse, data, end]))) {
      expect(['gnu', 'pax']).toContain(name);
      expect(entry.size).toBe(6000);
      expect([text.slice(999, 1001), text.slice(1511, 1513), text.slice(5000, 5001), text.slice(5511, 5513), text.length]).toEqual(['\0a', 'a\0', 'b', 'b\0', 6000]);
    }
  });

  it('skips data that is not wanted', () => {
    const reader = readTar(joinBytes([file('a', 'x'.repeat(2000)), file('b', 'y'), end]));
    expect(reader.map(({ entry }) => entry.dataOffset)).toEqual([512, 512 + 2048 + 512]);
  });
});

describe('what no reader may guess about (section 6, rule 5)', () => {
  it('wrong checksums, unknown formats and unknown types', () => {
    const bad = file('a');
    bad[0] = 0x62;
    refuses(joinBytes([bad, end]), /wrong checksum: found \d+, computed \d+/);
    refuses(joinBytes([patched('a', [257, 'gnutar  ']), end]), /unknown tar format/);
    refuses(joinBytes([headerBlock({ type: 'file', name: 'a' }, 'V'), end]), /unknown entry type "V"/);
  });

  it('errors name the entry and where it starts', () => {
    expect(() => readTar(joinBytes([file('first', 'x'), headerBlock({ type: 'file', name: 'odd' }, '9'), end]))).toThrow('read entry "odd" at byte 1024 of the archive');
  });

  it('archives that are cut at any byte', () => {
    const archive = joinBytes([pax(['mtime', '1.5']), file('a', 'x'.repeat(700)), file('b')]);
    for (let length = 1; length <= archive.length; length += 37) refuses(archive.subarray(0, length), /cut off|without an entry/);
    refuses(archive, /no end mark/);
  });

  it('data after the end mark, and headers without an entry', () => {
    refuses(joinBytes([end, file('a'), end]), /after the end mark/);
    refuses(joinBytes([file('x'), new Uint8Array(512), file('a'), end]), /after the end mark/);
    refuses(joinBytes([pax(['path', 'a']), end]), /extended header without an entry/);
    refuses(joinBytes([long('L', 'a'), end]), /extended header without an entry/);
  });

  it('PAX records of wrong lengths or without a key', () => {
    for (const text of ['11 path=a\n', '0 path=ab\n', '12 pathabcd\n', '9 =abcd\n\n', '08 path=a\n', '99999999999 path=a\n', ' 9 path=a\n', '11 path=ab\0']) {
      refuses(joinBytes([blocks(headerBlock({ type: 'file', name: 'x', size: text.length }, 'x'), bytes(text)), file('a'), end]), /malformed PAX record/);
    }
  });

  it('PAX numbers that are none, negative or too large', () => {
    for (const [key, value] of [['uid', '-1'], ['uid', '1e3'], ['size', '99999999999999999999'], ['gid', ' 1'], ['mtime', '1.2.3'], ['mtime', 'now']] as const) refuses(joinBytes([pax([key, value]), file('a'), end]), /PAX record/);
    refuses(joinBytes([pax(['uid', '4294967295']), file('a'), end]), /out of range/);
  });

  it('names with a NUL, names that are empty, files whose name ends in "/"', () => {
    refuses(joinBytes([pax(['path', 'a\0b']), file('a'), end]), /NUL/);
    refuses(joinBytes([blocks(headerBlock({ type: 'file', name: 'L', size: 3 }, 'L'), bytes('a\0b')), file('a'), end]), /NUL/);
    refuses(joinBytes([headerBlock({ type: 'file', name: '' }, '0'), end]), /without a name/);
    refuses(joinBytes([file('d/'), end]), /ends in "\/"/);
    refuses(joinBytes([headerBlock({ type: 'symlink', name: 'l' }, '2'), end]), /without a proper target/);
  });

  it('negative and garbled numbers in headers', () => {
    refuses(joinBytes([patched('a', [124, '\xff'.repeat(12)]), end]), /size is -1/);
    refuses(joinBytes([patched('a', [124, '0000000000x ']), end]), /size is no octal number/);
    refuses(joinBytes([patched('a', [108, `\x80${'\xff'.repeat(7)}`]), end]), /uid is too large/);
  });

  it('CVE-2022-2879, CVE-2025-58183: large extended headers, sparse maps, attributes, and too many entries', () => {
    refuses(joinBytes([headerBlock({ type: 'file', name: 'x', size: 3 << 20 }, 'x')]), /allowed: 1048576/);
    refuses(joinBytes([pax(['SCHILY.xattr.user.x', 'v'.repeat(70_000)]), file('a'), end]), /70000 bytes, allowed: 65536/);
    expect(() => readTar(joinBytes([file('a'), file('b'), end]), 512, { entries: 1 })).toThrow(/more than 1 entries/);
    const sparse = (map: string): Uint8Array => joinBytes([pax(['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'], ['GNU.sparse.name', 's'], ['GNU.sparse.realsize', '100']), headerBlock({ type: 'file', name: 's', size: 512 }, '0'), blocks(bytes(map)), end]);
    refuses(sparse('2\n0\n10\n5\n10\n'), /overlaps itself/);
    refuses(sparse('1\n90\n20\n'), /leaves the file/);
    refuses(sparse('1\n0\n10\n'), /covers 10 bytes, the archive holds 0/);
    refuses(sparse('99999\n0\n'), /too long|header|cut off/);
    refuses(joinBytes([pax(['GNU.sparse.map', '0,1']), file('a'), end]), /sparse/);
  });
});
