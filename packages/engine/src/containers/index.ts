/** Containers: what they are made from, launched, recorded and removed by. */
export { openEngine } from './engine.ts';
export type * from './types.ts';
