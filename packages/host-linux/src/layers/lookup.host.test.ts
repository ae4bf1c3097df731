import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { joinBytes, tarEnd, tarEntry } from '@tsc-box/model';
import { createExtractor } from './extract.ts';
import { lookupLayers, MergedLayers, readFileInLayers } from './lookup.ts';

const isRoot = process.geteuid?.() === 0;

let work: string;
beforeEach(() => void (work = mkdtempSync(join(tmpdir(), 'tsc-box-lookup-'))));
afterEach(() => rmSync(work, { recursive: true, force: true }));

/** `d/` is a directory, `a -> b` a link, else a file that holds its layer's number. */
async function layers(root: string, ...archives: readonly (readonly string[])[]): Promise<string[]> {
  const lowerdirs: string[] = [];
  for (const [index, names] of archives.entries()) {
    const parts = names.map((text) => {
      const [name = '', linkName] = text.split(' -> ');
      if (linkName !== undefined) return tarEntry({ type: 'symlink', name, linkName });
      return name.endsWith('/') ? tarEntry({ type: 'directory', name, mode: 0o755 }) : tarEntry({ type: 'file', name, mode: 0o644 }, Buffer.from(`layer ${String(index)}`));
    });
    const stream = async function* (): AsyncGenerator<Uint8Array> {
      yield joinBytes([...parts, tarEnd()]);
    };
    const target = join(root, `layer-${String(index)}`);
    mkdirSync(target);
    await createExtractor().extract(stream(), target, { lowerdirs });
    lowerdirs.unshift(target);
  }
  return lowerdirs;
}

const STACK = [['a', 'gone', 'd/', 'd/old', 'l -> /d/new', 'up -> ../../d', 'e/', 'e/f'], ['.wh.gone', 'd/.wh..wh..opq', 'd/new', 'e/.wh.f', 'e/g']] as const;
const read = (lowerdirs: readonly string[], path: string): string | undefined => readFileInLayers(lowerdirs, path, 100)?.toString();

function expectStack(lowerdirs: readonly string[]): void {
  expect(read(lowerdirs, '/a')).toBe('layer 0');
  expect(read(lowerdirs, '/gone')).toBeUndefined();
  expect(read(lowerdirs, 'd/old')).toBeUndefined();
  expect(read(lowerdirs, '/e/f')).toBeUndefined();
  expect(new MergedLayers(lowerdirs).children('').toSorted()).toEqual(['a', 'd', 'e', 'l', 'up']);
  expect(new MergedLayers(lowerdirs).children('e')).toEqual(['g']);
  expect(new MergedLayers(lowerdirs).children('d')).toEqual(['new']);
}

describe('layers without a mount', () => {
  it('L1, L2: the topmost layer decides; whiteouts and opaque directories hide', async () => expectStack(await layers(work, ...STACK)));

  it('links lead inside the root, absolute ones and those that climb', async () => {
    const lowerdirs = await layers(work, ...STACK);
    expect(read(lowerdirs, '/l')).toBe('layer 1');
    expect(read(lowerdirs, '/up/new')).toBe('layer 1');
    expect(read(lowerdirs, '/d/../../../../a')).toBe('layer 0');
    expect(lookupLayers(lowerdirs, '/l', { follow: false })?.stat.isSymbolicLink()).toBe(true);
    expect(lookupLayers(lowerdirs, '/a/b')).toBeUndefined();
  });

  it('a link to a file of the host is not followed out of the layers', async () => {
    const [layer = ''] = await layers(work, ['d/']);
    symlinkSync('/etc/passwd', join(layer, 'passwd'));
    symlinkSync('loop', join(layer, 'loop'));
    expect(read([layer], '/passwd')).toBeUndefined();
    expect(read([layer], '/loop')).toBeUndefined();
  });

  it('CVE-2024-9676: a FIFO or a huge file in the place of /etc/passwd is refused, not read', async () => {
    const [layer = ''] = await layers(work, ['etc/']);
    execFileSync('mkfifo', [join(layer, 'etc/passwd')]);
    expect(() => read([layer], '/etc/passwd')).toThrow(/no regular file/);
    writeFileSync(join(layer, 'etc/group'), '');
    truncateSync(join(layer, 'etc/group'), 1e12);
    expect(() => read([layer], '/etc/group')).toThrow(/allowed: 100/);
  });

  it.skipIf(!isRoot)('L4: on overlayfs, which refuses devices 0:0, whiteouts are files with an attribute, and mounts honour them (needs root)', async () => {
    for (const name of ['lower', 'upper', 'work', 'store', 'merged']) mkdirSync(join(work, name));
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', `lowerdir=${join(work, 'lower')},upperdir=${join(work, 'upper')},workdir=${join(work, 'work')}`, join(work, 'store')]);
    try {
      const lowerdirs = await layers(join(work, 'store'), ...STACK);
      expectStack(lowerdirs);
      const seen = (options: string): string => {
        execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', `lowerdir=${lowerdirs.join(':')}${options}`, join(work, 'merged')]);
        try {
          return execFileSync('sh', ['-c', 'cd "$1" && find . | sort | tr "\\n" " "; cat gone e/f 2>/dev/null || echo hidden', 'sh', join(work, 'merged')], { encoding: 'utf8' }).trim();
        } finally {
          execFileSync('umount', [join(work, 'merged')]);
        }
      };
      for (const options of ['', ',userxattr']) expect(seen(options)).toBe('. ./a ./d ./d/new ./e ./e/g ./l ./up hidden');
    } finally {
      execFileSync('umount', [join(work, 'store')]);
    }
  });
});
