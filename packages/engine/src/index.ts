/** Images and containers, written once against `System`. */
export * from './containers/index.ts';
export type * from './image-commands/types.ts';
export type * from './life/types.ts';
export type * from './box/types.ts';
