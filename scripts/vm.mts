// A command in a test machine with a kernel and cgroups of its own: `node scripts/vm.mts [--cgroup v1] [--memory MB] [--timeout SECONDS] [--kvm] -- COMMAND`.
// Its exit status is the command's; 125 when the machine itself failed.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runInMachine } from './vm/machine.mts';
import { missingForMachine } from './vm/needs.mjs';

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { cgroup: { type: 'string', default: 'v2' }, memory: { type: 'string', default: '4096' }, timeout: { type: 'string', default: '1800' }, kvm: { type: 'boolean', default: false } },
  });
  const { cgroup } = values;
  if (cgroup !== 'v1' && cgroup !== 'v2') throw new Error(`--cgroup "${cgroup}": allowed: v1, v2`);
  if (positionals.length === 0) throw new Error('no command given: node scripts/vm.mts [--cgroup v1|v2] [--memory MB] [--timeout SECONDS] [--kvm] -- COMMAND');
  const missing = missingForMachine();
  if (missing !== undefined) throw new Error(`start a test machine: ${missing}`);
  const exchange = mkdtempSync(join(tmpdir(), 'tsc-box-vm-exchange-'));
  try {
    return await runInMachine({
      cgroup, memoryMegabytes: Number(values.memory), timeoutSeconds: Number(values.timeout), accelerator: values.kvm ? 'kvm' : 'tcg',
      script: positionals.map(quote).join(' '), cwd: process.cwd(), exchange,
    });
  } finally {
    rmSync(exchange, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 125;
}
