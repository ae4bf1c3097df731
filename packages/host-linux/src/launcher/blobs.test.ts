import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { assembleBlobs, BLOBS_FILE } from '../../../../scripts/build-launcher.mts';
import { LAUNCHER_BLOBS } from './blobs.generated.ts';

const installed = (command: string): boolean => spawnSync(command, ['--version']).status === 0;
const canAssemble = installed('as') && installed('aarch64-linux-gnu-as') && process.arch === 'x64';

describe('the assembled launcher', () => {
  it.skipIf(!canAssemble)('is what its sources assemble to (needs binutils for x86-64 and aarch64)', async () => {
    expect(await assembleBlobs()).toBe(readFileSync(BLOBS_FILE, 'utf8'));
  });

  it.each(['x64', 'arm64'] as const)('is newer than its source: %s', (architecture) => {
    const source = readFileSync(new URL(`asm/launcher-${architecture}.S`, import.meta.url));
    expect(createHash('sha256').update(source).digest('hex')).toBe(LAUNCHER_BLOBS[architecture].source);
  });

  it.each(['x64', 'arm64'] as const)('is small, and its offsets lie within: %s', (architecture) => {
    const { code, launch, start, startWords } = LAUNCHER_BLOBS[architecture];
    const bytes = Buffer.from(code, 'base64');
    expect(bytes.length).toBeLessThan(640);
    expect(launch).toBe(0);
    expect(start).toBeLessThan(startWords);
    expect(bytes.readBigUInt64LE(startWords)).toBe(0n);
    expect(startWords + 16).toBeLessThanOrEqual(bytes.length);
  });
});
