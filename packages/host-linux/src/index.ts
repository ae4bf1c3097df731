/** The System on Linux. */
export { openLinux } from './linux.ts';
