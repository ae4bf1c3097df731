/** What is kept of a launch: for `exec` into the container, and to start it again. */
import type { LaunchPlan, Spec } from '@tsc-box/model';
import type { LayoutEntry, Owner } from './layout.ts';
import type { Prepared } from './prepare.ts';

/** Kept in `launch.json`. */
export interface LaunchRecord {
  readonly version: 1;
  readonly spec: Spec;
  /** Absent for a container that is removed when it ends. */
  readonly again?: {
    readonly plan: LaunchPlan;
    /** Files outside its directory: they may be gone after a reboot. */
    readonly files: readonly KeptFile[];
    readonly skeleton?: { readonly path: string; readonly layout: readonly LayoutEntry[]; readonly owner?: Owner };
  };
  readonly interactive: boolean;
}

export interface KeptFile {
  readonly path: string;
  readonly mode: number;
  readonly base64: string;
  readonly owner?: Owner;
}

export function launchRecord({ spec, plan, planned, owner }: Prepared, { interactive, again, runRoot }: { readonly interactive: boolean; readonly again: boolean; readonly runRoot: string }): LaunchRecord {
  if (!again) return { version: 1, spec, interactive };
  const files = planned.layout.filter((entry) => entry.kind === 'file').filter(({ path }) => path.startsWith(`${runRoot}/`));
  return {
    version: 1, spec, interactive,
    again: {
      plan,
      files: files.map(({ path, mode, data, owner: whose }) => ({ path, mode, base64: Buffer.from(data).toString('base64'), ...(whose === undefined ? {} : { owner: whose }) })),
      ...(planned.skeleton === undefined ? {} : { skeleton: { ...planned.skeleton, ...(owner === undefined ? {} : { owner }) } }),
    },
  };
}
