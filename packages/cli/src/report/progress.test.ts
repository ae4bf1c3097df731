import { describe, expect, it } from 'vitest';
import type { BlobProgress } from '@tsc-box/engine';
import { humanSize } from './bytes.ts';
import { formatBar, openProgress, type Screen } from './progress.ts';

const DIGEST = `sha256:${'0123456789ab'.padEnd(64, 'f')}`;
const blob = (state: BlobProgress['state'], current: number, total = 1000): BlobProgress => ({ digest: DIGEST, kind: 'layer', state, current, total });

function fakeScreen(terminal: boolean): { readonly screen: Screen; readonly written: () => string; pass(ms: number): void } {
  let text = '';
  let now = 0;
  return { screen: { terminal, columns: 80, now: () => now, write: (more) => void (text += more) }, written: () => text, pass: (ms) => void (now += ms) };
}

describe('humanSize', () => {
  it('has three digits in powers of ten, as docker', () => {
    expect([0, 512, 999, 1000, 1234, 117_000_000, 999_600, 2e9].map(humanSize)).toEqual(['0B', '512B', '999B', '1kB', '1.23kB', '117MB', '1MB', '2GB']);
  });
});

describe('progress', () => {
  it('is one line a layer where nobody watches, whatever happens in between', async () => {
    const { screen, written } = fakeScreen(false);
    const progress = await openProgress(false, screen);
    for (const state of ['waiting', 'downloading', 'downloading', 'verifying', 'done', 'done', 'unpacking', 'unpacked'] as const) progress.blob(blob(state, 5));
    progress.end();
    expect(written()).toBe('0123456789ab: done (1kB)\n');
  });

  it('draws bars over each other on a terminal, not more than ten times a second', async () => {
    const { screen, written, pass } = fakeScreen(true);
    const progress = await openProgress(false, screen);
    progress.blob(blob('downloading', 0));
    for (let bytes = 1; bytes <= 100; bytes += 1) {
      pass(10);
      progress.blob(blob('downloading', bytes * 5));
    }
    progress.blob(blob('done', 1000));
    progress.end();
    progress.end();
    const drawings = written().split('\u001B[1A').length;
    expect(drawings).toBeGreaterThan(8);
    expect(drawings).toBeLessThan(15);
    expect(written()).toMatch(/0123456789ab: downloading \[=+> +\] 450B\/1kB {2}500B\/s {2}2 s left\n/);
    expect(written().endsWith('0123456789ab: done\n')).toBe(true);
  });

  it('says nothing when it is to be quiet', async () => {
    const { screen, written } = fakeScreen(true);
    (await openProgress(true, screen)).blob(blob('done', 1));
    expect(written()).toBe('');
  });

  it('never writes over the edge of the terminal', () => {
    expect(formatBar('0123456789ab', { state: 'downloading', current: 5e8, total: 1e9, marks: [{ at: 0, bytes: 0 }] }, 1000, 40).length).toBeLessThan(40);
  });
});
