// Assembles packages/host-linux/src/launcher/asm/*.S into blobs.generated.ts. Needs binutils, and those for aarch64.
// Run by Node 24: `node scripts/build-launcher.mts`; `--check` compares instead of writing. A test compares too.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { $ } from 'zx';

const folder = fileURLToPath(new URL('../packages/host-linux/src/launcher/', import.meta.url));
const prefixes = { x64: '', arm64: 'aarch64-linux-gnu-' } as const;
const run = $({ quiet: true });

export const BLOBS_FILE: string = join(folder, 'blobs.generated.ts');

/** The text of blobs.generated.ts as the sources give it now. */
export async function assembleBlobs(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'tsc-box-launcher-'));
  try {
    return `${HEAD}${await assemble('x64', directory)}${await assemble('arm64', directory)}};\n`;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const HEAD = `/** Written by scripts/build-launcher.mts from asm/*.S: do not edit. */
export interface LauncherBlob {
  /** Machine code in base64. */
  readonly code: string;
  /** Offsets in bytes: the function that clones, the entry point of a static ELF file, and the two words that it reads. */
  readonly launch: number;
  readonly start: number;
  readonly startWords: number;
  /** SHA-256 of the source. */
  readonly source: string;
}

export const LAUNCHER_BLOBS: Readonly<Record<'x64' | 'arm64', LauncherBlob>> = {
`;

async function assemble(architecture: keyof typeof prefixes, directory: string): Promise<string> {
  const prefix = prefixes[architecture];
  const source = join(folder, 'asm', `launcher-${architecture}.S`);
  const object = join(directory, `${architecture}.o`);
  const binary = join(directory, `${architecture}.bin`);
  await run`${`${prefix}as`} -o ${object} ${source}`;
  await run`${`${prefix}objcopy`} -O binary -j .text ${object} ${binary}`;
  const relocations = (await run`${`${prefix}readelf`} -r ${object}`).stdout;
  if (!relocations.includes('no relocations')) throw new Error(`${source} leaves relocations, and nothing would do them: ${relocations}`);
  const symbols = (await run`${`${prefix}nm`} ${object}`).stdout;
  const offset = (name: string): string => {
    const found = new RegExp(`^([0-9a-f]+) T ${name}$`, 'm').exec(symbols)?.[1];
    if (found === undefined) throw new Error(`${source} has no symbol ${name}`);
    return String(parseInt(found, 16));
  };
  const code = readFileSync(binary).toString('base64');
  const digest = createHash('sha256').update(readFileSync(source)).digest('hex');
  return `  ${architecture}: {
    code: '${code}',
    launch: ${offset('launch')}, start: ${offset('start')}, startWords: ${offset('start_words')},
    source: '${digest}',
  },
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = await assembleBlobs();
  if (!process.argv.includes('--check')) writeFileSync(BLOBS_FILE, text);
  else if (readFileSync(BLOBS_FILE, 'utf8') !== text) {
    console.error(`${BLOBS_FILE} is not what the sources assemble to: run scripts/build-launcher.mts`);
    process.exitCode = 1;
  }
}
