/** What lies on disk after unpacking is what the model says, links and whiteouts and all; nothing is ever made outside. */
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyLayer, BoxError, joinBytes, MemoryUnion, TarReader, tarEnd, tarEntry, toByteString, type MemoryDirectory, type MemoryNode, type TarEntry, type TarWriteEntry } from '@tsc-box/model';
import { createExtractor } from './extract.ts';
import { isOpaque, MergedLayers } from './lookup.ts';

type Item = TarWriteEntry;

const component = fc.constantFrom('a', 'b', 'c');
const path = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const target = fc.tuple(fc.constantFrom('', '/', '../', '../../', './'), path).map((parts) => parts.join(''));
const mode = fc.constantFrom(0o600, 0o755, 0o4711, 0);
const item: fc.Arbitrary<Item> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('file' as const), name: path, mode }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('directory' as const), name: path.map((text) => `${text}/`), mode }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('symlink' as const), name: path, linkName: target }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('hardlink' as const), name: path, linkName: path }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('fifo' as const), name: path, mode }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('file' as const), name: path.map((text) => text.replace(/[^/]+$/, '.wh.$&')) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('file' as const), name: path.map((text) => `${text}/.wh..wh..opq`) }) },
);

function entriesOf(archive: Uint8Array): TarEntry[] {
  const entries: TarEntry[] = [];
  const reader = new TarReader({ entry: (entry) => void entries.push(entry) });
  reader.push(archive);
  reader.end();
  return entries;
}

/** Hard links share the number of their first name. */
function linesOfModel(root: MemoryDirectory): string[] {
  const numbers = new Map<object, number>();
  const lines: string[] = [];
  const visit = (node: MemoryNode, at: string): void => {
    if (node.kind === 'directory') {
      lines.push(`${at}/ ${node.opaque ? 'opaque' : ''}`);
      for (const name of [...node.children.keys()].toSorted()) visit(node.children.get(name) ?? node, `${at}/${name}`);
    } else if (node.kind === 'whiteout') lines.push(`${at} whiteout`);
    else {
      if (!numbers.has(node.identity)) numbers.set(node.identity, numbers.size);
      lines.push(`${at} ${node.entry.type} ${toByteString(node.entry.linkName)} ${node.entry.type === 'symlink' ? '' : node.entry.mode.toString(8)} #${String(numbers.get(node.identity))}`);
    }
  };
  visit(root, '');
  return lines;
}

function linesOfDisk(root: string): string[] {
  const numbers = new Map<bigint, number>();
  const lines: string[] = [];
  const visit = (at: string): void => {
    const full = `${root}${at}`;
    const stat = lstatSync(full, { bigint: true });
    if (stat.isDirectory()) {
      lines.push(`${at}/ ${isOpaque(full) ? 'opaque' : ''}`);
      for (const name of readdirSync(full).toSorted()) visit(`${at}/${name}`);
    } else if (stat.isCharacterDevice()) lines.push(`${at} whiteout`);
    else {
      if (!numbers.has(stat.ino)) numbers.set(stat.ino, numbers.size);
      const type = stat.isSymbolicLink() ? 'symlink' : stat.isFIFO() ? 'fifo' : 'file';
      lines.push(`${at} ${type} ${type === 'symlink' ? readlinkSync(full) : ''} ${type === 'symlink' ? '' : (Number(stat.mode) & 0o7777).toString(8)} #${String(numbers.get(stat.ino))}`);
    }
  };
  visit('');
  return lines;
}

const attempt = <T>(action: () => T): T | undefined => {
  try {
    return action();
  } catch (error) {
    if (error instanceof BoxError && error.code === 'ERR_TSCBOX_LAYER_INVALID') return undefined;
    throw error;
  }
};

async function onDisk(archive: Uint8Array, directory: string, lowerdirs: readonly string[]): Promise<boolean> {
  const stream = async function* (): AsyncGenerator<Uint8Array> {
    yield archive;
  };
  mkdirSync(directory);
  try {
    await createExtractor().extract(stream(), directory, { lowerdirs });
    return true;
  } catch (error) {
    if (error instanceof BoxError && error.code === 'ERR_TSCBOX_LAYER_INVALID') return false;
    throw error;
  }
}

describe('any archive', () => {
  it('is refused, or unpacked to what the model says, layer over layer', async () => {
    const work = mkdtempSync(join(tmpdir(), 'tsc-box-fuzz-'));
    // Where "..", "/a" and "/b" would lead if links were followed out of the layer.
    for (const name of ['a', 'b', 'c']) writeFileSync(join(work, name), 'untouched');
    let run = 0;
    let [unpacked, refused] = [0, 0];
    const property = fc.asyncProperty(fc.array(fc.array(item, { minLength: 1, maxLength: 10 }), { minLength: 1, maxLength: 3 }), async (archives) => {
      run += 1;
      mkdirSync(join(work, String(run)));
      let models: MemoryDirectory[] = [];
      let lowerdirs: string[] = [];
      for (const [index, items] of archives.entries()) {
        const archive = joinBytes([...items.map((each) => tarEntry(each)), tarEnd()]);
        const model = attempt(() => applyLayer(entriesOf(archive), models));
        const directory = join(work, String(run), String(index));
        expect(await onDisk(archive, directory, lowerdirs)).toBe(model !== undefined);
        if (model === undefined) {
          refused += 1;
          break;
        }
        unpacked += 1;
        expect(linesOfDisk(directory)).toEqual(linesOfModel(model));
        [models, lowerdirs] = [[model, ...models], [directory, ...lowerdirs]];
      }
      const [union, merged] = [new MemoryUnion(models), new MergedLayers(lowerdirs)];
      for (const at of union.list().keys()) {
        expect(merged.lookup(at)).toEqual(union.lookup(at));
        expect(merged.children(at).toSorted()).toEqual(union.children(at).toSorted());
      }
      expect(readdirSync(work).filter((name) => !/^\d+$/.test(name))).toEqual(['a', 'b', 'c']);
      rmSync(join(work, String(run)), { recursive: true });
    });
    try {
      await fc.assert(property, { numRuns: 400, endOnFailure: false });
      expect(unpacked).toBeGreaterThan(100);
      expect(refused).toBeGreaterThan(20);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }, 60_000);
});
