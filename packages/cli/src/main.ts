/** The program `tsc-box`: V8's cache first, then everything else. Runs as CommonJS: `nativeModule` is its own `module` (rolldown.config.mjs). */
import { join } from 'node:path';
import type { LoaderClass } from './code-cache.ts';
import { useCompileCache } from './compile-cache.ts';

declare const nativeModule: { readonly constructor: LoaderClass; readonly path: string };

const [first = '', ...rest] = process.argv.slice(2);
useCompileCache(nativeModule.constructor, join(nativeModule.path, 'chunks'), first === 'run' || (first.startsWith('-') && rest.includes('run')));
void import('./program.ts').then(({ start }) => start());
