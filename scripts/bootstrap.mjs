// From a fresh clone to a running tsc-box: `node scripts/bootstrap.mjs demo` or `test`.
// Plain JavaScript for Node 20.19 and later, without dependencies.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, environmentFor, findMachineNode, findPinnedNode, install, installed, link, root, run } from './stages.mjs';
import { Totals } from './totals.mjs';
import { missingForMachine } from './vm/needs.mjs';

/** vitest on one Node. Its JSON report is read by file, so that the usual report is still printed. */
function testOn(node, title, totals) {
  const directory = mkdtempSync(join(tmpdir(), 'tsc-box-test-'));
  const report = join(directory, 'report.json');
  const preload = join(root, 'scripts', 'vitest-on-node-20.cjs');
  const args = ['--require', preload, installed('vitest', 'vitest.mjs'), 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const ok = run(title, node, args, { env: environmentFor(node) });
  totals.addReport(report, ok);
  rmSync(directory, { recursive: true, force: true });
}

/** The tests of cgroups again, in an emulated machine where they are all version 2. */
function testInMachine(node, totals) {
  const title = 'vitest in a machine with cgroup v2';
  const missing = node === undefined ? 'it needs the pinned Node 24' : missingForMachine();
  if (missing !== undefined) {
    console.log(`${title}: skipped, ${missing}`);
    totals.skipped += 1;
    return;
  }
  const directory = mkdtempSync(join(tmpdir(), 'tsc-box-test-'));
  const report = join(directory, 'report.json');
  const ok = run(title, node, [join(root, 'scripts', 'vm', 'suite.mts'), '--short', '--report', report]);
  totals.addReport(report, ok);
  rmSync(directory, { recursive: true, force: true });
}

function test() {
  const totals = new Totals();
  if (install()) {
    totals.addStage(build() && link());
    totals.addStage(run('lint', installed('.bin', 'oxlint'), ['--type-aware']));
    totals.addStage(run('typecheck', installed('.bin', 'tsc'), ['-b']));
    totals.addStage(run('typecheck of tests and scripts', installed('.bin', 'tsc'), ['-p', 'tests']));
    const machine = findMachineNode();
    const pinned = findPinnedNode();
    testOn(machine, 'vitest on the Node of this machine', totals);
    if (pinned === undefined) console.log(`vitest on Node 24: skipped, none is pinned for ${process.platform} ${process.arch}`);
    else testOn(pinned, 'vitest on the pinned Node 24', totals);
    testInMachine(pinned, totals);
  } else {
    totals.addStage(false);
  }
  console.log(totals.line());
  return totals.failed === 0;
}

async function demo() {
  if (!install() || !build() || !link()) return false;
  const { runDemo } = await import('./demo.mjs');
  return runDemo();
}

const commands = { demo, test };
const command = commands[process.argv[2]];
if (command === undefined) {
  console.error('usage: node scripts/bootstrap.mjs demo|test');
  process.exitCode = 2;
} else if (!(await command())) {
  process.exitCode = 1;
}
