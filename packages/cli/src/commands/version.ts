/** `tsc-box version`. */
import { arch, release, type } from 'node:os';
import { booleanValue } from '../args/flag.ts';
import { VERSION } from '../version.ts';
import type { Run } from './command.ts';

export const version: Run = (parsed, cli) => {
  const all = { version: VERSION, node: process.version, system: type(), kernel: release(), arch: arch() };
  cli.write(booleanValue(parsed, 'json') ? `${JSON.stringify(all)}\n` : `tsc-box ${VERSION}\n`);
  return 0;
};
