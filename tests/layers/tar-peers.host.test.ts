/** Archives of GNU tar, Python's tarfile and our writer, read by each other. We accept less than Python does, and never see something else in it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, linkSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { joinBytes, sealHeader, TarReader, tarEnd, tarEntry, toByteString, type TarEntryType } from '../../packages/model/src/index.ts';
import { missingCommand } from '../images/cache.ts';

const missing = missingCommand('tar', 'python3');

/** One entry as all three see it: fields joined, names as hexadecimal digits. */
type Row = string;
const TYPES: Readonly<Record<TarEntryType, string>> = { file: '0', hardlink: '1', symlink: '2', char: '3', block: '4', directory: '5', fifo: '6' };
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function ourRows(archive: Uint8Array): Row[] {
  const rows: Row[] = [];
  const sums = new Map<number, number>();
  let current = -1;
  const reader = new TarReader({
    entry(entry) {
      current = entry.offset;
      sums.set(current, 0);
    },
    data: (bytes) => void sums.set(current, bytes.reduce((sum, byte) => sum + byte, sums.get(current) ?? 0)),
    end({ type, name, linkName, mode, uid, gid, size, mtime, offset }) {
      const plain = toByteString(name).replace(/\/+$/, '');
      rows.push([TYPES[type], hex(Buffer.from(plain, 'latin1')), hex(linkName), mode, uid, gid, size, Math.floor(mtime.seconds), type === 'file' ? (sums.get(offset) ?? 0) : 0].join(' '));
    },
  });
  reader.push(archive);
  reader.end();
  return rows;
}

const PYTHON = `
import sys, tarfile, math
def rows(path):
    out = []
    with tarfile.open(path, 'r:', errors='surrogateescape', encoding='utf-8') as t:
        for m in t:
            kind = {tarfile.REGTYPE: '0', tarfile.AREGTYPE: '0', tarfile.CONTTYPE: '0', tarfile.GNUTYPE_SPARSE: '0'}.get(m.type, m.type.decode('latin1'))
            name = m.name.encode('utf-8', 'surrogateescape').rstrip(b'/').hex()
            link = m.linkname.encode('utf-8', 'surrogateescape').hex() if kind in '12' else ''
            total = sum(t.extractfile(m).read()) if kind == '0' else 0
            out.append(' '.join(map(str, [kind, name, link, m.mode & 0o7777, m.uid, m.gid, m.size if kind == '0' else 0, math.floor(m.mtime), total])))
    return out
for path in sys.argv[1:]:
    try:
        print('\\n'.join(rows(path)))
    except Exception as e:
        print('error', type(e).__name__)
    print('--')
`;

function pythonRows(...paths: readonly string[]): Row[][] {
  const output = execFileSync('python3', ['-c', PYTHON, ...paths], { encoding: 'utf8', maxBuffer: 1 << 28 });
  return output.split('--\n').slice(0, -1).map((part) => part.split('\n').filter((line) => line !== ''));
}

let work: string;
beforeEach(() => void (work = mkdtempSync(join(tmpdir(), 'tsc-box-peers-'))));
afterEach(() => rmSync(work, { recursive: true, force: true }));

function makeTree(): void {
  const path = (...names: readonly string[]): string => join(work, 'tree', ...names);
  mkdirSync(path('d'.repeat(120), 'e'.repeat(120)), { recursive: true });
  writeFileSync(path('plain'), 'data');
  writeFileSync(path('empty'), '');
  writeFileSync(path('d'.repeat(120), 'e'.repeat(120), 'f'.repeat(200)), 'x'.repeat(5000));
  writeFileSync(path('caf\u00e9'), 'utf-8');
  writeFileSync(Buffer.concat([Buffer.from(`${path('latin')}-`), Buffer.from([0xe9, 0xff])]), 'no utf-8');
  linkSync(path('plain'), path('second'));
  symlinkSync('l'.repeat(150), path('long-link'));
  symlinkSync('plain', path('short-link'));
  chmodSync(path('empty'), 0o4755);
  utimesSync(path('plain'), 1, -12_345);
  writeFileSync(path('sparse'), 'begin');
  truncateSync(path('sparse'), 1 << 20);
  writeFileSync(path('sparse'), 'end', { flag: 'a' });
  execFileSync('mkfifo', [path('fifo')]);
}

