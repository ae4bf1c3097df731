// Compiles assembly/union.ts into src/vfs/union/union.generated.ts, as base64. Run by Node 24: `node packages/sim/scripts/build-union.mts`.
// A test compares what is checked in with what the sources give.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../assembly/', import.meta.url));
export const UNION_FILE: string = fileURLToPath(new URL('../src/vfs/union/union.generated.ts', import.meta.url));

/** The text of union.generated.ts as the sources give it now. Static data lies below the header that abi.ts places at 1024. */
export function compileUnion(): string {
  const directory = mkdtempSync(join(tmpdir(), 'tsc-box-union-'));
  try {
    const out = join(directory, 'union.wasm');
    const compiler = join(dirname(createRequire(import.meta.url).resolve('assemblyscript/package.json')), 'bin', 'asc.js');
    const flags = ['--runtime', 'stub', '-O3', '--noAssert', '--memoryBase', '256', '--initialMemory', '8'];
    execFileSync(process.execPath, [compiler, 'union.ts', ...flags, '-o', out], { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] });
    const code = readFileSync(out).toString('base64');
    return `/** Written by scripts/build-union.mts from assembly/*.ts: do not edit. */\nexport const UNION_WASM: string =\n  '${code}';\n`;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(UNION_FILE, compileUnion());
