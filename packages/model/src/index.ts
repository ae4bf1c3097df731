/** The container model: spec, options, layers, cgroup writes, launch plan. Pure: no I/O, no Node built-in. */
export * from './errors/box-error.ts';
export type * from './spec/spec.ts';
export * from './spec/capabilities.ts';
export * from './spec/mount-options.ts';
export * from './cgroup/index.ts';
export * from './layers/index.ts';
export type * from './plan/facts.ts';
export type * from './plan/root.ts';
export * from './plan/plan.ts';
export * from './plan/format.ts';
export * from './plan/compile/compile.ts';
export type { CompileOptions } from './plan/compile/context.ts';
export type * from './system.ts';