describe.skipIf(missing !== undefined)(`other tar programs (needs ${missing ?? 'nothing more'})`, () => {
  it.each([['v7', []], ['ustar', []], ['gnu', []], ['gnu', ['--sparse']], ['oldgnu', ['--sparse']], ['posix', []], ['posix', ['--sparse']]])('an archive by GNU tar in format %s %j reads as Python reads it', (format, options) => {
    makeTree();
    const archive = join(work, 'a.tar');
    // Formats without room for long names leave those files out.
    spawnSync('tar', ['-C', join(work, 'tree'), `--format=${format}`, ...options, '--numeric-owner', '-cf', archive, '.'], { stdio: 'ignore' });
    const ours = ourRows(execFileSync('cat', [archive], { maxBuffer: 1 << 28 }));
    expect(ours.length).toBeGreaterThan(6);
    expect(ours).toEqual(pythonRows(archive)[0]);
  });

  it('what our writer writes reads the same everywhere, and GNU tar unpacks it', () => {
    const archive = joinBytes([
      tarEntry({ type: 'directory', name: 'd/', mode: 0o1775, uid: 4_000_000, gid: 12, mtime: { seconds: -5, nanoseconds: 0 } }),
      tarEntry({ type: 'file', name: `d/${'n'.repeat(180)}`, mode: 0o640, mtime: { seconds: 2 ** 33 + 1, nanoseconds: 0 } }, Buffer.from('data')),
      tarEntry({ type: 'file', name: 'd/caf\xc3\xa9', mode: 0o644, mtime: { seconds: 1, nanoseconds: 500_000_000 } }),
      tarEntry({ type: 'symlink', name: 'd/s', linkName: 't'.repeat(300), mode: 0o777 }),
      tarEntry({ type: 'hardlink', name: 'd/h', linkName: `d/${'n'.repeat(180)}`, mode: 0o640 }),
      tarEnd(),
    ]);
    const path = join(work, 'ours.tar');
    writeFileSync(path, archive);
    expect(ourRows(archive)).toEqual(pythonRows(path)[0]);
    mkdirSync(join(work, 'out'));
    execFileSync('tar', ['-C', join(work, 'out'), '--no-same-owner', '-xf', path]);
    expect(lstatSync(join(work, 'out/d/h'))).toMatchObject({ nlink: 2, size: 4 });
    expect(lstatSync(join(work, 'out/d', 'n'.repeat(180))).mtimeMs).toBe((2 ** 33 + 1) * 1000);
  });

  it('whatever we accept of damaged archives, Python reads the same', () => {
    const whole = joinBytes([
      tarEntry({ type: 'directory', name: 'd/', mode: 0o755 }),
      tarEntry({ type: 'file', name: `d/${'n'.repeat(150)}`, mode: 0o644, uid: 3_000_000 }, Buffer.from('some data')),
      tarEntry({ type: 'symlink', name: 'd/s', linkName: 'target', mode: 0o777 }),
      tarEntry({ type: 'hardlink', name: 'h', linkName: 'd/s' }),
      tarEntry({ type: 'file', name: 'last', mode: 0o600, mtime: { seconds: 7, nanoseconds: 5 } }, Buffer.from('x'.repeat(600))),
      tarEnd(),
    ]);
    // Bytes change, and the checksum of each header with them, so that the change is looked at.
    const change = fc.record({ at: fc.nat(whole.length - 1025), value: fc.constantFrom(0, 0x20, 0x2f, 0x30, 0x31, 0x37, 0x4c, 0x78, 0x80, 0xff), seal: fc.boolean() });
    const accepted = new Map<string, Row[]>();
    const kept: string[] = [];
    const property = fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      const archive = Uint8Array.from(whole);
      for (const { at, value, seal } of changes) {
        archive[at] = value;
        const block = archive.subarray(at - (at % 512), at - (at % 512) + 512);
        if (seal && toByteString(block.subarray(257, 262)) === 'ustar') sealHeader(block);
      }
      let rows: Row[];
      try {
        rows = ourRows(archive);
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_TSCBOX_LAYER_INVALID' });
        return;
      }
      const path = join(work, `case-${String(kept.length)}.tar`);
      writeFileSync(path, archive);
      accepted.set(path, rows);
      kept.push(path);
    });
    fc.assert(property, { numRuns: 1500, seed: 20_261_125 });
    expect(kept.length).toBeGreaterThan(150);
    const theirs = pythonRows(...kept);
    const disagreements = kept.flatMap((path, index) => {
      const [a, b] = [accepted.get(path) ?? [], theirs[index] ?? []];
      return JSON.stringify(a) === JSON.stringify(b) ? [] : [{ path, ours: a.filter((row) => !b.includes(row)), python: b.filter((row) => !a.includes(row)) }];
    });
    expect(disagreements).toEqual([]);
  });
});
