export * from './errors/box-error.ts';
export type * from './spec/spec.ts';
export type * from './plan/facts.ts';
