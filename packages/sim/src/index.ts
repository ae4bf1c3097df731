/** The simulated kernel behind the `System` interface. */
import { UnsupportedError, type System } from '@tsc-box/model';

export { DEMO_LAYER, simulate, type SimProcess, type SimSystem, type SimulateOptions, type TaskView } from './system.ts';
export type { SimStreams } from './launch/streams.ts';
export type { Fault } from './det/faults.ts';
export type { ProgramRegistry } from './abi/programs.ts';
export type { Program } from './abi/calls.ts';

/**
 * For the command line, which also needs images and kept containers in the simulated machine.
 * @throws UnsupportedError always, in this version: the library's `simulate()` launches plans already.
 */
export function openSim(): System {
  throw new UnsupportedError({
    attempted: 'open the simulated kernel', detail: 'the simulated kernel is not built yet in this version', hint: 'leave out --system sim, --simulate and TSC_BOX_SYSTEM to use the Linux kernel of this machine',
  });
}
