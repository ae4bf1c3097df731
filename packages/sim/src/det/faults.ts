/** Faults on purpose: a call that fails with an error number, at its n-th time or by chance from the seed's stream for faults. */
import type { CallName } from '../abi/calls.ts';
import type { Random } from './rng.ts';

export interface Fault {
  readonly call: CallName;
  /** Positive error number that the call gives. */
  readonly errno: number;
  /** The n-th such call of the machine (from 1) fails. */
  readonly at?: number;
  /** In [0, 1]: how often one fails. */
  readonly probability?: number;
  /** Only calls of tasks of this name (comm). */
  readonly comm?: string;
}

/** Says whether a call fails: its negative error number, or 0. */
export type FaultHook = (call: CallName, comm: string) => number;

/** Undefined when there are none, so that calls need not ask. */
export function openFaults(faults: readonly Fault[], random: Random): FaultHook | undefined {
  if (faults.length === 0) return undefined;
  const counts = faults.map(() => 0);
  return (call, comm) => {
    for (const [index, fault] of faults.entries()) {
      if (fault.call !== call || (fault.comm !== undefined && fault.comm !== comm)) continue;
      const count = (counts[index] ?? 0) + 1;
      counts[index] = count;
      if (fault.at === count || (fault.probability !== undefined && random.next() < fault.probability)) return -fault.errno;
    }
    return 0;
  };
}
