export * from './write.ts';
export * from './resources.ts';
export { memoryWrites, swapMaxV2 } from './memory.ts';
export { cpuWrites, sharesToWeight } from './cpu.ts';
export { blockIoWrites, blkioToIoWeight } from './io.ts';
export * from './devices.ts';
export { assembleDeviceProgram } from './device-program.ts';
