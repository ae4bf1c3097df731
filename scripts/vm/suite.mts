// The test suite in a test machine whose cgroups are all version 2: `node scripts/vm/suite.mts [--short] [--cgroup v1] [--report FILE]`.
// The machine is emulated, several times slower than this one: time limits are longer there.
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findMachineNode, root } from '../stages.mjs';
import { runInMachine } from './machine.mts';
import { missingForMachine } from './needs.mjs';

/** What a cgroup v2 host answers in another way than a v1 host. */
const SHORT = ['packages/host-linux/src/cgroup', 'packages/host-linux/src/facts', 'tests/cases/cgroups.host.test.ts'];

const TIMEOUT_MS = 300_000;

function vitest(paths: readonly string[]): string {
  const limits = `--testTimeout=${String(TIMEOUT_MS)} --hookTimeout=${String(TIMEOUT_MS)}`;
  return `CI=1 NO_COLOR=1 TSC_BOX_TEST_MACHINE=1 '${findMachineNode()}' --require ./scripts/vitest-on-node-20.cjs node_modules/vitest/vitest.mjs run --maxWorkers=2 ${limits} --reporter=default --reporter=json --outputFile.json=/run/tsc-box-vm/report.json ${paths.join(' ')} 2>&1 | cat
test -s /run/tsc-box-vm/report.json && ! grep -q '"success":false' /run/tsc-box-vm/report.json`;
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { short: { type: 'boolean', default: false }, cgroup: { type: 'string', default: 'v2' }, report: { type: 'string' } } });
const missing = missingForMachine();
if (missing !== undefined) {
  console.log(`tests in a test machine: skipped, ${missing}`);
} else {
  const exchange = mkdtempSync(join(tmpdir(), 'tsc-box-vm-exchange-'));
  try {
    process.exitCode = await runInMachine({
      cgroup: values.cgroup === 'v1' ? 'v1' : 'v2', memoryMegabytes: 6144, timeoutSeconds: values.short ? 900 : 5400, accelerator: 'tcg',
      script: vitest(positionals.length > 0 ? positionals : values.short ? SHORT : []), cwd: root, exchange,
    });
    const report = join(exchange, 'report.json');
    if (values.report !== undefined && existsSync(report)) copyFileSync(report, values.report);
  } finally {
    rmSync(exchange, { recursive: true, force: true });
  }
}
