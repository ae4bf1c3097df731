// The demo: on Linux, a command on a copy-on-write view of this machine, with limits.
import { spawnSync } from 'node:child_process';
import { environmentFor, findMachineNode, installed, root } from './stages.mjs';

const name = 'tsc-box-demo';
const inside = [
  'echo "identity    $(id)"',
  'echo "hostname    $(hostname)"',
  'echo "processes"; ps -ef 2>/dev/null || ps',
  'echo "namespaces"; readlink /proc/self/ns/*',
  'echo "memory.max  $(cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || echo not visible here)"',
  'touch /etc/tsc-box-was-here',
  'if [ -e /etc/issue ]; then rm /etc/issue; fi',
].join('\n');

const steps = [
  ['check', 'host', 'true'],
  ['run', '--name', name, '--memory', '64m', '--pids-limit', '32', '--cpus', '0.5', '--hostname', 'demo', 'host', 'sh', '-c', inside],
  ['diff', name],
  ['ps', '-a'],
  ['rm', name],
];

const quote = (word) => (/^[\w./:=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

function runStep(args) {
  console.log(`\n$ tsc-box ${args.map(quote).join(' ')}`);
  const node = findMachineNode();
  const result = spawnSync(node, [installed('.bin', 'tsc-box'), ...args], { cwd: root, env: environmentFor(node), stdio: 'inherit' });
  if (result.status !== 0) console.log(`tsc-box ${args[0]} failed with ${result.signal ?? `exit status ${result.status}`}`);
  return result.status === 0;
}

/** Runs every step, also after a failed one, and returns whether all went well. */
export function runDemo() {
  if (process.platform !== 'linux') {
    console.log(`the demo needs Linux; on ${process.platform} try: tsc-box plan host true`);
    return true;
  }
  // What an interrupted demo left behind.
  spawnSync(findMachineNode(), [installed('.bin', 'tsc-box'), 'rm', name], { cwd: root, stdio: 'ignore' });
  const results = steps.map(runStep);
  const ok = results.every(Boolean);
  console.log(ok ? '\ndemo: ok' : '\ndemo: failed');
  return ok;
}
