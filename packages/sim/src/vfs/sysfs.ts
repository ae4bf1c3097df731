/** sysfs, as far as containers look at it: sysfs(5). */
import type { UserNamespace } from '../kernel/cred.ts';
import type { Kernel } from '../kernel/types.ts';
import type { FileSystem } from './filesystem.ts';
import { createPseudo, fixed, textFile, type PseudoNode } from './pseudo.ts';

export function createSysfs(kernel: Kernel, owner: UserNamespace, source: string): FileSystem {
  const last = kernel.machine.cpus - 1;
  const range = last === 0 ? '0\n' : `0-${String(last)}\n`;
  const lo = (up: boolean): PseudoNode => fixed({ operstate: textFile(() => (up ? 'unknown\n' : 'down\n')), address: textFile(() => '00:00:00:00:00:00\n'), mtu: textFile(() => '65536\n') });
  return createPseudo(kernel, {
    type: 'sysfs', magic: 0x62656572, source, options: '', owner,
    root: fixed({
      block: fixed({}), bus: fixed({}),
      class: fixed({ net: { kind: 'directory', list: () => ['lo'], child: (name, task) => (name === 'lo' ? lo(task.ns.net.loopbackUp) : undefined) } }),
      devices: fixed({ system: fixed({ cpu: fixed({ online: textFile(() => range), possible: textFile(() => range), present: textFile(() => range) }) }), virtual: fixed({ powercap: fixed({}) }) }),
      firmware: fixed({}), fs: fixed({ cgroup: fixed({}) }), kernel: fixed({ mm: fixed({ transparent_hugepage: fixed({ enabled: textFile(() => 'always [madvise] never\n') }) }) }), module: fixed({}), power: fixed({}),
    }),
  });
}
