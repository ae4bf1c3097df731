/**
 * Removes what an ordinary user may not: files that belong to the ids of its range in /etc/subuid. The root of a user namespace
 * with that range may, so `rm` is run as that, on the machine's own root.
 */
import { compile, defaultIdMaps, type Spec, type System } from '@tsc-box/model';

const CAPABILITIES = ['CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH', 'CAP_FOWNER'];
/** Milliseconds between two looks at whether it has ended. */
const LOOK_MS = 2;

/** False where there are no such ids. Blocks until it is done: those who remove are not asynchronous. */
export function removeMapped(system: System, path: string): boolean {
  const facts = system.facts();
  if (facts.privileged || facts.subuid.length === 0) return false;
  const launched = system.launch({ plan: compile(specOf(path, system), facts, { id: 'remove', root: { kind: 'directory', path: '/' } }), stdio: { stdin: 'null', stdout: 'null', stderr: 'null' } });
  const never = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  while (system.isAlive(launched.pid, launched.startTime)) Atomics.wait(never, 0, 0, LOOK_MS);
  launched.cleanup();
  return true;
}

function specOf(path: string, system: System): Spec {
  return {
    ociVersion: '1.2.0', root: { path: '/' },
    // Every plan makes the usual device nodes: not in the machine's own /dev.
    mounts: [{ destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] }],
    process: {
      user: { uid: 0, gid: 0 }, cwd: '/', args: ['rm', '-rf', '--', path], env: ['PATH=/usr/bin:/bin'],
      capabilities: { bounding: CAPABILITIES, permitted: CAPABILITIES, effective: CAPABILITIES }, noNewPrivileges: true,
    },
    linux: { namespaces: [{ type: 'user' }, { type: 'mount' }], ...defaultIdMaps(system.facts()) },
  };
}
