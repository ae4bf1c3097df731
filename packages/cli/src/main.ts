/** The program `tsc-box`: V8's cache first, then everything else. */
import { useCompileCache } from './compile-cache.ts';

useCompileCache();
void import('./program.ts').then(({ start }) => start());
