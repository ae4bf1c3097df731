/** The simulated kernel behind the `System` interface. Not built yet: it refuses, clearly. */
import { UnsupportedError, type System } from '@tsc-box/model';

/** @throws UnsupportedError always, in this version. */
export function openSim(): System {
  throw new UnsupportedError({
    attempted: 'open the simulated kernel', detail: 'the simulated kernel is not built yet in this version', hint: 'leave out --system sim, --simulate and TSC_BOX_SYSTEM to use the Linux kernel of this machine',
  });
}
