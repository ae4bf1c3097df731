/**
 * tsc-box as a library: `import { openBox } from 'tsc-box'`.
 * Systems are loaded when they are opened, so that each needs only its own dependencies.
 */
import type { Box } from '@tsc-box/engine';
import { createBox, type BoxSettings } from '@tsc-box/engine/box';
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

export interface OpenBoxOptions extends BoxSettings {
  /** The kernel to run on. Default: Linux. */
  readonly system?: System;
}

/**
 * Containers for this program. Nothing is started or left running: containers end with the program at the latest.
 * @throws UnsupportedError on other systems than Linux, where no `system` is given
 */
export async function openBox({ system, ...settings }: OpenBoxOptions = {}): Promise<Box> {
  return createBox(system ?? (await openLinux()), settings);
}
