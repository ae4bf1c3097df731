/** `tsc-box gc`, `prune` and `fsck`: care of the store. */
import { readSync } from 'node:fs';
import { booleanValue } from '../args/flag.ts';
import { humanSize } from '../report/bytes.ts';
import type { Cli, Run } from './command.ts';

const DAMAGED = 1;

export const gc: Run = async (parsed, cli) => collect(cli, { dryRun: booleanValue(parsed, 'dryRun'), json: booleanValue(parsed, 'json'), dangling: false });

export const prune: Run = async (parsed, cli) => {
  const dryRun = booleanValue(parsed, 'dryRun');
  if (!dryRun && !booleanValue(parsed, 'force') && !confirm(cli, booleanValue(parsed, 'all'))) return 0;
  return collect(cli, { dryRun, json: booleanValue(parsed, 'json'), dangling: true, all: booleanValue(parsed, 'all') });
};

interface Wishes {
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly dangling: boolean;
  readonly all?: boolean;
}

async function collect(cli: Cli, { json, ...options }: Wishes): Promise<number> {
  const { images, blobs, layers, freedBytes } = await (await (await cli.engine()).images()).gc(options);
  if (json) cli.write(`${JSON.stringify({ images, blobs, layers, freedBytes, dryRun: options.dryRun })}\n`);
  else {
    for (const id of images) cli.write(`${options.dryRun ? 'Would delete' : 'Deleted'} image: ${id}\n`);
    for (const { digest } of blobs) cli.write(`${options.dryRun ? 'Would delete' : 'Deleted'} blob: ${digest}\n`);
    for (const id of layers) cli.write(`${options.dryRun ? 'Would delete' : 'Deleted'} layer: ${id}\n`);
    cli.write(`${options.dryRun ? 'Would reclaim' : 'Total reclaimed space'}: ${humanSize(freedBytes)}\n`);
  }
  return 0;
}

/** As docker asks. Anything but y is no. */
function confirm(cli: Cli, all: boolean): boolean {
  cli.write(`WARNING! This will remove ${all ? 'all images that no container was made from' : 'images without a name'}, and what no image or container needs.\nAre you sure you want to continue? [y/N] `);
  const bytes = new Uint8Array(64);
  try {
    return /^y(es)?\s*$/i.test(Buffer.from(bytes.subarray(0, readSync(0, bytes))).toString());
  } catch {
    return false;
  }
}

/** Exits with 1 when something is damaged and stays so. */
export const fsck: Run = async (parsed, cli) => {
  const problems = await (await (await cli.engine()).images()).fsck({ repair: booleanValue(parsed, 'repair') });
  if (booleanValue(parsed, 'json')) cli.write(problems.map((problem) => `${JSON.stringify(problem)}\n`).join(''));
  else {
    for (const { kind, digest, images, detail, repaired } of problems) cli.write(`${kind}${digest === undefined ? '' : ` ${digest}`}: ${detail}${images.length === 0 ? '' : `; needed by ${images.join(', ')}`}${repaired ? '; removed: pull or load it again' : ''}\n`);
    cli.write(problems.length === 0 ? 'The store is whole.\n' : `${String(problems.length)} problem${problems.length === 1 ? '' : 's'}.\n`);
  }
  return problems.some(({ repaired }) => !repaired) ? DAMAGED : 0;
};
