/** The program `tsc-box-runtime`: see main.ts of `tsc-box`. */
import { join } from 'node:path';
import type { LoaderClass } from '../code-cache.ts';
import { useCompileCache } from '../compile-cache.ts';

declare const nativeModule: { readonly constructor: LoaderClass; readonly path: string };

useCompileCache(nativeModule.constructor, join(nativeModule.path, 'runtime-chunks'), process.argv.includes('create') || process.argv.includes('run'), '-runtime');
void import('./program.ts').then(({ start }) => start());
