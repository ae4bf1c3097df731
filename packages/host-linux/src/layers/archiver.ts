/** `TreeArchiver` on this kernel. */
import type { Facts, TreeArchiver } from '@tsc-box/model';
import { openCgroup } from '../cgroup/manage.ts';
import { applyChanges } from './apply.ts';
import { packChanges, packTree } from './pack.ts';
import { unpackTree } from './place.ts';
import { openTree } from './tree-view.ts';
import { traceLayers, usageOfLayers } from './usage.ts';

export function createArchiver(facts: () => Facts): TreeArchiver {
  return {
    apply: applyChanges,
    packChanges,
    pack: packTree,
    unpack: unpackTree,
    usage: usageOfLayers,
    trace: traceLayers,
    stat(view, path, { follow = true } = {}) {
      const opened = openTree(view, path, follow);
      if (opened === undefined) return undefined;
      opened.directory.close();
      if (opened.kind === 'directory') return { kind: 'directory' };
      return { kind: opened.entry.stat.isFile() ? 'file' : opened.entry.stat.isSymbolicLink() ? 'symlink' : 'other' };
    },
    freeze(cgroupPath) {
      const cgroup = openCgroup(facts(), cgroupPath);
      cgroup.freeze();
      return () => cgroup.thaw();
    },
  };
}
