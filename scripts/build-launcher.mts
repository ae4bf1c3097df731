// Assembles packages/host-linux/src/launcher/asm/*.S into blobs.generated.ts. Needs binutils, and those for aarch64.
// `--check` compares instead of writing.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { $ } from 'zx';

$.quiet = true;
const folder = join(import.meta.dirname, '..', 'packages', 'host-linux', 'src', 'launcher');
const prefixes = { x64: '', arm64: 'aarch64-linux-gnu-' } as const;

async function assemble(architecture: keyof typeof prefixes, directory: string): Promise<string> {
  const prefix = prefixes[architecture];
  const source = join(folder, 'asm', `launcher-${architecture}.S`);
  const object = join(directory, `${architecture}.o`);
  const binary = join(directory, `${architecture}.bin`);
  await $`${prefix}as -o ${object} ${source}`;
  await $`${prefix}objcopy -O binary -j .text ${object} ${binary}`;
  const symbols = (await $`${prefix}nm ${object}`).stdout;
  const offset = (name: string): number => parseInt(new RegExp(`^([0-9a-f]+) T ${name}$`, 'm').exec(symbols)?.[1] ?? '', 16);
  const code = readFileSync(binary).toString('base64');
  const digest = createHash('sha256').update(readFileSync(source)).digest('hex');
  return `  ${architecture}: {\n    code: '${code}',\n    launch: ${String(offset('launch'))}, walk: ${String(offset('walk'))},\n    source: '${digest}',\n  },\n`;
}

const directory = mkdtempSync(join(tmpdir(), 'tsc-box-launcher-'));
try {
  const blobs = [await assemble('x64', directory), await assemble('arm64', directory)];
  const text = `/** Written by scripts/build-launcher.mts from asm/*.S: do not edit. \`code\` is base64, \`launch\` and \`walk\` are offsets in bytes, \`source\` the SHA-256 of the source. */\nexport interface LauncherBlob {\n  readonly code: string;\n  readonly launch: number;\n  readonly walk: number;\n  readonly source: string;\n}\n\nexport const LAUNCHER_BLOBS: Readonly<Record<'x64' | 'arm64', LauncherBlob>> = {\n${blobs.join('')}};\n`;
  const file = join(folder, 'blobs.generated.ts');
  if (!process.argv.includes('--check')) writeFileSync(file, text);
  else if (readFileSync(file, 'utf8') !== text) {
    console.error(`${file} is not what the sources assemble to: run scripts/build-launcher.mts`);
    process.exitCode = 1;
  }
} finally {
  rmSync(directory, { recursive: true });
}
