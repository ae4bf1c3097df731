/** Images as commands use them. */
export { openImages } from './images.ts';
export type * from './types.ts';
