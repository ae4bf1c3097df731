/**
 * tsc-box as a library: `import { openEngine, openLinux } from 'tsc-box'`.
 * Systems are loaded when they are opened, so that each needs only its own dependencies.
 */
import type { System } from '@tsc-box/model';

export * from '@tsc-box/model';
export * from '@tsc-box/engine';

/** The Linux kernel this process runs on. */
export async function openLinux(): Promise<System> {
  return (await import('@tsc-box/host-linux')).openLinux();
}

/** The simulated kernel. @throws UnsupportedError in this version. */
export async function openSim(): Promise<System> {
  return (await import('@tsc-box/sim')).openSim();
}
