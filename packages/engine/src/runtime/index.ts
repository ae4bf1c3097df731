/** The OCI runtime, written against `System`: what the command `tsc-box-runtime` does. */
export type * from './types.ts';
export { create, start } from './create.ts';
export { kill, pause, remove, resume } from './delete.ts';
export { exec, parseProcess } from './exec.ts';
export { features, defaultSpec } from './features.ts';
export { list, oomKills, pidsOf, queryState, stats, update } from './query.ts';
export { runtimeMessage } from './errors.ts';
