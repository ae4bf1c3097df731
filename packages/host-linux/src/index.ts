/** The System on Linux. */
export { openLinux } from './linux.ts';
export { startGuard, type Guard } from './launch/guard.ts';
export { koffi } from './ffi/koffi.unsafe.ts';
